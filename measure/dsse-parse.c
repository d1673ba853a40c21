/* DSSE envelopes as text. Anybody may have written them; nothing is believed before dsse_verify() has looked. */
#include "measure/dsse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"

void dsse_free(struct dsse *envelope)
{
    free(envelope->payload);
    for (size_t i = 0; i < envelope->signature_count; i++)
        free(envelope->signatures[i].bytes);
    *envelope = DSSE_NONE;
}

/* Either alphabet, never a mixture. */
static int decode(const char *text, uint8_t *to, size_t max, size_t *ret_size)
{
    size_t size = strlen(text), padding = 0;

    if (!strpbrk(text, "-_") && size % 4 == 0)
        return base64_decode(BASE64_STANDARD, text, size, to, max, ret_size);
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    if (padding && size % 4)
        return -EBADMSG;
    return base64_decode(BASE64_URL, text, size - padding, to, max, ret_size);
}

static uint8_t *take_base64(struct json_reader *reader, const char *name, size_t max, size_t *ret_size)
{
    CLEANUP_FREE uint8_t *bytes = NULL;
    const char *text = NULL;
    size_t room, size = 0;
    uint8_t *taken;
    int r;

    if (!json_read_string(reader, name, JSON_REQUIRED, BASE64_TEXT_BYTES(max) - 1, &text))
        return NULL;
    room = strlen(text) / 4 * 3 + 3;
    bytes = malloc(room + 1);
    if (!bytes) {
        reader->status->error = -ENOMEM;
        return NULL;
    }
    r = decode(text, bytes, room, &size);
    if (r < 0 || size > max) {
        json_refuse(reader, name, "not base64 of RFC 4648, section 4 or section 5");
        return NULL;
    }
    bytes[size] = '\0';
    *ret_size = size;
    taken = bytes;
    bytes = NULL;
    return taken;
}

static void read_signature(struct json_reader *reader, struct dsse_signature *signature)
{
    const char *keyid = "";

    (void)json_read_string(reader, "keyid", JSON_OPTIONAL, DSSE_MAX_KEYID_BYTES, &keyid);
    memcpy(signature->keyid, keyid, strlen(keyid) + 1);
    signature->bytes = take_base64(reader, "sig", DSSE_MAX_SIGNATURE_BYTES, &signature->size);
    if (signature->bytes && !signature->size)
        json_refuse(reader, "sig", "is empty");
}

static void read_envelope(struct json_reader *root, struct dsse *envelope)
{
    struct json_reader list, element;
    const char *type = "";
    size_t count = 0;

    if (json_read_string(root, "payloadType", JSON_REQUIRED, DSSE_MAX_TYPE_BYTES, &type))
        memcpy(envelope->type, type, strlen(type) + 1);
    envelope->payload = take_base64(root, "payload", DSSE_MAX_PAYLOAD_BYTES, &envelope->payload_size);
    if (!json_read_array(root, "signatures", JSON_REQUIRED, DSSE_MAX_SIGNATURES, &list, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        if (!json_element_object(&list, i, &element))
            return;
        read_signature(&element, &envelope->signatures[envelope->signature_count++]);
    }
}

int dsse_parse(const void *text, size_t size, struct dsse *ret_envelope, struct reason *why)
{
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { .why = why };
    struct json_reader reader;
    int r = json_parse(text, size, DSSE_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    read_envelope(&reader, &envelope);
    if (status.error)
        return status.error;
    *ret_envelope = envelope;
    envelope = DSSE_NONE;
    return 0;
}
