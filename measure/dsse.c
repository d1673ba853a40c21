/*
 * DSSE: judging envelopes that dsse-parse.c has read. Which keys count is the caller's to say; what an envelope says
 * about keys is never looked at.
 */
#include "measure/dsse.h"

#include <errno.h>
#include <string.h>

void dsse_pae(const char *type, const void *payload, size_t size, struct buffer *to)
{
    buffer_printf(to, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
    buffer_add(to, payload, size);
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
    dsse_pae(envelope->type, envelope->payload, envelope->payload_size, &pae);
    r = buffer_error(&pae);
    if (r < 0)
        return r;
    for (size_t i = 0; i < envelope->signature_count; i++) {
        const struct dsse_signature *signature = &envelope->signatures[i];
        bool known = false;

        for (size_t k = 0; k < keys->count && !known; k++)
            if (key_verify(keys->keys[k], pae.data, pae.size, signature->bytes, signature->size)) {
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
