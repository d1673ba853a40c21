/* chip.json: written by chip_make(), read back as strictly as anything else. */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"
#include "psp/chip.h"

#define JSON_MAX_BYTES 4096

/* Genuine values of each generation, so that what depends on them (two-byte microcode, FMC) is met here as well. */
static const struct chip_identity models[] = {
    [PRODUCT_MILAN] = { .product = PRODUCT_MILAN,
                        .cpuid_family = 0x19,
                        .cpuid_model = 0x01,
                        .cpuid_stepping = 1,
                        .tcb = { .bootloader = 4, .snp = 24, .microcode = 219 },
                        .firmware = { .build = 29, .minor = 55, .major = 1 },
                        .chip_id_size = CHIP_ID_BYTES },
    [PRODUCT_GENOA] = { .product = PRODUCT_GENOA,
                        .cpuid_family = 0x19,
                        .cpuid_model = 0x11,
                        .cpuid_stepping = 1,
                        .tcb = { .bootloader = 10, .snp = 23, .microcode = 84 },
                        .firmware = { .build = 40, .minor = 55, .major = 1 },
                        .chip_id_size = CHIP_ID_BYTES },
    [PRODUCT_TURIN] = { .product = PRODUCT_TURIN,
                        .cpuid_family = 0x1a,
                        .cpuid_model = 0x02,
                        .cpuid_stepping = 1,
                        .tcb = { .fmc = 1, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 72 },
                        .firmware = { .build = 54, .minor = 55, .major = 1 },
                        .chip_id_size = 8 },
};

/* ECC memory, alias check complete. Without SMT, so that a policy may forbid it. */
#define PLATFORM_INFO UINT64_C(0x24)
#define MITIGATION_VECTOR UINT64_C(1)

size_t chip_id_size(enum product product)
{
    return models[product].chip_id_size;
}

struct chip_identity chip_identity_of(enum product product, const uint8_t *chip_id)
{
    struct chip_identity identity = models[product];

    memcpy(identity.chip_id, chip_id, identity.chip_id_size);
    identity.platform_info = PLATFORM_INFO;
    identity.mitigation_vector = MITIGATION_VECTOR;
    return identity;
}

void chip_write_json(const struct chip_identity *identity, struct buffer *to)
{
    const struct tcb *tcb = &identity->tcb;
    char chip_id[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    hex_encode(identity->chip_id, identity->chip_id_size, chip_id);
    buffer_printf(to, "{\n  \"product\": \"%s\",\n  \"chip_id\": \"%s\",\n", product_name(identity->product), chip_id);
    buffer_printf(to, "  \"cpuid\": { \"family\": %u, \"model\": %u, \"stepping\": %u },\n", identity->cpuid_family,
                  identity->cpuid_model, identity->cpuid_stepping);
    buffer_printf(to, "  \"tcb\": { \"fmc\": %u, \"bootloader\": %u, \"tee\": %u, \"snp\": %u, \"microcode\": %u },\n",
                  tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp, tcb->microcode);
    buffer_printf(to, "  \"firmware\": { \"major\": %u, \"minor\": %u, \"build\": %u },\n", identity->firmware.major,
                  identity->firmware.minor, identity->firmware.build);
    buffer_printf(to, "  \"platform_info\": %llu,\n  \"mitigation_vector\": %llu\n}\n",
                  (unsigned long long)identity->platform_info, (unsigned long long)identity->mitigation_vector);
}

static void read_u8(struct json_reader *r, const char *name, uint8_t *ret_value)
{
    uint64_t value;

    if (json_read_u64(r, name, JSON_REQUIRED, 0, UINT8_MAX, &value))
        *ret_value = (uint8_t)value;
}

static void read_numbers(struct json_reader *root, struct chip_identity *identity)
{
    struct json_reader r;

    if (json_read_object(root, "cpuid", JSON_REQUIRED, &r)) {
        read_u8(&r, "family", &identity->cpuid_family);
        read_u8(&r, "model", &identity->cpuid_model);
        read_u8(&r, "stepping", &identity->cpuid_stepping);
        json_read_done(&r);
    }
    if (json_read_object(root, "tcb", JSON_REQUIRED, &r)) {
        read_u8(&r, "fmc", &identity->tcb.fmc);
        read_u8(&r, "bootloader", &identity->tcb.bootloader);
        read_u8(&r, "tee", &identity->tcb.tee);
        read_u8(&r, "snp", &identity->tcb.snp);
        read_u8(&r, "microcode", &identity->tcb.microcode);
        json_read_done(&r);
    }
    if (json_read_object(root, "firmware", JSON_REQUIRED, &r)) {
        read_u8(&r, "major", &identity->firmware.major);
        read_u8(&r, "minor", &identity->firmware.minor);
        read_u8(&r, "build", &identity->firmware.build);
        json_read_done(&r);
    }
}

static void read_identity(struct json_object *json, struct json_status *status, struct chip_identity *identity)
{
    struct json_reader root;
    const char *name;

    json_read_root(json, status, &root);
    if (json_read_string(&root, "product", JSON_REQUIRED, 16, &name)) {
        identity->product = product_from_name(name);
        if (identity->product == PRODUCT_UNKNOWN)
            json_refuse(&root, "product", "is \"%s\", expected Milan, Genoa or Turin", name);
    }
    identity->chip_id_size = chip_id_size(identity->product);
    (void)json_read_hex(&root, "chip_id", JSON_REQUIRED, identity->chip_id, identity->chip_id_size);
    read_numbers(&root, identity);
    (void)json_read_u64(&root, "platform_info", JSON_REQUIRED, 0, INT64_MAX, &identity->platform_info);
    (void)json_read_u64(&root, "mitigation_vector", JSON_REQUIRED, 0, INT64_MAX, &identity->mitigation_vector);
    json_read_done(&root);
}

int chip_read_json(const void *text, size_t size, struct chip_identity *ret_identity, struct reason *why)
{
    CLEANUP_JSON struct json_object *json = NULL;
    struct json_status status = { .why = why };
    struct chip_identity identity = { .product = PRODUCT_UNKNOWN };
    int r = json_parse(text, size, JSON_MAX_BYTES, &json, why);

    if (r < 0)
        return r;
    read_identity(json, &status, &identity);
    if (status.error)
        return status.error;
    *ret_identity = identity;
    return 0;
}
