/* identity: the public keys that images pin. */
#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/tls.h"
#include "broker/verbs.h"

#define MAX_SPKI_BYTES 256

static const char help[] =
    "usage: postern-broker identity --dir DIR [--json]\n"
    "\n"
    "Prints what an image's postern.json says about its broker:\n"
    "  spki_sha256   SHA-256 of the TLS key's SubjectPublicKeyInfo, in hexadecimal\n"
    "  record_key    the key that signs volume records: its DER SubjectPublicKeyInfo, in base64\n"
    "\n"
    "  --dir DIR   the broker's directory\n"
    "  --json      as one JSON object\n"
    "\n"
    "Example: postern-broker identity --dir /var/lib/broker --json\n";

static int run(const struct verb *verb, int argc, char **argv)
{
    const char *directory = NULL;
    bool json = false;
    const struct option_spec specs[] = {
        { .name = "dir", .kind = OPTION_TEXT, .required = true, .to.text = &directory },
        { .name = "json", .kind = OPTION_FLAG, .to.flag = &json },
    };
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    char pin_text[HEX_TEXT_BYTES(TLS_PIN_BYTES)], key_text[BASE64_TEXT_BYTES(MAX_SPKI_BYTES)];
    uint8_t pin[TLS_PIN_BYTES];
    struct reason why = { "" };
    unsigned char *der = NULL;
    int exit_code, size, r;

    if (!options_parse(verb, argc, argv, specs, ARRAY_SIZE(specs), &exit_code))
        return exit_code;
    r = keys_load(directory, &keys, &why);
    if (r == 0)
        r = tls_pin_of(keys.certificate, pin);
    if (r < 0)
        return verb_fail(verb, BROKER_EXIT_STATE, &why, r);
    size = i2d_PUBKEY(keys.record, &der);
    if (size <= 0 || size > MAX_SPKI_BYTES) {
        OPENSSL_free(der);
        return verb_fail(verb, BROKER_EXIT_STATE, &why, -ENOMEM);
    }
    hex_encode(pin, sizeof(pin), pin_text);
    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, key_text);
    OPENSSL_free(der);
    printf(json ? "{\"spki_sha256\": \"%s\", \"record_key\": \"%s\"}\n" : "spki_sha256  %s\nrecord_key   %s\n",
           pin_text, key_text);
    return verb_finish(verb);
}

const struct verb verb_identity = { "identity", help, run };
