/*
 * Test code, not part of the product: linked as PID 1 is. Without arguments it says what OpenSSL can do in such a program,
 * a line for each algorithm; with a public key it says its id; with an address and a pin it connects there as PID 1 connects
 * to a broker.
 */
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/encode.h"
#include "base/key.h"
#include "base/tls.h"

#define WAIT_MS 60000u

#define SAY(type, object) \
    static void say_##type(EVP_##object *algorithm, void *context) \
    { \
        (void)context; \
        printf(#type " %s\n", EVP_##object##_get0_name(algorithm)); \
    }
SAY(digest, MD)
SAY(cipher, CIPHER)
SAY(mac, MAC)
SAY(kdf, KDF)
SAY(rand, RAND)
SAY(key, KEYMGMT)
SAY(exchange, KEYEXCH)
SAY(signature, SIGNATURE)
SAY(encryption, ASYM_CIPHER)
SAY(encapsulation, KEM)

static int list(void)
{
    EVP_MD_do_all_provided(NULL, say_digest, NULL);
    EVP_CIPHER_do_all_provided(NULL, say_cipher, NULL);
    EVP_MAC_do_all_provided(NULL, say_mac, NULL);
    EVP_KDF_do_all_provided(NULL, say_kdf, NULL);
    EVP_RAND_do_all_provided(NULL, say_rand, NULL);
    EVP_KEYMGMT_do_all_provided(NULL, say_key, NULL);
    EVP_KEYEXCH_do_all_provided(NULL, say_exchange, NULL);
    EVP_SIGNATURE_do_all_provided(NULL, say_signature, NULL);
    EVP_ASYM_CIPHER_do_all_provided(NULL, say_encryption, NULL);
    EVP_KEM_do_all_provided(NULL, say_encapsulation, NULL);
    return 0;
}

static int connect_to(const char *url, const char *pin)
{
    struct tls_peer peer = { .pin_count = 1 };
    struct tls_client *client = NULL;
    struct reason why = { "" };
    int r = endpoint_parse_url(url, NULL, &peer.endpoint);

    if (r == 0)
        r = hex_decode(pin, strlen(pin), peer.pins[0], TLS_PIN_BYTES);
    if (r == 0)
        r = tls_client_connect(&peer, clock_ms() + WAIT_MS, &client, &why);
    printf("%s\n", r < 0 ? reason_text(&why, r) : "connected");
    tls_client_free(&client);
    return r < 0;
}

static int say_id(const char *path)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;
    char text[HEX_TEXT_BYTES(KEY_ID_BYTES)];
    uint8_t id[KEY_ID_BYTES];
    struct reason why = { "" };
    int r = key_read_public(path, KEY_P384 | KEY_ED25519, &key, &why);

    if (r == 0)
        r = key_id(key, id);
    if (r == 0)
        hex_encode(id, sizeof(id), text);
    printf("%s\n", r < 0 ? reason_text(&why, r) : text);
    return r < 0;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (crypto_library_init() < 0)
        return 2;
    return argc == 3 ? connect_to(argv[1], argv[2]) : argc == 2 ? say_id(argv[1]) : list();
}
