/* The launch digest, contribution by contribution. All inputs have been parsed; nothing here reads hostile bytes. */
#include "measure/launch.h"

#include <errno.h>
#include <string.h>

#include "measure/explain.h"
#include "measure/firmware-hasher.h"
#include "measure/launch-steps.h"
#include "measure/vmsa.h"

/* Where KVM says that VMSAs lie (INITIAL_VMSA_GPA in arch/x86/kvm/svm/sev.c). */
#define VMSA_GPA UINT64_C(0x0000fffffffff000)

static const char *const page_type_names[] = {
    [PAGE_NORMAL] = "normal",         [PAGE_VMSA] = "VMSA",       [PAGE_ZERO] = "zero",
    [PAGE_UNMEASURED] = "unmeasured", [PAGE_SECRETS] = "secrets", [PAGE_CPUID] = "CPUID",
};

static bool is_snp(const struct launch_inputs *inputs)
{
    return inputs->mode == LAUNCH_SNP || inputs->mode == LAUNCH_SNP_SVSM;
}

size_t launch_digest_size(enum launch_mode mode)
{
    return mode == LAUNCH_SNP || mode == LAUNCH_SNP_SVSM ? LAUNCH_DIGEST_BYTES : SHA256_BYTES;
}

/* ------------------------------------------------------------------------------------------------- what is told */

static int tell(struct launch_steps *steps, struct contribution *contribution)
{
    if (!steps->see || steps->chain.error)
        return steps->chain.error;
    if (steps->chain.sha256)
        chain_peek(&steps->chain);
    memcpy(contribution->digest, steps->chain.digest, sizeof(contribution->digest));
    return steps->chain.error ? steps->chain.error : steps->see(steps->context, contribution);
}

static int tell_pages(struct launch_steps *steps, struct contribution *contribution, enum page_type type,
                      uint64_t gpa, uint64_t size)
{
    contribution->page_type = is_snp(steps->inputs) ? page_type_names[type] : NULL;
    contribution->gpa = gpa;
    contribution->size = size;
    contribution->pages = size / PAGE_BYTES;
    return tell(steps, contribution);
}

/* ----------------------------------------------------------------------------------------------- firmware, sections */

static int add_firmware(struct launch_steps *steps, const struct firmware_file *file, enum contribution_kind kind)
{
    struct contribution told = { .kind = kind, .name = kind == CONTRIBUTION_SVSM ? "SVSM" : "firmware",
                                 .has_contents = file->has_sha384 };

    if (kind == CONTRIBUTION_SVSM)
        firmware_chain_pages(&steps->chain, file);
    else if (is_snp(steps->inputs))
        memcpy(steps->chain.digest, file->digest, sizeof(file->digest));
    else
        chain_start_sha256(&steps->chain, file->sha256);
    memcpy(told.contents, file->sha384, sizeof(told.contents));
    return tell_pages(steps, &told, PAGE_NORMAL, file->tables.gpa, file->tables.size);
}

/* QEMU writes the table into every section of the kind, at the place in the page that the footer's entry names. */
static void hash_table_page(struct launch_steps *steps, const struct firmware *tables,
                            uint8_t ret_hash[SHA384_BYTES])
{
    uint8_t page[PAGE_BYTES] = { 0 };

    kernel_hashes_encode(steps->inputs->hashes, page + tables->hash_table_gpa % PAGE_BYTES);
    chain_hash(&steps->chain, page, sizeof(page), ret_hash);
}

static enum page_type section_page_type(const struct launch_inputs *inputs, enum section_kind kind)
{
    switch (kind) {
    case SECTION_SECRETS:
        return PAGE_SECRETS;
    case SECTION_CPUID:
        return PAGE_CPUID;
    case SECTION_KERNEL_HASHES:
        return inputs->hashes && inputs->mode == LAUNCH_SNP ? PAGE_NORMAL : PAGE_ZERO;
    case SECTION_SEC_MEM:
        return inputs->vmm == VMM_GCE ? PAGE_UNMEASURED : PAGE_ZERO;
    case SECTION_SVSM_CAA:
        break;
    }
    return PAGE_ZERO;
}

static int add_section(struct launch_steps *steps, const struct firmware *tables,
                       const struct firmware_section *section)
{
    enum page_type type = section_page_type(steps->inputs, section->kind);
    struct contribution told = { .kind = CONTRIBUTION_SECTION, .name = section_kind_name(section->kind),
                                 .has_contents = type == PAGE_NORMAL };

    if (told.has_contents)
        hash_table_page(steps, tables, told.contents);
    for (uint64_t at = 0; at < section->size; at += PAGE_BYTES)
        chain_add(&steps->chain, type, section->gpa + at, told.has_contents ? told.contents : NULL);
    return tell_pages(steps, &told, type, section->gpa, section->size);
}

/* EC2 adds the CPUID page behind all other sections. */
static int add_sections(struct launch_steps *steps, const struct firmware *tables)
{
    bool ec2 = steps->inputs->vmm == VMM_EC2 || steps->inputs->vmm == VMM_EC2_OLD;

    for (int pass = 0; pass < (ec2 ? 2 : 1); pass++)
        for (size_t i = 0; i < tables->section_count; i++) {
            const struct firmware_section *section = &tables->sections[i];
            int r;

            if (ec2 && (section->kind == SECTION_CPUID) != (pass == 1))
                continue;
            r = add_section(steps, tables, section);
            if (r != 0)
                return r;
        }
    return 0;
}

/* SEV and SEV-ES measure the table alone, at its place. */
static int add_hash_table(struct launch_steps *steps)
{
    struct contribution told = { .kind = CONTRIBUTION_HASHES, .name = "kernel hashes",
                                 .gpa = steps->inputs->firmware->tables.hash_table_gpa,
                                 .size = KERNEL_HASHES_BYTES, .has_contents = true };
    uint8_t table[KERNEL_HASHES_BYTES];

    if (!steps->inputs->hashes)
        return 0;
    kernel_hashes_encode(steps->inputs->hashes, table);
    chain_add_bytes(&steps->chain, table, sizeof(table));
    chain_hash(&steps->chain, table, sizeof(table), told.contents);
    return tell(steps, &told);
}

int launch_add_memory(struct launch_steps *steps)
{
    const struct launch_inputs *inputs = steps->inputs;
    bool svsm = inputs->mode == LAUNCH_SNP_SVSM;
    int r = add_firmware(steps, inputs->firmware, CONTRIBUTION_FIRMWARE);

    if (r == 0 && svsm)
        r = add_firmware(steps, inputs->svsm, CONTRIBUTION_SVSM);
    if (r == 0)
        r = is_snp(inputs) ? add_sections(steps, svsm ? &inputs->svsm->tables : &inputs->firmware->tables)
                           : add_hash_table(steps);
    return r;
}

/* ------------------------------------------------------------------------------------------------------- save areas */

void launch_vmsa(const struct launch_inputs *inputs, bool first, uint8_t ret_page[PAGE_BYTES])
{
    bool svsm = inputs->mode == LAUNCH_SNP_SVSM;
    struct vmsa_inputs vmsa = { VMSA_BSP_EIP, inputs->cpu_signature, inputs->features, inputs->vmm, svsm };

    if (svsm) {
        vmsa.eip = inputs->svsm->tables.reset_eip;
        vmsa.features = SEV_FEATURE_SNP_ACTIVE; /* QEMU with COCONUT's patches takes no others */
    } else if (!first) {
        vmsa.eip = inputs->firmware->tables.reset_eip;
    }
    if (inputs->mode == LAUNCH_SEV_ES)
        vmsa.features = 0;
    vmsa_encode(&vmsa, ret_page);
}

void launch_start_vcpus(struct launch_steps *steps, const struct launch_inputs *inputs)
{
    steps->inputs = inputs;
    for (int i = 0; i < 2; i++) {
        launch_vmsa(inputs, i == 0, steps->vmsas[i]);
        chain_hash(&steps->chain, steps->vmsas[i], PAGE_BYTES, steps->vmsa_hashes[i]);
    }
}

void launch_add_vcpu(struct launch_steps *steps, bool first)
{
    if (is_snp(steps->inputs))
        chain_add(&steps->chain, PAGE_VMSA, VMSA_GPA, steps->vmsa_hashes[!first]);
    else
        chain_add_bytes(&steps->chain, steps->vmsas[!first], PAGE_BYTES);
}

static int add_vcpus(struct launch_steps *steps)
{
    const struct launch_inputs *inputs = steps->inputs;
    struct contribution told = { .kind = CONTRIBUTION_VMSA, .name = "VMSA, first CPU",
                                 .page_type = is_snp(inputs) ? page_type_names[PAGE_VMSA] : NULL,
                                 .gpa = is_snp(inputs) ? VMSA_GPA : 0, .size = PAGE_BYTES, .pages = 1,
                                 .has_contents = true };
    int r;

    if (inputs->mode == LAUNCH_SEV)
        return 0;
    launch_start_vcpus(steps, inputs);
    launch_add_vcpu(steps, true);
    memcpy(told.contents, steps->vmsa_hashes[0], sizeof(told.contents));
    r = tell(steps, &told);
    if (r != 0 || inputs->vcpus == 1)
        return r;
    for (uint32_t i = 1; i < inputs->vcpus; i++)
        launch_add_vcpu(steps, false);
    told.name = "VMSA, other CPUs";
    told.pages = inputs->vcpus - 1;
    memcpy(told.contents, steps->vmsa_hashes[1], sizeof(told.contents));
    return tell(steps, &told);
}

/* ------------------------------------------------------------------------------------------------------------ whole */

/* A kernel needs a firmware that checks it. SEV and SEV-ES have no sections, the table's place is all. */
static int check_hashes(const struct launch_inputs *inputs, struct reason *why)
{
    const struct firmware *tables = &inputs->firmware->tables;

    if (inputs->mode == LAUNCH_SNP_SVSM)
        return reason_set(why, -EINVAL, "an SVSM cannot be launched with a kernel: its firmware boots from a disk");
    if (is_snp(inputs) ? !firmware_has_kernel_hashes(tables) : !tables->hash_table_gpa)
        return reason_set(why, -EINVAL,
                          "the firmware has no section for kernel hashes: it cannot verify a kernel, "
                          "use OVMF's AmdSev build");
    /* firmware_parse() has seen to it that the table does not cross its page. */
    if (tables->hash_table_size < KERNEL_HASHES_BYTES)
        return reason_set(why, -EINVAL, "the firmware's hash table at 0x%llx has %u bytes, the hashes need %u",
                          (unsigned long long)tables->hash_table_gpa, tables->hash_table_size, KERNEL_HASHES_BYTES);
    return 0;
}

int launch_check(const struct launch_inputs *inputs, struct reason *why)
{
    if (inputs->mode != LAUNCH_SEV && (inputs->vcpus < 1 || inputs->vcpus > VCPUS_MAX))
        return reason_set(why, -EINVAL, "%u virtual CPUs, expected 1 to %u", inputs->vcpus, VCPUS_MAX);
    if (inputs->mode == LAUNCH_SNP_SVSM && (!inputs->svsm || !inputs->svsm->pages))
        return reason_set(why, -EINVAL, "no SVSM image given");
    if (inputs->mode == LAUNCH_SNP_SVSM && inputs->vmm != VMM_QEMU && inputs->vmm != VMM_QEMU_OLD)
        return reason_set(why, -EINVAL, "%s launches no SVSM, QEMU does", vmm_name(inputs->vmm));
    if (!is_snp(inputs) && !inputs->firmware->sha256)
        return reason_set(why, -EINVAL, "SEV and SEV-ES need the firmware image itself");
    return inputs->hashes ? check_hashes(inputs, why) : 0;
}

int launch_explain(const struct launch_inputs *inputs, launch_see *see, void *context,
                   uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    struct launch_steps steps = { .inputs = inputs, .see = see, .context = context };
    int r = launch_check(inputs, why);

    if (r < 0)
        return r;
    chain_start(&steps.chain);
    r = launch_add_memory(&steps);
    if (r == 0)
        r = add_vcpus(&steps);
    if (r == 0 && steps.chain.sha256)
        chain_peek(&steps.chain);
    if (steps.chain.error)
        r = reason_set(why, steps.chain.error, "OpenSSL has no SHA-2 to be had");
    if (r == 0)
        memcpy(ret_digest, steps.chain.digest, launch_digest_size(inputs->mode));
    chain_free(&steps.chain);
    return r;
}

int launch_digest(const struct launch_inputs *inputs, uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    return launch_explain(inputs, NULL, NULL, ret_digest, why);
}
