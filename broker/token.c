/* Tokens; what goes in has been verified. */
#include "broker/token.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/file.h"
#include "release/guest-key.h"

#define P256_SCALAR_BYTES 32
#define MAX_SIGNATURE_BYTES 80 /* DER of two 32-byte numbers */

static void write_hex(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    char text[HEX_TEXT_BYTES(REPORT_DATA_BYTES)];

    hex_encode(data, size, text);
    buffer_printf(to, "\"%s\":\"%s\"", name, text);
}

static void write_coordinate(struct buffer *to, const char *name, const uint8_t value[P256_SCALAR_BYTES])
{
    char text[BASE64_TEXT_BYTES(P256_SCALAR_BYTES)];

    (void)base64_encode(BASE64_URL, value, P256_SCALAR_BYTES, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

static int write_header(EVP_PKEY *key, struct buffer *to)
{
    struct guest_public_key point;

    if (guest_key_point(key, &point) < 0 || point.kind != TEE_KEY_P256)
        return -EIO;
    buffer_add_text(to, "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"jwk\":"
                        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\"");
    write_coordinate(to, "x", point.x);
    write_coordinate(to, "y", point.y);
    buffer_add_text(to, "}}");
    return 0;
}

/* AR4SI: hardware 2 is a genuine processor, 97 one that is not recognised; nothing is said about what it runs. */
static void write_claims(const struct session *session, bool software, time_t at, time_t expires, struct buffer *to)
{
    const struct report *report = &session->report;
    char nonce[RELEASE_NONCE_TEXT_BYTES];

    (void)base64_encode(BASE64_STANDARD, session->nonce, sizeof(session->nonce), nonce);
    buffer_printf(to,
                  "{\"eat_profile\":\"tag:github.com,2024:confidential-containers/Trustee\",\"iat\":%lld,\"exp\":%lld,"
                  "\"ear.verifier-id\":{\"developer\":\"postern\",\"build\":\"postern-broker\"},\"submods\":{\"cpu0\":{"
                  "\"ear.status\":\"%s\",\"ear.trustworthiness-vector\":{\"hardware\":%d},"
                  "\"ear.appraisal-policy-id\":\"genuine\",\"ear.veraison.annotated-evidence\":{\"snp\":{",
                  (long long)at, (long long)expires, software ? "contraindicated" : "none", software ? 97 : 2);
    write_hex(to, "measurement", report->measurement, sizeof(report->measurement));
    buffer_add_text(to, ",");
    write_hex(to, "report_id", report->report_id, sizeof(report->report_id));
    buffer_add_text(to, ",");
    write_hex(to, "host_data", report->host_data, sizeof(report->host_data));
    buffer_printf(to, ",\"vmpl\":%u,\"guest_svn\":%u},", report->vmpl, report->guest_svn);
    write_hex(to, "report_data", report->report_data, sizeof(report->report_data));
    buffer_printf(to, ",\"runtime_data_claims\":{\"nonce\":\"%s\",\"tee-pubkey\":", nonce);
    guest_key_write_jwk(&session->key, to);
    buffer_add_text(to, "}}}}}");
}

static int add_base64(const void *data, size_t size, struct buffer *to)
{
    CLEANUP_FREE char *text = malloc(BASE64_TEXT_BYTES(size));

    if (!text)
        return -ENOMEM;
    (void)base64_encode(BASE64_URL, data, size, text);
    buffer_add_text(to, text);
    return 0;
}

/* Two fixed-size numbers one after the other, as JOSE has them (RFC 7518 section 3.4). */
static int raw_signature(const uint8_t *der, size_t size, uint8_t ret_raw[2 * P256_SCALAR_BYTES])
{
    const unsigned char *at = der;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)size);
    bool ok = signature &&
              BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret_raw, P256_SCALAR_BYTES) == P256_SCALAR_BYTES &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret_raw + P256_SCALAR_BYTES, P256_SCALAR_BYTES) ==
                  P256_SCALAR_BYTES;

    ECDSA_SIG_free(signature);
    return ok ? 0 : -EIO;
}

static int sign(EVP_PKEY *key, const struct buffer *text, uint8_t ret_raw[2 * P256_SCALAR_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[MAX_SIGNATURE_BYTES];
    size_t size = sizeof(der);
    bool ok = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(context, der, &size, text->data, text->size) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return ok ? raw_signature(der, size, ret_raw) : -EIO;
}

int token_write(EVP_PKEY *key, const struct session *session, bool software, time_t at, time_t expires,
                struct buffer *to)
{
    CLEANUP_BUFFER struct buffer header = BUFFER_EMPTY, claims = BUFFER_EMPTY, text = BUFFER_EMPTY;
    uint8_t signature[2 * P256_SCALAR_BYTES];
    int r = write_header(key, &header);

    if (r < 0)
        return r;
    write_claims(session, software, at, expires, &claims);
    if (buffer_error(&header) < 0 || buffer_error(&claims) < 0)
        return -ENOMEM;
    r = add_base64(header.data, header.size, &text);
    buffer_add_text(&text, ".");
    if (r == 0)
        r = add_base64(claims.data, claims.size, &text);
    if (r == 0)
        r = buffer_error(&text);
    if (r == 0)
        r = sign(key, &text, signature);
    if (r < 0)
        return r;
    buffer_add(to, text.data, text.size);
    buffer_add_text(to, ".");
    return add_base64(signature, sizeof(signature), to);
}
