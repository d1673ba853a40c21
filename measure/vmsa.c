/* Initial register state; no input here comes from outside the launch's own parameters. */
#include "measure/vmsa.h"

#include <string.h>

#include "base/cursor.h"

#define SEGMENT_FIELDS(name, offset)                                                                                   \
    { name ".selector", offset, 2 }, { name ".attrib", offset + 2, 2 }, { name ".limit", offset + 4, 4 },              \
    {                                                                                                                  \
        name ".base", offset + 8, 8                                                                                    \
    }

enum {
    VMSA_ES = 0x00,
    VMSA_CS = 0x10,
    VMSA_SS = 0x20,
    VMSA_DS = 0x30,
    VMSA_FS = 0x40,
    VMSA_GS = 0x50,
    VMSA_GDTR = 0x60,
    VMSA_LDTR = 0x70,
    VMSA_IDTR = 0x80,
    VMSA_TR = 0x90,
    VMSA_EFER = 0xd0,
    VMSA_CR4 = 0x148,
    VMSA_CR0 = 0x158,
    VMSA_DR7 = 0x160,
    VMSA_DR6 = 0x168,
    VMSA_RFLAGS = 0x170,
    VMSA_RIP = 0x178,
    VMSA_G_PAT = 0x268,
    VMSA_RDX = 0x310,
    VMSA_SEV_FEATURES = 0x3b0,
    VMSA_XCR0 = 0x3e8,
    VMSA_MXCSR = 0x408,
    VMSA_X87_FCW = 0x410,
};

static const struct vmsa_field fields[] = {
    SEGMENT_FIELDS("es", VMSA_ES),
    SEGMENT_FIELDS("cs", VMSA_CS),
    SEGMENT_FIELDS("ss", VMSA_SS),
    SEGMENT_FIELDS("ds", VMSA_DS),
    SEGMENT_FIELDS("fs", VMSA_FS),
    SEGMENT_FIELDS("gs", VMSA_GS),
    SEGMENT_FIELDS("gdtr", VMSA_GDTR),
    SEGMENT_FIELDS("ldtr", VMSA_LDTR),
    SEGMENT_FIELDS("idtr", VMSA_IDTR),
    SEGMENT_FIELDS("tr", VMSA_TR),
    { "efer", VMSA_EFER, 8 },
    { "cr4", VMSA_CR4, 8 },
    { "cr0", VMSA_CR0, 8 },
    { "dr7", VMSA_DR7, 8 },
    { "dr6", VMSA_DR6, 8 },
    { "rflags", VMSA_RFLAGS, 8 },
    { "rip", VMSA_RIP, 8 },
    { "g_pat", VMSA_G_PAT, 8 },
    { "rdx", VMSA_RDX, 8 },
    { "sev_features", VMSA_SEV_FEATURES, 8 },
    { "xcr0", VMSA_XCR0, 8 },
    { "mxcsr", VMSA_MXCSR, 4 },
    { "x87_fcw", VMSA_X87_FCW, 2 },
};

const struct vmsa_field *vmsa_field(size_t index)
{
    return index < ARRAY_SIZE(fields) ? &fields[index] : NULL;
}

uint64_t vmsa_field_value(const struct vmsa_field *field, const uint8_t page[PAGE_BYTES])
{
    const uint8_t *at = page + field->offset;

    return field->size == 8 ? get_u64le(at) : field->size == 4 ? get_u32le(at) : get_u16le(at);
}

/* Where VMMs differ. */
struct style {
    uint16_t cs_boot, cs, ss, tr; /* attributes; cs of the boot processor apart */
    uint64_t pat;
    uint32_t mxcsr;
    uint16_t fcw;
    uint32_t rdx; /* where the signature is not measured */
};

#define PAT_RESET UINT64_C(0x0007040600070406)

static const struct style styles[VMM_COUNT] = {
    [VMM_QEMU] = { 0x9b, 0x9b, 0x93, 0x8b, PAT_RESET, 0x1f80, 0x37f, 0 },
    /* Linux before 6.10 left the FPU's fields zero. */
    [VMM_QEMU_OLD] = { 0x9b, 0x9b, 0x93, 0x8b, PAT_RESET, 0, 0, 0 },
    [VMM_EC2] = { 0x9a, 0x9b, 0x92, 0x83, PAT_RESET, 0, 0, 0x600 },
    [VMM_EC2_OLD] = { 0x9a, 0x9b, 0x92, 0x83, PAT_RESET, 0, 0, 0 },
    [VMM_GCE] = { 0x9b, 0x9b, 0x93, 0x8b, 0x00070106, 0, 0, 0x600 },
};

static void put_segment(uint8_t *to, uint16_t selector, uint16_t attributes, uint32_t limit, uint64_t base)
{
    put_u16le(to, selector);
    put_u16le(to + 2, attributes);
    put_u32le(to + 4, limit);
    put_u64le(to + 8, base);
}

static void put_real_mode(uint8_t *page, const struct vmsa_inputs *inputs, const struct style *style)
{
    static const uint16_t data_segments[] = { VMSA_ES, VMSA_DS, VMSA_FS, VMSA_GS };
    uint16_t code = inputs->eip == VMSA_BSP_EIP ? style->cs_boot : style->cs;

    for (size_t i = 0; i < ARRAY_SIZE(data_segments); i++)
        put_segment(page + data_segments[i], 0, 0x93, 0xffff, 0);
    put_segment(page + VMSA_SS, 0, style->ss, 0xffff, 0);
    put_segment(page + VMSA_CS, 0xf000, code, 0xffff, inputs->eip & 0xffff0000u);
    put_u64le(page + VMSA_CR0, 0x10); /* ET */
    put_u64le(page + VMSA_RIP, inputs->eip & 0xffff);
    put_u32le(page + VMSA_MXCSR, style->mxcsr);
    put_u16le(page + VMSA_X87_FCW, style->fcw);
}

/* QEMU with COCONUT's patches starts the SVSM in protected mode; x87_fcw stays zero there. */
static void put_protected_mode(uint8_t *page, const struct vmsa_inputs *inputs, const struct style *style)
{
    static const uint16_t data_segments[] = { VMSA_ES, VMSA_SS, VMSA_DS, VMSA_FS };

    for (size_t i = 0; i < ARRAY_SIZE(data_segments); i++)
        put_segment(page + data_segments[i], 16, 0xc93, 0xffffffff, 0);
    put_segment(page + VMSA_GS, 0, 0x93, 0xffff, 0);
    put_segment(page + VMSA_CS, 8, 0xc9b, 0xffffffff, 0);
    put_u64le(page + VMSA_CR0, 0x11); /* ET, PE */
    put_u64le(page + VMSA_RIP, inputs->eip);
    put_u32le(page + VMSA_MXCSR, style->mxcsr);
}

void vmsa_encode(const struct vmsa_inputs *inputs, uint8_t ret_page[PAGE_BYTES])
{
    const struct style *style = &styles[inputs->vmm];
    uint8_t *page = ret_page;

    memset(page, 0, PAGE_BYTES);
    if (inputs->svsm)
        put_protected_mode(page, inputs, style);
    else
        put_real_mode(page, inputs, style);
    put_segment(page + VMSA_GDTR, 0, 0, 0xffff, 0);
    put_segment(page + VMSA_LDTR, 0, 0x82, 0xffff, 0);
    put_segment(page + VMSA_IDTR, 0, 0, 0xffff, 0);
    put_segment(page + VMSA_TR, 0, style->tr, 0xffff, 0);
    put_u64le(page + VMSA_EFER, 0x1000); /* SVME, which KVM sets */
    put_u64le(page + VMSA_CR4, 0x40);    /* MCE */
    put_u64le(page + VMSA_DR7, 0x400);
    put_u64le(page + VMSA_DR6, 0xffff0ff0);
    put_u64le(page + VMSA_RFLAGS, 2);
    put_u64le(page + VMSA_G_PAT, style->pat);
    put_u64le(page + VMSA_RDX, vmm_measures_signature(inputs->vmm) ? inputs->signature : style->rdx);
    put_u64le(page + VMSA_SEV_FEATURES, inputs->features);
    put_u64le(page + VMSA_XCR0, 1);
}
