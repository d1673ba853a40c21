/*
 * Test code, not part of the product: tells a test which secrets a guest has held. The production's objects and
 * libraries are linked a second time with these functions around those that make, derive, take and drop secrets
 * (ld's --wrap); each writes the secret to the console, XORed with a constant so that memory holds no further copy of it.
 * tests/vm/test-memory.py reads the lines: "secret: KIND HEX". The Makefile has the list of what is wrapped.
 */
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/tls.h"
#include "release/tee-key.h"

#define MASK 0xa5u
#define MOST_BYTES 2560u /* the private part of X25519MLKEM768 */
#define COOKIE "Cookie: "

static void tell(const char *kind, const void *secret, size_t size)
{
    static char line[64 + 2 * MOST_BYTES];
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = secret;
    int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    size_t at = (size_t)snprintf(line, sizeof(line), "\nsecret: %s ", kind);

    for (size_t i = 0; i < size && i < MOST_BYTES; i++) {
        line[at++] = digits[(bytes[i] ^ MASK) >> 4];
        line[at++] = digits[(bytes[i] ^ MASK) & 15];
    }
    line[at++] = '\n';
    for (size_t done = 0; fd >= 0 && done < at;) {
        ssize_t n = write(fd, line + done, at - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0)
        (void)close(fd);
}

void __real_secret_free(struct secret *secret);
void __wrap_secret_free(struct secret *secret);
void __wrap_secret_free(struct secret *secret)
{
    if (secret->bytes)
        tell("held", secret->bytes, secret->size);
    __real_secret_free(secret);
}

int __real_EVP_KDF_derive(EVP_KDF_CTX *context, unsigned char *key, size_t size, const OSSL_PARAM *parameters);
int __wrap_EVP_KDF_derive(EVP_KDF_CTX *context, unsigned char *key, size_t size, const OSSL_PARAM *parameters);
int __wrap_EVP_KDF_derive(EVP_KDF_CTX *context, unsigned char *key, size_t size, const OSSL_PARAM *parameters)
{
    int ok = __real_EVP_KDF_derive(context, key, size, parameters);

    if (ok == 1)
        tell("derived", key, size);
    return ok;
}

int __real_EVP_PKEY_derive(EVP_PKEY_CTX *context, unsigned char *key, size_t *size);
int __wrap_EVP_PKEY_derive(EVP_PKEY_CTX *context, unsigned char *key, size_t *size);
int __wrap_EVP_PKEY_derive(EVP_PKEY_CTX *context, unsigned char *key, size_t *size)
{
    int ok = __real_EVP_PKEY_derive(context, key, size);

    if (ok == 1 && key)
        tell("agreed", key, *size);
    return ok;
}

int __real_EVP_PKEY_decapsulate(EVP_PKEY_CTX *context, unsigned char *key, size_t *size, const unsigned char *wrapped,
                                size_t wrapped_size);
int __wrap_EVP_PKEY_decapsulate(EVP_PKEY_CTX *context, unsigned char *key, size_t *size, const unsigned char *wrapped,
                                size_t wrapped_size);
int __wrap_EVP_PKEY_decapsulate(EVP_PKEY_CTX *context, unsigned char *key, size_t *size, const unsigned char *wrapped,
                                size_t wrapped_size)
{
    int ok = __real_EVP_PKEY_decapsulate(context, key, size, wrapped, wrapped_size);

    if (ok == 1 && key)
        tell("agreed", key, *size);
    return ok;
}

/* TLS's key shares: X25519, alone and with ML-KEM. */
int __real_EVP_PKEY_keygen(EVP_PKEY_CTX *context, EVP_PKEY **key);
int __wrap_EVP_PKEY_keygen(EVP_PKEY_CTX *context, EVP_PKEY **key);
int __wrap_EVP_PKEY_keygen(EVP_PKEY_CTX *context, EVP_PKEY **key)
{
    static uint8_t private_part[MOST_BYTES];
    size_t size = 0;
    int ok = __real_EVP_PKEY_keygen(context, key);

    if (ok == 1 && EVP_PKEY_get_octet_string_param(*key, OSSL_PKEY_PARAM_PRIV_KEY, private_part, sizeof(private_part),
                                                   &size) == 1)
        tell("share", private_part, size);
    OPENSSL_cleanse(private_part, sizeof(private_part));
    return ok;
}

int __real_tee_key_generate(enum tee_key_kind kind, struct tee_key *ret_key);
int __wrap_tee_key_generate(enum tee_key_kind kind, struct tee_key *ret_key);
int __wrap_tee_key_generate(enum tee_key_kind kind, struct tee_key *ret_key)
{
    uint8_t scalar[TEE_KEY_MAX_COORDINATE_BYTES];
    int size = (int)tee_key_coordinate_bytes(kind);
    BIGNUM *number = NULL;
    int r = __real_tee_key_generate(kind, ret_key);

    if (r == 0 && EVP_PKEY_get_bn_param(ret_key->key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1 &&
        BN_bn2binpad(number, scalar, size) == size)
        tell("scalar", scalar, (size_t)size);
    BN_clear_free(number);
    OPENSSL_cleanse(scalar, sizeof(scalar));
    return r;
}

/* The content key. That of random numbers goes another way, EVP_CipherInit_ex(): its state is no session's secret. */
int __real_crypto_cipher_begin(EVP_CIPHER_CTX *context, const char *name, bool encrypt, const uint8_t *key,
                               const uint8_t *iv);
int __wrap_crypto_cipher_begin(EVP_CIPHER_CTX *context, const char *name, bool encrypt, const uint8_t *key,
                               const uint8_t *iv);
int __wrap_crypto_cipher_begin(EVP_CIPHER_CTX *context, const char *name, bool encrypt, const uint8_t *key,
                               const uint8_t *iv)
{
    int r = __real_crypto_cipher_begin(context, name, encrypt, key, iv);

    if (r == 0)
        tell("cipher", key, (size_t)EVP_CIPHER_CTX_get_key_length(context));
    return r;
}

/* What names this session to the broker. */
int __real_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why);
int __wrap_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why);
int __wrap_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why)
{
    const uint8_t *at = memmem(request->data, request->size, COOKIE, strlen(COOKIE));
    const uint8_t *value = at ? memchr(at, '=', request->size - (size_t)(at - request->data)) : NULL;

    if (value)
        tell("cookie", value + 1, 32);
    return __real_tls_client_exchange(client, request, deadline_ms, parser, why);
}
