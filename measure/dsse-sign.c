/* DSSE: signing envelopes and writing them. The keys and what is signed are the caller's own. Not in the guest. */
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
    int r;

    dsse_pae(envelope->type, envelope->payload, envelope->payload_size, &pae);
    r = buffer_error(&pae);
    if (r < 0)
        return r;
    for (size_t i = 0; i < envelope->signature_count; i++)
        if (key_verify(key, pae.data, pae.size, envelope->signatures[i].bytes, envelope->signatures[i].size)) {
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
