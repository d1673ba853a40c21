/* Whose manifests are believed and who may have evidence, out of postern.json; measured, as the rest of it. */
#include "init/config-read.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

/* A public key in the base64 that its PEM form has, as in policies. */
static void read_signer(struct json_reader *array, size_t index, struct dsse_keys *keys)
{
    EVP_PKEY *key = NULL;
    uint8_t der[SPKI_MAX_BYTES];
    const char *text;
    size_t size = 0;

    if (!json_element_string(array, index, 2 * SPKI_MAX_BYTES, &text))
        return;
    if (base64_decode(BASE64_STANDARD, text, strlen(text), der, sizeof(der), &size) == 0)
        key = key_decode_der(der, size);
    if (!key || !key_kind(key)) {
        key_free(&key);
        json_refuse(array, NULL, "element %zu: expected a public key on P-384 or Ed25519, the base64 of its PEM form",
                    index);
    } else if (dsse_keys_add(keys, key) < 0) {
        json_refuse(array, NULL, "element %zu: there is no memory for it", index);
    }
}

void config_read_manifest(struct json_reader *parent, struct config_manifest *to)
{
    struct json_reader reader, array;
    uint64_t threshold = 1;
    size_t count = 0;

    if (!json_read_object(parent, "manifest", JSON_OPTIONAL, &reader))
        return;
    to->wanted = true;
    config_read_device(&reader, to->device);
    if (json_read_array(&reader, "signers", JSON_REQUIRED, DSSE_MAX_KEYS, &array, &count) && !count)
        json_refuse(&reader, "signers", "empty: a manifest is trusted by its signers alone");
    for (size_t i = 0; i < count; i++)
        read_signer(&array, i, &to->signers);
    (void)json_read_u64(&reader, "threshold", JSON_OPTIONAL, 1, to->signers.count ? to->signers.count : 1, &threshold);
    to->threshold = (uint32_t)threshold;
    json_read_done(&reader);
}

void config_read_attestation(struct json_reader *parent, struct config_attestation *to)
{
    struct json_reader reader, array;

    if (!json_read_object(parent, "attestation", JSON_OPTIONAL, &reader))
        return;
    if (json_read_array(&reader, "uids", JSON_REQUIRED, CONFIG_MAX_UIDS, &array, &to->uid_count) && !to->uid_count)
        json_refuse(&reader, "uids", "empty: nobody could ever ask; leave attestation out instead");
    for (size_t i = 0; i < to->uid_count; i++) {
        uint64_t uid = 0;

        (void)json_element_u64(&array, i, UINT32_MAX - 1, &uid);
        to->uids[i] = (uint32_t)uid;
    }
    (void)json_read_array(&reader, "resources", JSON_OPTIONAL, CONFIG_MAX_RESOURCES, &array, &to->resource_count);
    for (size_t i = 0; i < to->resource_count; i++) {
        const char *text;

        if (json_element_string(&array, i, sizeof(to->resources[i]), &text) &&
            resource_parse(text, strlen(text), &to->resources[i]) < 0)
            json_refuse(&array, NULL, "element %zu: \"%s\" is not of the form REPOSITORY/TYPE/TAG", i, text);
    }
    json_read_done(&reader);
}
