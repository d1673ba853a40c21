/* Records as builders and brokers make them: encoded, restated, signed. Not in the guest. */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"
#include "base/key.h"
#include "release/record-parts.h"

static void put_word(struct record_writer *writer, const char *text)
{
    *writer->at++ = (uint8_t)strlen(text);
    record_put(writer, text, strlen(text));
}

int record_encode(const struct record *record, const struct secret *key, struct secret *ret_bytes)
{
    size_t words = 3 + strlen(record->volume_id) + strlen(record->cipher) + strlen(record->integrity);
    size_t size = RECORD_MAGIC_BYTES + words + 4 + 4 * 8 + 1 +
                  (record->has_header_mac ? RECORD_HEADER_MAC_BYTES : 0u) + 2 + key->size;
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    struct record again;
    const uint8_t *again_key;
    size_t again_size;
    struct record_writer writer;
    int r;

    if (key->size > RECORD_KEY_MAX_BYTES)
        return -EINVAL;
    r = secret_alloc(size, &bytes);
    if (r < 0)
        return r;
    writer.at = bytes.bytes;
    record_put(&writer, "PSTNVOL2", RECORD_MAGIC_BYTES);
    put_word(&writer, record->volume_id);
    put_word(&writer, record->cipher);
    put_word(&writer, record->integrity);
    put_u32le(writer.at, record->sector_size);
    put_u64le(writer.at + 4, record->offset);
    put_u64le(writer.at + 12, record->length);
    put_u64le(writer.at + 20, record->layout_length);
    put_u64le(writer.at + 28, record->generation);
    writer.at += 36;
    *writer.at++ = record->has_header_mac ? RECORD_HEADER_MAC_BYTES : 0;
    if (record->has_header_mac)
        record_put(&writer, record->header_mac, RECORD_HEADER_MAC_BYTES);
    *writer.at++ = (uint8_t)record->state;
    *writer.at++ = (uint8_t)key->size;
    record_put(&writer, key->bytes, key->size);
    /* Nothing leaves that could not be read back. */
    if (record_parse_fields(bytes.bytes, bytes.size, &again, &again_key, &again_size, NULL) < 0)
        return -EINVAL;
    *ret_bytes = secret_take(&bytes);
    return 0;
}

int record_parse(const struct secret *bytes, struct record *ret_record, struct secret *ret_key, struct reason *why)
{
    return record_take(bytes->bytes, bytes->size, ret_record, ret_key, why);
}

static int sign(EVP_PKEY *key, const uint8_t *data, size_t size, uint8_t *ret_signature, size_t *ret_size)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int ok = context && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
             EVP_DigestSign(context, ret_signature, ret_size, data, size) == 1;

    EVP_MD_CTX_free(context);
    return ok ? 0 : -ENOMEM;
}

int record_restate(const struct secret *registered, uint64_t generation, enum record_state state,
                   struct secret *ret_registered)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct record record;
    int r = record_parse(registered, &record, &key, NULL);

    if (r < 0)
        return r;
    record.generation = generation;
    record.state = state;
    return record_encode(&record, &key, ret_registered);
}

int record_sign(const struct secret *registered, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                struct secret *ret_release)
{
    size_t before = RECORD_MAGIC_BYTES + sizeof(binding->nonce) + sizeof(binding->report_digest) + 8 + 2 +
                    registered->size;
    CLEANUP_SECRET struct secret release = SECRET_NONE;
    size_t signature_size = RECORD_MAX_SIGNATURE_BYTES;
    struct record record;
    const uint8_t *record_key;
    struct record_writer writer;
    int r;

    if (!key_is_p384(key))
        return -EINVAL;
    r = record_parse_fields(registered->bytes, registered->size, &record, &record_key, &signature_size, NULL);
    if (r == 0)
        r = secret_alloc(before + 2 + RECORD_MAX_SIGNATURE_BYTES, &release);
    if (r < 0)
        return r;
    writer.at = release.bytes;
    record_put(&writer, "PSTNREL2", RECORD_MAGIC_BYTES);
    record_put(&writer, binding->nonce, sizeof(binding->nonce));
    record_put(&writer, binding->report_digest, sizeof(binding->report_digest));
    put_u64le(writer.at, epoch);
    writer.at += 8;
    put_u16le(writer.at, (uint16_t)registered->size);
    writer.at += 2;
    record_put(&writer, registered->bytes, registered->size);
    signature_size = RECORD_MAX_SIGNATURE_BYTES;
    r = sign(key, release.bytes, before, writer.at + 2, &signature_size);
    if (r < 0)
        return r;
    put_u16le(writer.at, (uint16_t)signature_size);
    secret_shrink(&release, before + 2 + signature_size);
    *ret_release = secret_take(&release);
    return 0;
}

int record_acknowledge(const char *resource, const struct record_binding *binding, uint64_t epoch, EVP_PKEY *key,
                       uint8_t *ret_signature, size_t *ret_size)
{
    uint8_t text[RECORD_ACKNOWLEDGEMENT_MAX_BYTES];
    size_t size = record_write_acknowledgement(resource, binding, epoch, text);

    if (!size || !key_is_p384(key))
        return -EINVAL;
    *ret_size = RECORD_MAX_SIGNATURE_BYTES;
    return sign(key, text, size, ret_signature, ret_size);
}
