/* Volume records as guests verify them. Everything that holds a key is a struct secret. */
#include "release/record-parts.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "base/key.h"

int record_report_digest(const uint8_t report[REPORT_BYTES], uint8_t ret_digest[SHA384_BYTES])
{
    return EVP_Digest(report, REPORT_SIGNED_BYTES, ret_digest, NULL, EVP_sha384(), NULL) == 1 ? 0 : -ENOMEM;
}

int record_take(const uint8_t *bytes, size_t size, struct record *ret_record, struct secret *ret_key,
                struct reason *why)
{
    struct record record;
    const uint8_t *key = NULL;
    size_t key_size = 0;
    int r = record_parse_fields(bytes, size, &record, &key, &key_size, why);

    if (r < 0)
        return r;
    r = secret_copy(key, key_size, ret_key);
    if (r < 0)
        return r;
    *ret_record = record;
    return 0;
}

int record_verify(const struct secret *release, const struct record_binding *binding, EVP_PKEY *key,
                  struct record *ret_record, struct secret *ret_key, struct reason *why)
{
    struct record_release_parts parts;
    int r;

    if (record_split_release(release->bytes, release->size, &parts) < 0)
        return reason_set(why, -EBADMSG, "the broker's answer is not a signed volume record");
    if (!key_p384_verify(key, parts.signed_bytes, parts.signed_size, parts.signature, parts.signature_size))
        return reason_set(why, -EKEYREJECTED, "the volume record's signature is not by the pinned record key");
    if (memcmp(parts.binding.nonce, binding->nonce, sizeof(binding->nonce)) != 0)
        return reason_set(why, -EKEYREJECTED, "the volume record was signed for another session");
    if (memcmp(parts.binding.report_digest, binding->report_digest, sizeof(binding->report_digest)) != 0)
        return reason_set(why, -EKEYREJECTED, "the volume record was signed for another report");
    r = record_take(parts.registered, parts.registered_size, ret_record, ret_key, why);
    if (r == 0)
        ret_record->epoch = parts.epoch;
    return r;
}

/* What an acknowledgement signs; its size, or 0 when the resource is too long. */
size_t record_write_acknowledgement(const char *resource, const struct record_binding *binding, uint64_t epoch,
                                    uint8_t ret_text[RECORD_ACKNOWLEDGEMENT_MAX_BYTES])
{
    struct record_writer writer = { .at = ret_text };

    if (strlen(resource) > RELEASE_MAX_RESOURCE_BYTES)
        return 0;
    record_put(&writer, "PSTNACK1", RECORD_MAGIC_BYTES);
    record_put(&writer, binding->nonce, sizeof(binding->nonce));
    record_put(&writer, binding->report_digest, sizeof(binding->report_digest));
    put_u64le(writer.at, epoch);
    put_u16le(writer.at + 8, (uint16_t)strlen(resource));
    writer.at += 10;
    record_put(&writer, resource, strlen(resource));
    return (size_t)(writer.at - ret_text);
}

int record_acknowledged(const char *resource, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                        const uint8_t *signature, size_t size)
{
    uint8_t text[RECORD_ACKNOWLEDGEMENT_MAX_BYTES];
    size_t text_size = record_write_acknowledgement(resource, binding, epoch, text);

    return text_size && key_p384_verify(key, text, text_size, signature, size) ? 0 : -EKEYREJECTED;
}
