/* Identities as guests verify them: whoever gives one is hostile until the root key's signature over it holds. */
#include "release/identity.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "release/record-parts.h"

/* The two members of an envelope; what is signed, with IDENTITY_MAGIC before it. */
struct envelope {
    uint8_t signed_bytes[sizeof(IDENTITY_MAGIC) - 1 + IDENTITY_MAX_BYTES];
    size_t payload_size;
    uint8_t signature[RECORD_MAX_SIGNATURE_BYTES];
    size_t signature_size;
};

#define MAGIC_BYTES (sizeof(IDENTITY_MAGIC) - 1)

static int read_envelope(const void *text, size_t size, struct envelope *to, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, size, IDENTITY_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    memcpy(to->signed_bytes, IDENTITY_MAGIC, MAGIC_BYTES);
    (void)json_read_base64(&reader, "payload", JSON_REQUIRED, BASE64_STANDARD, to->signed_bytes + MAGIC_BYTES,
                           IDENTITY_MAX_BYTES, &to->payload_size);
    (void)json_read_base64(&reader, "signature", JSON_REQUIRED, BASE64_STANDARD, to->signature, sizeof(to->signature),
                           &to->signature_size);
    json_read_done(&reader);
    return status.error;
}

static int check_release(const struct identity *identity, uint64_t release, struct reason *why)
{
    if (release >= identity->first_release && release <= identity->last_release)
        return 0;
    return reason_set(why, -ESTALE, "broker identity \"%s\" is for releases %llu to %llu, this image is release %llu",
                      identity->name, (unsigned long long)identity->first_release,
                      (unsigned long long)identity->last_release, (unsigned long long)release);
}

int identity_verify(const void *text, size_t size, EVP_PKEY *root, uint64_t release, struct identity *ret_identity,
                    struct reason *why)
{
    struct identity identity = { .name = "" };
    struct envelope envelope;
    int r = read_envelope(text, size, &envelope, why);

    /* Nothing of the payload is looked at before. */
    if (r == 0 && !key_p384_verify(root, envelope.signed_bytes, MAGIC_BYTES + envelope.payload_size,
                                   envelope.signature, envelope.signature_size))
        return reason_set(why, -EKEYREJECTED, "broker identity: not signed by the root key that this image pins");
    if (r == 0)
        r = identity_parse(envelope.signed_bytes + MAGIC_BYTES, envelope.payload_size, &identity, why);
    if (r < 0) {
        reason_prefix(why, "broker identity");
        return r;
    }
    r = check_release(&identity, release, why);
    if (r < 0)
        return r;
    *ret_identity = identity;
    return 0;
}
