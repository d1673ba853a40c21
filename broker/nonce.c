/* Nonces; whoever presents one controls its text. */
#include "broker/nonce.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"

#define RANDOM_BYTES 10
#define TIME_BYTES 6
#define MAC_BYTES 16
#define MAC_OFFSET (RANDOM_BYTES + TIME_BYTES)
#define FULL_MAC_BYTES 32

_Static_assert(MAC_OFFSET + MAC_BYTES == RELEASE_NONCE_BYTES, "a nonce has three parts");
_Static_assert(NONCE_SESSION_BYTES == MAC_BYTES, "a cookie is a MAC");

int nonces_init(struct nonces *nonces, uint64_t at_ms, uint64_t lifetime_ms)
{
    nonces->epoch_ms = at_ms;
    nonces->lifetime_ms = lifetime_ms;
    return secret_random(FULL_MAC_BYTES, &nonces->key);
}

void nonces_free(struct nonces *nonces)
{
    secret_free(&nonces->key);
}

/* The first byte of what is authenticated says which of the two uses it is. */
static bool authenticate(const struct nonces *nonces, char use, const uint8_t *data, size_t size,
                         uint8_t ret_mac[MAC_BYTES])
{
    uint8_t input[1 + RELEASE_NONCE_BYTES], mac[FULL_MAC_BYTES];

    input[0] = (uint8_t)use;
    memcpy(input + 1, data, size);
    if (!HMAC(EVP_sha256(), nonces->key.bytes, (int)nonces->key.size, input, size + 1, mac, NULL))
        return false;
    memcpy(ret_mac, mac, MAC_BYTES);
    return true;
}

/* Text, cookie and time of a nonce whose bytes are there. */
static bool complete(const struct nonces *nonces, struct challenge *challenge)
{
    uint64_t age = 0;

    for (size_t i = 0; i < TIME_BYTES; i++)
        age = age << 8 | challenge->nonce[RANDOM_BYTES + i];
    challenge->expires_ms = nonces->epoch_ms + age + nonces->lifetime_ms;
    (void)base64_encode(BASE64_STANDARD, challenge->nonce, sizeof(challenge->nonce), challenge->text);
    return authenticate(nonces, 's', challenge->nonce, sizeof(challenge->nonce), challenge->session);
}

int nonce_issue(const struct nonces *nonces, uint64_t at_ms, struct challenge *ret_challenge)
{
    uint64_t age = at_ms - nonces->epoch_ms;
    struct challenge challenge;

    if (RAND_bytes(challenge.nonce, RANDOM_BYTES) != 1)
        return -EIO;
    for (size_t i = 0; i < TIME_BYTES; i++)
        challenge.nonce[RANDOM_BYTES + i] = (uint8_t)(age >> (8 * (TIME_BYTES - 1 - i)));
    if (!authenticate(nonces, 'n', challenge.nonce, MAC_OFFSET, challenge.nonce + MAC_OFFSET) ||
        !complete(nonces, &challenge))
        return -EIO;
    *ret_challenge = challenge;
    return 0;
}

enum nonce_verdict nonce_check(const struct nonces *nonces, const char *text, uint64_t at_ms,
                               struct challenge *ret_challenge)
{
    struct challenge challenge;
    uint8_t mac[MAC_BYTES];
    size_t size = 0;

    if (base64_decode(BASE64_STANDARD, text, strlen(text), challenge.nonce, sizeof(challenge.nonce), &size) < 0 ||
        size != sizeof(challenge.nonce))
        return NONCE_UNKNOWN;
    if (!authenticate(nonces, 'n', challenge.nonce, MAC_OFFSET, mac) ||
        CRYPTO_memcmp(mac, challenge.nonce + MAC_OFFSET, MAC_BYTES) != 0 || !complete(nonces, &challenge))
        return NONCE_UNKNOWN;
    *ret_challenge = challenge;
    return at_ms < challenge.expires_ms ? NONCE_GOOD : NONCE_EXPIRED;
}
