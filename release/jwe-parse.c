/* JWE messages from the network: the peer controls every byte. Pure. */
#include "release/jwe.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/json.h"

/* Base64url members of exactly `size` bytes. */
static void read_exact(struct json_reader *reader, const char *name, uint8_t *ret_data, size_t size)
{
    size_t got = 0;

    if (json_read_base64(reader, name, JSON_REQUIRED, BASE64_URL, ret_data, size, &got) && got != size)
        json_refuse(reader, name, "%zu bytes, expected %zu", got, size);
}

/* Whether a member of the protected header is the one word that we take. */
static int check_word(struct json_reader *header, const char *name, const char *expected, struct reason *why)
{
    const char *found = NULL;

    if (!json_read_string(header, name, JSON_REQUIRED, 64, &found))
        return header->status->error;
    if (strcmp(found, expected) != 0)
        return reason_set(why, -EOPNOTSUPP, "JWE with %s \"%s\", expected \"%s\"", name, found, expected);
    return 0;
}

static int parse_protected(struct jwe *jwe, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader header, epk;
    uint8_t text[JWE_MAX_PROTECTED_BYTES];
    size_t size = 0;
    int r;

    r = base64_decode(BASE64_URL, jwe->protected_text, strlen(jwe->protected_text), text, sizeof(text), &size);
    if (r < 0)
        return reason_set(why, -EBADMSG, "JWE: the protected header is not base64url");
    r = json_parse(text, size, sizeof(text), &root, why);
    if (r < 0)
        return r;
    json_read_root(root, &status, &header);
    r = check_word(&header, "alg", "ECDH-ES+A256KW", why);
    if (r == 0)
        r = check_word(&header, "enc", "A256GCM", why);
    if (r < 0)
        return r;
    if (json_read_object(&header, "epk", JSON_REQUIRED, &epk))
        guest_key_read_jwk(&epk, false, &jwe->epk);
    json_read_done(&header);
    return status.error;
}

int jwe_parse(const void *text, size_t size, struct jwe *ret_jwe, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    struct jwe jwe;
    const char *protected_text = NULL;
    int r = json_parse(text, size, RELEASE_MAX_MESSAGE_BYTES, &root, why);

    if (r < 0)
        return r;
    memset(&jwe, 0, sizeof(jwe));
    json_read_root(root, &status, &reader);
    if (json_read_string(&reader, "protected", JSON_REQUIRED, sizeof(jwe.protected_text) - 1, &protected_text))
        memcpy(jwe.protected_text, protected_text, strlen(protected_text) + 1);
    read_exact(&reader, "encrypted_key", jwe.wrapped_key, sizeof(jwe.wrapped_key));
    read_exact(&reader, "iv", jwe.iv, sizeof(jwe.iv));
    (void)json_read_base64(&reader, "ciphertext", JSON_REQUIRED, BASE64_URL, jwe.ciphertext, sizeof(jwe.ciphertext),
                           &jwe.ciphertext_size);
    read_exact(&reader, "tag", jwe.tag, sizeof(jwe.tag));
    json_read_done(&reader);
    if (status.error)
        return status.error;
    if (!jwe.ciphertext_size)
        return reason_set(why, -EBADMSG, "JWE: the ciphertext is empty");
    r = parse_protected(&jwe, why);
    if (r < 0)
        return r;
    *ret_jwe = jwe;
    return 0;
}
