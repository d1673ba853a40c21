/* What an identity says. Whoever wrote it may be hostile until its envelope's signature holds. Pure. */
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "release/identity.h"
#include "release/record.h"

#define SPKI_MAX_BYTES 256
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

static void read_name(struct json_reader *reader, struct identity *to)
{
    const char *text = NULL;

    if (!json_read_string(reader, "name", JSON_REQUIRED, IDENTITY_MAX_NAME_BYTES, &text))
        return;
    if (!*text || text[strspn(text, NAME_CHARACTERS)])
        json_refuse(reader, "name", "\"%s\" is empty or has other characters than %s", text, NAME_CHARACTERS);
    else
        memcpy(to->name, text, strlen(text) + 1);
}

static void read_addresses(struct json_reader *reader, struct identity *to)
{
    struct json_reader array;

    if (!json_read_array(reader, "addresses", JSON_REQUIRED, IDENTITY_MAX_ADDRESSES, &array, &to->address_count))
        return;
    if (!to->address_count)
        json_refuse(reader, "addresses", "empty: the broker could never be reached");
    for (size_t i = 0; i < to->address_count; i++) {
        const char *url = NULL;

        if (json_element_string(&array, i, ENDPOINT_MAX_TEXT, &url) &&
            endpoint_parse_url(url, NULL, &to->addresses[i]) < 0)
            json_refuse(&array, NULL, "element %zu: \"%s\" is not of the form https://ADDRESS:PORT", i, url);
    }
}

static void read_pins(struct json_reader *reader, uint8_t pins[TLS_MAX_PINS][TLS_PIN_BYTES], size_t *ret_count)
{
    struct json_reader array;

    if (!json_read_array(reader, "spki_sha256", JSON_REQUIRED, TLS_MAX_PINS, &array, ret_count))
        return;
    if (!*ret_count)
        json_refuse(reader, "spki_sha256", "empty: no broker could ever be accepted");
    for (size_t i = 0; i < *ret_count; i++)
        (void)json_element_hex(&array, i, pins[i], TLS_PIN_BYTES);
}

void identity_read_keys(struct json_reader *reader, enum json_need record_key,
                        uint8_t ret_pins[TLS_MAX_PINS][TLS_PIN_BYTES], size_t *ret_pin_count,
                        struct key_p384 *ret_key)
{
    uint8_t der[SPKI_MAX_BYTES];
    size_t size = 0;

    read_pins(reader, ret_pins, ret_pin_count);
    if (json_read_base64(reader, "record_key", record_key, BASE64_STANDARD, der, sizeof(der), &size) &&
        key_p384_take(der, size, ret_key) < 0)
        json_refuse(reader, "record_key", "not a P-384 public key in DER");
}

static void read_releases(struct json_reader *reader, struct identity *to)
{
    struct json_reader releases;

    if (!json_read_object(reader, "releases", JSON_REQUIRED, &releases))
        return;
    (void)json_read_u64(&releases, "first", JSON_REQUIRED, 0, IDENTITY_MAX_RELEASE, &to->first_release);
    (void)json_read_u64(&releases, "last", JSON_REQUIRED, 0, IDENTITY_MAX_RELEASE, &to->last_release);
    json_read_done(&releases);
    if (!reader->status->error && to->last_release < to->first_release)
        json_refuse(reader, "releases", "the last is before the first");
}

int identity_parse(const void *text, size_t size, struct identity *ret_identity, struct reason *why)
{
    struct identity identity = { .name = "" };
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    uint64_t version = 0;
    int r = json_parse(text, size, IDENTITY_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    (void)json_read_u64(&reader, "version", JSON_REQUIRED, 1, 1, &version);
    read_name(&reader, &identity);
    read_addresses(&reader, &identity);
    identity_read_keys(&reader, JSON_REQUIRED, identity.pins, &identity.pin_count, &identity.record_key);
    read_releases(&reader, &identity);
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_identity = identity;
    return 0;
}
