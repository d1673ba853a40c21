/* The launch digest, page by page. All inputs have been parsed; nothing here reads hostile bytes. */
#include "measure/launch.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"
#include "measure/vmsa.h"

/* PAGE_INFO: digest so far, contents, and how the page was added. */
enum {
    INFO_CONTENTS = 0x30,
    INFO_LENGTH = 0x60,
    INFO_PAGE_TYPE = 0x62,
    INFO_GPA = 0x68,
    INFO_BYTES = 0x70,
};

enum page_type {
    PAGE_NORMAL = 1,
    PAGE_VMSA = 2,
    PAGE_ZERO = 3,
    PAGE_SECRETS = 5,
    PAGE_CPUID = 6,
};

/* Where KVM says that VMSAs lie (INITIAL_VMSA_GPA in arch/x86/kvm/svm/sev.c). */
#define VMSA_GPA UINT64_C(0x0000fffffffff000)

struct chain {
    EVP_MD *sha384;
    EVP_MD_CTX *context;
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    int error;
};

static void hash(struct chain *chain, const void *data, size_t size, uint8_t ret_hash[SHA384_BYTES])
{
    if (EVP_DigestInit_ex2(chain->context, chain->sha384, NULL) != 1 ||
        EVP_DigestUpdate(chain->context, data, size) != 1 ||
        EVP_DigestFinal_ex(chain->context, ret_hash, NULL) != 1)
        chain->error = -ENOMEM;
}

/* Adds a page; `contents` is its hash, or NULL for pages whose contents are not measured. */
static void add_page(struct chain *chain, enum page_type type, uint64_t gpa, const uint8_t *contents)
{
    uint8_t info[INFO_BYTES] = { 0 };

    memcpy(info, chain->digest, sizeof(chain->digest));
    if (contents)
        memcpy(info + INFO_CONTENTS, contents, SHA384_BYTES);
    put_u16le(info + INFO_LENGTH, INFO_BYTES);
    info[INFO_PAGE_TYPE] = (uint8_t)type;
    put_u64le(info + INFO_GPA, gpa);
    hash(chain, info, sizeof(info), chain->digest);
}

static void add_contents(struct chain *chain, enum page_type type, uint64_t gpa, const uint8_t page[PAGE_BYTES])
{
    uint8_t contents[SHA384_BYTES];

    hash(chain, page, PAGE_BYTES, contents);
    add_page(chain, type, gpa, contents);
}

/* QEMU writes the table into every section of the kind, at the place in the page that the footer's entry names. */
static void add_hashes(struct chain *chain, const struct launch_inputs *inputs, uint64_t gpa)
{
    uint8_t page[PAGE_BYTES] = { 0 };

    kernel_hashes_encode(inputs->hashes, page + inputs->firmware->hash_table_gpa % PAGE_BYTES);
    add_contents(chain, PAGE_NORMAL, gpa, page);
}

static void add_section(struct chain *chain, const struct launch_inputs *inputs, const struct firmware_section *section)
{
    switch (section->kind) {
    case SECTION_SECRETS:
        add_page(chain, PAGE_SECRETS, section->gpa, NULL);
        break;
    case SECTION_CPUID:
        add_page(chain, PAGE_CPUID, section->gpa, NULL);
        break;
    case SECTION_KERNEL_HASHES:
        if (inputs->hashes) {
            add_hashes(chain, inputs, section->gpa);
            break;
        }
        __attribute__((fallthrough));
    case SECTION_SEC_MEM:
    case SECTION_SVSM_CAA:
        for (uint64_t at = 0; at < section->size; at += PAGE_BYTES)
            add_page(chain, PAGE_ZERO, section->gpa + at, NULL);
        break;
    }
}

static void add_vmsas(struct chain *chain, const struct launch_inputs *inputs)
{
    struct vmsa_inputs vmsa = { VMSA_BSP_EIP, inputs->cpu_signature, inputs->features };
    uint8_t page[PAGE_BYTES], contents[SHA384_BYTES];

    vmsa_encode(&vmsa, page);
    add_contents(chain, PAGE_VMSA, VMSA_GPA, page);
    vmsa.eip = inputs->firmware->reset_eip;
    vmsa_encode(&vmsa, page);
    hash(chain, page, sizeof(page), contents);
    for (uint32_t i = 1; i < inputs->vcpus; i++)
        add_page(chain, PAGE_VMSA, VMSA_GPA, contents);
}

static int check_inputs(const struct launch_inputs *inputs, struct reason *why)
{
    if (inputs->vcpus < 1 || inputs->vcpus > VCPUS_MAX)
        return reason_set(why, -EINVAL, "%u virtual CPUs, expected 1 to %u", inputs->vcpus, VCPUS_MAX);
    if (inputs->hashes && !firmware_has_kernel_hashes(inputs->firmware))
        return reason_set(why, -EINVAL,
                          "the firmware has no section for kernel hashes: it cannot verify a kernel, "
                          "use OVMF's AmdSev build");
    /* firmware_parse() has seen to it that the table does not cross its page. */
    if (inputs->hashes && inputs->firmware->hash_table_size < KERNEL_HASHES_BYTES)
        return reason_set(why, -EINVAL, "the firmware's hash table at 0x%llx has %u bytes, the hashes need %u",
                          (unsigned long long)inputs->firmware->hash_table_gpa, inputs->firmware->hash_table_size,
                          KERNEL_HASHES_BYTES);
    return 0;
}

int launch_digest(const struct launch_inputs *inputs, uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    const struct firmware *firmware = inputs->firmware;
    struct chain chain = { .error = 0 };
    int r = check_inputs(inputs, why);

    if (r < 0)
        return r;
    chain.sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    chain.context = EVP_MD_CTX_new();
    if (!chain.sha384 || !chain.context)
        chain.error = -ENOMEM;
    if (!chain.error) {
        for (size_t at = 0; at < firmware->size; at += PAGE_BYTES)
            add_contents(&chain, PAGE_NORMAL, firmware->gpa + at, firmware->data + at);
        for (size_t i = 0; i < firmware->section_count; i++)
            add_section(&chain, inputs, &firmware->sections[i]);
        add_vmsas(&chain, inputs);
    }
    EVP_MD_CTX_free(chain.context);
    EVP_MD_free(chain.sha384);
    if (chain.error)
        return reason_set(why, chain.error, "SHA-384 is not to be had from OpenSSL");
    memcpy(ret_digest, chain.digest, sizeof(chain.digest));
    return 0;
}
