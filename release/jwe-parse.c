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

static void read_word(struct json_reader *reader, const char *name, const char *expected)
{
    const char *text = NULL;

    if (json_read_string(reader, name, JSON_REQUIRED, 64, &text) && strcmp(text, expected) != 0)
        json_refuse(reader, name, "expected \"%s\", found \"%s\"", expected, text);
}

/* The sender's point, which OpenSSL holds against the curve when it is loaded. */
static void read_epk(struct json_reader *header, struct jwe *jwe)
{
    size_t size = tee_key_coordinate_bytes(jwe->kind);
    struct json_reader epk;

    if (!json_read_object(header, "epk", JSON_REQUIRED, &epk))
        return;
    read_word(&epk, "kty", "EC");
    read_word(&epk, "crv", jwe->kind == TEE_KEY_P521 ? "P-521" : "P-256");
    read_exact(&epk, "x", jwe->epk.x, size);
    read_exact(&epk, "y", jwe->epk.y, size);
    json_read_done(&epk);
}

static int parse_protected(struct jwe *jwe, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader header;
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
    r = check_word(&header, "alg", jwe->kind == TEE_KEY_RSA ? "RSA-OAEP-256" : "ECDH-ES+A256KW", why);
    if (r == 0)
        r = check_word(&header, "enc", "A256GCM", why);
    if (r < 0)
        return r;
    if (jwe->kind != TEE_KEY_RSA)
        read_epk(&header, jwe);
    json_read_done(&header);
    return status.error;
}

/* The wrapped content key: of one size, or as large as an RSA modulus. */
static void read_wrapped(struct json_reader *reader, struct jwe *jwe)
{
    jwe->wrapped_size = JWE_WRAPPED_BYTES;
    if (jwe->kind == TEE_KEY_RSA)
        (void)json_read_base64(reader, "encrypted_key", JSON_REQUIRED, BASE64_URL, jwe->wrapped_key,
                               sizeof(jwe->wrapped_key), &jwe->wrapped_size);
    else
        read_exact(reader, "encrypted_key", jwe->wrapped_key, JWE_WRAPPED_BYTES);
}

int jwe_parse(const void *text, size_t size, enum tee_key_kind kind, struct jwe *ret_jwe, struct reason *why)
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
    jwe.kind = kind;
    json_read_root(root, &status, &reader);
    if (json_read_string(&reader, "protected", JSON_REQUIRED, sizeof(jwe.protected_text) - 1, &protected_text))
        memcpy(jwe.protected_text, protected_text, strlen(protected_text) + 1);
    /* First, so that another algorithm is named as such, and not by a part that has another size with it. */
    r = status.error ? status.error : parse_protected(&jwe, why);
    if (r < 0)
        return r;
    read_wrapped(&reader, &jwe);
    read_exact(&reader, "iv", jwe.iv, sizeof(jwe.iv));
    (void)json_read_base64(&reader, "ciphertext", JSON_REQUIRED, BASE64_URL, jwe.ciphertext, sizeof(jwe.ciphertext),
                           &jwe.ciphertext_size);
    read_exact(&reader, "tag", jwe.tag, sizeof(jwe.tag));
    json_read_done(&reader);
    if (status.error)
        return status.error;
    if (!jwe.ciphertext_size)
        return reason_set(why, -EBADMSG, "JWE: the ciphertext is empty");
    *ret_jwe = jwe;
    return 0;
}
