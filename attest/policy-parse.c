/* Policy documents; whoever administers the broker, or built the image, wrote them. Strict all the same. */
#include "attest/policy-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/bits.h"
#include "base/encode.h"

#define NAME_BYTES 32

static void read_tcb(struct json_reader *reader, struct tcb *to)
{
    const struct {
        const char *name;
        uint8_t *to;
    } components[] = {
        { "fmc", &to->fmc },         { "bootloader", &to->bootloader }, { "tee", &to->tee },
        { "snp", &to->snp },         { "microcode", &to->microcode },
    };

    for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
        uint64_t value = 0;

        (void)json_read_u64(reader, components[i].name, JSON_OPTIONAL, 0, UINT8_MAX, &value);
        *components[i].to = (uint8_t)value;
    }
    json_read_done(reader);
}

static void read_product_tcb(struct json_reader *parent, const char *name, struct policy_tcb *to)
{
    static const char *const kinds[] = { "reported", "committed", "launch" };
    struct json_reader product, tcb;

    if (!json_read_object(parent, name, JSON_OPTIONAL, &product))
        return;
    to->named = true;
    for (size_t i = 0; i < POLICY_TCB_KINDS; i++) {
        to->has[i] = json_read_object(&product, kinds[i], JSON_OPTIONAL, &tcb);
        if (to->has[i])
            read_tcb(&tcb, &to->minimum[i]);
    }
    json_read_done(&product);
}

static void read_tcbs(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader;

    policy->has_minimum_tcb = json_read_object(parent, "minimum_tcb", JSON_OPTIONAL, &reader);
    if (policy->has_minimum_tcb)
        read_tcb(&reader, &policy->minimum_tcb);
    policy->has_product_tcb = json_read_object(parent, "minimum_tcb_by_product", JSON_OPTIONAL, &reader);
    if (!policy->has_product_tcb)
        return;
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        read_product_tcb(&reader, product_name(product), &policy->product_tcb[product]);
    json_read_done(&reader);
}

/* "1.55.29": major, minor, build. */
static bool read_version(struct json_reader *reader, const char *name, struct firmware_version *to)
{
    const char *text;
    uint64_t parts[3];

    if (!json_read_string(reader, name, JSON_OPTIONAL, NAME_BYTES, &text))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t digits = decimal_decode(text, strlen(text), UINT8_MAX, &parts[i]);

        if (!digits || text[digits] != (i + 1 < ARRAY_SIZE(parts) ? '.' : '\0')) {
            json_refuse(reader, name, "expected MAJOR.MINOR.BUILD, each from 0 to 255");
            return false;
        }
        text += digits + 1;
    }
    *to = (struct firmware_version){ .major = (uint8_t)parts[0], .minor = (uint8_t)parts[1],
                                     .build = (uint8_t)parts[2] };
    return true;
}

static void read_firmware(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader;

    if (!json_read_object(parent, "minimum_firmware", JSON_OPTIONAL, &reader))
        return;
    policy->has_current_firmware = read_version(&reader, "current", &policy->current_firmware);
    policy->has_committed_firmware = read_version(&reader, "committed", &policy->committed_firmware);
    json_read_done(&reader);
}

static void read_mitigations(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader;

    if (!json_read_object(parent, "mitigations", JSON_OPTIONAL, &reader))
        return;
    (void)json_read_u64(&reader, "launch", JSON_OPTIONAL, 0, UINT64_MAX, &policy->launch_mitigations);
    (void)json_read_u64(&reader, "current", JSON_OPTIONAL, 0, UINT64_MAX, &policy->current_mitigations);
    json_read_done(&reader);
}

static uint64_t read_bit_names(struct json_reader *reader, const char *name, const struct bit_names *bits)
{
    struct json_reader array;
    size_t count = 0;
    uint64_t value = 0;

    if (!json_read_array(reader, name, JSON_OPTIONAL, 64, &array, &count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        const char *text;
        uint64_t bit;

        if (!json_element_string(&array, i, NAME_BYTES, &text))
            continue;
        bit = bit_find(bits, text);
        if (!bit)
            json_refuse(&array, NULL, "\"%s\" is no bit, see postern-policy(5)", text);
        value |= bit;
    }
    return value;
}

static void read_bits(struct json_reader *parent, const char *name, const struct bit_names *bits,
                      struct policy_bits *to)
{
    struct json_reader reader;

    if (!json_read_object(parent, name, JSON_OPTIONAL, &reader))
        return;
    to->required = read_bit_names(&reader, "required", bits);
    to->forbidden = read_bit_names(&reader, "forbidden", bits);
    if (to->required & to->forbidden)
        json_refuse(&reader, NULL, "a bit is both required and forbidden");
    json_read_done(&reader);
}

static void read_products(struct json_reader *reader, struct policy *policy)
{
    struct json_reader array;
    size_t count = 0;

    if (!json_read_array(reader, "products", JSON_OPTIONAL, 8, &array, &count))
        return;
    if (!count)
        json_refuse(reader, "products", "empty: nothing could ever be allowed");
    for (size_t i = 0; i < count; i++) {
        const char *text;
        enum product product;

        if (!json_element_string(&array, i, NAME_BYTES, &text))
            continue;
        product = product_from_name(text);
        if (product == PRODUCT_UNKNOWN)
            json_refuse(&array, NULL, "\"%s\" is no product: expected Milan, Genoa or Turin", text);
        policy->products |= 1u << product;
    }
}

int policy_open_list(struct json_reader *reader, const char *name, size_t max, size_t element_size,
                     struct json_reader *ret_array, size_t *ret_count, void **ret_room)
{
    size_t count = 0;
    void *room;

    *ret_count = 0;
    if (!json_read_array(reader, name, JSON_OPTIONAL, max, ret_array, &count))
        return 0;
    if (!count) {
        json_refuse(reader, name, "empty: nothing could ever be allowed");
        return 0;
    }
    room = calloc(count, element_size);
    if (!room)
        return -ENOMEM;
    *ret_count = count;
    *ret_room = room;
    return 1;
}

static int read_keys(struct json_reader *reader, const char *name, struct policy_key **ret_keys, size_t *ret_count)
{
    struct json_reader array, key;
    void *room = NULL;
    int r = policy_open_list(reader, name, POLICY_MAX_KEYS, sizeof(**ret_keys), &array, ret_count, &room);

    if (r <= 0)
        return r;
    *ret_keys = room;
    for (size_t i = 0; i < *ret_count; i++) {
        uint64_t svn = 0;

        if (!json_element_object(&array, i, &key))
            continue;
        (void)json_read_hex(&key, "digest", JSON_REQUIRED, (*ret_keys)[i].digest, KEY_DIGEST_BYTES);
        (void)json_read_u64(&key, "minimum_guest_svn", JSON_OPTIONAL, 0, UINT32_MAX, &svn);
        (*ret_keys)[i].minimum_guest_svn = (uint32_t)svn;
        json_read_done(&key);
    }
    return 0;
}

/* 64 bytes, or Turin's 8. */
static void read_chip(struct json_reader *array, size_t index, uint8_t to[CHIP_ID_BYTES])
{
    const char *text;
    size_t length;

    if (!json_element_string(array, index, 2 * CHIP_ID_BYTES, &text))
        return;
    length = strlen(text);
    if ((length != 2 * CHIP_ID_BYTES && length != 16) || hex_decode(text, length, to, length / 2) < 0)
        json_refuse(array, NULL, "element %zu: expected a chip id of 128 or, on Turin, 16 hexadecimal digits", index);
}

static int read_chips(struct json_reader *reader, const char *name, uint8_t (**ret_chips)[CHIP_ID_BYTES],
                      size_t *ret_count)
{
    struct json_reader array;
    void *room = NULL;
    int r = policy_open_list(reader, name, POLICY_MAX_CHIPS, sizeof(**ret_chips), &array, ret_count, &room);

    if (r <= 0)
        return r;
    *ret_chips = room;
    for (size_t i = 0; i < *ret_count; i++)
        read_chip(&array, i, (*ret_chips)[i]);
    return 0;
}

static int read_chip_lists(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader;
    int r;

    if (!json_read_object(parent, "chip_ids", JSON_OPTIONAL, &reader))
        return 0;
    r = read_chips(&reader, "allowed", &policy->allowed_chips, &policy->allowed_chip_count);
    if (r == 0)
        r = read_chips(&reader, "denied", &policy->denied_chips, &policy->denied_chip_count);
    policy->has_allowed_chips = policy->allowed_chip_count != 0;
    json_read_done(&reader);
    return r;
}

int policy_read_common(struct json_reader *reader, struct policy *policy)
{
    uint64_t vmpl = 0;
    int r;

    (void)json_read_bool(reader, "allow_debug", JSON_OPTIONAL, &policy->allow_debug);
    (void)json_read_bool(reader, "allow_migration_agent", JSON_OPTIONAL, &policy->allow_migration_agent);
    (void)json_read_u64(reader, "vmpl", JSON_OPTIONAL, 0, 3, &vmpl);
    policy->vmpl = (uint32_t)vmpl;
    policy->has_family_id = json_read_hex(reader, "family_id", JSON_OPTIONAL, policy->family_id, 16);
    policy->has_image_id = json_read_hex(reader, "image_id", JSON_OPTIONAL, policy->image_id, 16);
    policy->has_host_data = json_read_hex(reader, "host_data", JSON_OPTIONAL, policy->host_data, HOST_DATA_BYTES);
    read_bits(reader, "guest_policy", &guest_policy_bits, &policy->guest_policy);
    read_bits(reader, "platform_info", &platform_info_bits, &policy->platform_info);
    read_tcbs(reader, policy);
    read_firmware(reader, policy);
    read_mitigations(reader, policy);
    read_products(reader, policy);
    r = read_keys(reader, "id_keys", &policy->id_keys, &policy->id_key_count);
    if (r == 0)
        r = read_keys(reader, "author_keys", &policy->author_keys, &policy->author_key_count);
    return r == 0 ? read_chip_lists(reader, policy) : r;
}

void policy_read_expectations(struct json_reader *reader, struct policy *ret_policy)
{
    int r;

    *ret_policy = (struct policy){ .vmpl = 0 };
    r = policy_read_common(reader, ret_policy);
    json_read_done(reader);
    if (r < 0 && !reader->status->error)
        reader->status->error = r;
}

void policy_free(struct policy *policy)
{
    free(policy->measurements);
    free(policy->signers);
    free(policy->id_keys);
    free(policy->author_keys);
    free(policy->allowed_chips);
    free(policy->denied_chips);
    *policy = (struct policy){ .measurements = NULL };
}
