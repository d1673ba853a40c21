/*
 * DSSE: making envelopes, and judging those that dsse-parse.c has read. Which keys count is the caller's to say; what
 * an envelope says about keys is never looked at.
 */
#include "measure/dsse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"

static void add_base64(struct buffer *to, const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(BASE64_TEXT_BYTES(size));

    if (!text) {
        to->error = to->error ? to->error : -ENOMEM;
        return;
    }
    buffer_add(to, text, base64_encode(BASE64_STANDARD, data, size, text));
}

void dsse_encode(const struct dsse *envelope, struct buffer *to)
{
    buffer_add_text(to, "{\"payload\":\"");
    add_base64(to, envelope->payload, envelope->payload_size);
    buffer_add_text(to, "\",\"payloadType\":");
    buffer_add_json_string(to, envelope->type);
    buffer_add_text(to, ",\"signatures\":[");
    for (size_t i = 0; i < envelope->signature_count; i++) {
        buffer_add_text(to, i ? ",{\"keyid\":" : "{\"keyid\":");
        buffer_add_json_string(to, envelope->signatures[i].keyid);
        buffer_add_text(to, ",\"sig\":\"");
        add_base64(to, envelope->signatures[i].bytes, envelope->signatures[i].size);
        buffer_add_text(to, "\"}");
    }
    buffer_add_text(to, "]}\n");
}

void dsse_pae(const char *type, const void *payload, size_t size, struct buffer *to)
{
    buffer_printf(to, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
    buffer_add(to, payload, size);
}

static int make_pae(const struct dsse *envelope, struct buffer *to)
{
    dsse_pae(envelope->type, envelope->payload, envelope->payload_size, to);
    return buffer_error(to);
}

static bool is_by(const struct dsse_signature *signature, EVP_PKEY *key, const struct buffer *pae)
{
    return key_verify(key, pae->data, pae->size, signature->bytes, signature->size);
}

static int add_signature(struct dsse *envelope, EVP_PKEY *key, const struct buffer *pae)
{
    struct dsse_signature *signature = &envelope->signatures[envelope->signature_count];
    uint8_t bytes[KEY_SIGNATURE_MAX_BYTES], id[KEY_ID_BYTES];
    size_t size = 0;
    int r = key_sign(key, pae->data, pae->size, bytes, &size);

    if (r == 0)
        r = key_id(key, id);
    if (r < 0)
        return r;
    signature->bytes = malloc(size);
    if (!signature->bytes)
        return -ENOMEM;
    memcpy(signature->bytes, bytes, size);
    signature->size = size;
    hex_encode(id, sizeof(id), signature->keyid);
    envelope->signature_count++;
    return 0;
}

int dsse_sign(struct dsse *envelope, EVP_PKEY *key, bool *ret_added, struct reason *why)
{
    CLEANUP_BUFFER struct buffer pae = BUFFER_EMPTY;
    int r = make_pae(envelope, &pae);

    if (r < 0)
        return r;
    for (size_t i = 0; i < envelope->signature_count; i++)
        if (is_by(&envelope->signatures[i], key, &pae)) {
            *ret_added = false;
            return 0;
        }
    if (envelope->signature_count == DSSE_MAX_SIGNATURES)
        return reason_set(why, -ENOSPC, "it has %u signatures already, which is the most", DSSE_MAX_SIGNATURES);
    r = add_signature(envelope, key, &pae);
    if (r < 0)
        return reason_set(why, r, "the key cannot sign: %s", strerror(-r));
    *ret_added = true;
    return 0;
}

int dsse_keys_add(struct dsse_keys *keys, EVP_PKEY *key)
{
    uint8_t id[KEY_ID_BYTES];
    int r = key_id(key, id);

    for (size_t i = 0; r == 0 && i < keys->count; i++)
        if (memcmp(keys->ids[i], id, KEY_ID_BYTES) == 0) {
            key_free(&key);
            return 0;
        }
    if (r == 0 && keys->count == DSSE_MAX_KEYS)
        r = -ENOSPC;
    if (r < 0) {
        key_free(&key);
        return r;
    }
    memcpy(keys->ids[keys->count], id, KEY_ID_BYTES);
    keys->keys[keys->count++] = key;
    return 0;
}

void dsse_keys_free(struct dsse_keys *keys)
{
    while (keys->count)
        key_free(&keys->keys[--keys->count]);
}

int dsse_verify(const struct dsse *envelope, const struct dsse_keys *keys, size_t threshold,
                struct dsse_verdict *ret_verdict, struct reason *why)
{
    CLEANUP_BUFFER struct buffer pae = BUFFER_EMPTY;
    struct dsse_verdict verdict = { .keys = 0 };
    int r;

    if (!threshold || threshold > keys->count)
        return reason_set(why, -EINVAL, "%zu signatures are asked for, but there are %zu different keys", threshold,
                          keys->count);
    r = make_pae(envelope, &pae);
    if (r < 0)
        return r;
    for (size_t i = 0; i < envelope->signature_count; i++) {
        bool known = false;

        for (size_t k = 0; k < keys->count && !known; k++)
            if (is_by(&envelope->signatures[i], keys->keys[k], &pae)) {
                verdict.by[k] = true;
                known = true;
            }
        verdict.others += !known;
    }
    for (size_t k = 0; k < keys->count; k++)
        verdict.keys += verdict.by[k];
    *ret_verdict = verdict;
    if (!envelope->signature_count)
        return reason_set(why, -EKEYREJECTED, "it is not signed");
    if (verdict.keys < threshold)
        return reason_set(why, -EKEYREJECTED,
                          "%zu of the %zu given keys signed it, %zu are asked for; %zu of its %zu signatures are by "
                          "other keys or over other contents",
                          verdict.keys, keys->count, threshold, verdict.others, envelope->signature_count);
    return 0;
}
