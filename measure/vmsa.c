/* Initial register state; no input here comes from outside the launch's own parameters. */
#include "measure/vmsa.h"

#include <string.h>

#include "base/cursor.h"

/* Offsets in the save area. */
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

static void put_segment(uint8_t *to, uint16_t selector, uint16_t attributes, uint32_t limit, uint64_t base)
{
    put_u16le(to, selector);
    put_u16le(to + 2, attributes);
    put_u32le(to + 4, limit);
    put_u64le(to + 8, base);
}

void vmsa_encode(const struct vmsa_inputs *inputs, uint8_t ret_page[PAGE_BYTES])
{
    static const uint16_t data_segments[] = { VMSA_ES, VMSA_SS, VMSA_DS, VMSA_FS, VMSA_GS };
    uint8_t *page = ret_page;

    memset(page, 0, PAGE_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(data_segments); i++)
        put_segment(page + data_segments[i], 0, 0x93, 0xffff, 0);
    put_segment(page + VMSA_CS, 0xf000, 0x9b, 0xffff, inputs->eip & 0xffff0000u);
    put_segment(page + VMSA_GDTR, 0, 0, 0xffff, 0);
    put_segment(page + VMSA_LDTR, 0, 0x82, 0xffff, 0);
    put_segment(page + VMSA_IDTR, 0, 0, 0xffff, 0);
    put_segment(page + VMSA_TR, 0, 0x8b, 0xffff, 0);
    put_u64le(page + VMSA_EFER, 0x1000); /* SVME, which KVM sets */
    put_u64le(page + VMSA_CR4, 0x40);    /* MCE */
    put_u64le(page + VMSA_CR0, 0x10);    /* ET */
    put_u64le(page + VMSA_DR7, 0x400);
    put_u64le(page + VMSA_DR6, 0xffff0ff0);
    put_u64le(page + VMSA_RFLAGS, 2);
    put_u64le(page + VMSA_RIP, inputs->eip & 0xffff);
    put_u64le(page + VMSA_G_PAT, UINT64_C(0x0007040600070406));
    put_u64le(page + VMSA_RDX, inputs->signature);
    put_u64le(page + VMSA_SEV_FEATURES, inputs->features);
    put_u64le(page + VMSA_XCR0, 1);
    /* Linux 6.10 and newer set the FPU's reset values; older hosts left zeros and gave another digest. */
    put_u32le(page + VMSA_MXCSR, 0x1f80);
    put_u16le(page + VMSA_X87_FCW, 0x37f);
}
