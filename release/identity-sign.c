/* Identities where the offline key lies: written and signed. Not in the guest. */
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/key.h"
#include "release/identity.h"

int identity_write(const struct identity *identity, struct buffer *to)
{
    char key[BASE64_TEXT_BYTES(KEY_P384_BYTES)];

    (void)base64_encode(BASE64_STANDARD, identity->record_key.der, sizeof(identity->record_key.der), key);
    buffer_add_text(to, "{\"addresses\":[");
    for (size_t i = 0; i < identity->address_count; i++)
        buffer_printf(to, "%s\"https://%s\"", i ? "," : "", identity->addresses[i].authority);
    buffer_printf(to, "],\"name\":\"%s\"", identity->name);
    buffer_printf(to, ",\"record_key\":\"%s\",\"releases\":{\"first\":%llu,\"last\":%llu},\"spki_sha256\":[", key,
                  (unsigned long long)identity->first_release, (unsigned long long)identity->last_release);
    for (size_t i = 0; i < identity->pin_count; i++) {
        char pin[HEX_TEXT_BYTES(TLS_PIN_BYTES)];

        hex_encode(identity->pins[i], TLS_PIN_BYTES, pin);
        buffer_printf(to, "%s\"%s\"", i ? "," : "", pin);
    }
    buffer_add_text(to, "],\"version\":1}");
    return buffer_error(to);
}

static void write_base64(struct buffer *to, const uint8_t *data, size_t size)
{
    char text[BASE64_TEXT_BYTES(IDENTITY_MAX_BYTES)];

    (void)base64_encode(BASE64_STANDARD, data, size, text);
    buffer_add_text(to, text);
}

int identity_sign(const struct identity *identity, EVP_PKEY *root, struct buffer *to, struct reason *why)
{
    struct identity again;
    CLEANUP_KEY EVP_PKEY *record_key = NULL;
    CLEANUP_BUFFER struct buffer payload = BUFFER_EMPTY, text = BUFFER_EMPTY;
    uint8_t signature[KEY_SIGNATURE_MAX_BYTES];
    size_t size = 0;
    int r = identity_write(identity, &payload);

    /* Nothing is signed that a guest would refuse. */
    if (r == 0 && (key_kind(root) != KEY_P384 || identity_parse(payload.data, payload.size, &again, why) < 0 ||
                   !(record_key = key_p384_load(&again.record_key))))
        r = -EINVAL;
    if (r < 0)
        return r;
    buffer_add_text(&text, IDENTITY_MAGIC);
    buffer_add(&text, payload.data, payload.size);
    r = buffer_error(&text) < 0 ? -ENOMEM : key_sign(root, text.data, text.size, signature, &size);
    if (r < 0)
        return r;
    buffer_add_text(to, "{\"payload\":\"");
    write_base64(to, payload.data, payload.size);
    buffer_add_text(to, "\",\"signature\":\"");
    write_base64(to, signature, size);
    buffer_add_text(to, "\"}\n");
    return buffer_error(to);
}
