/* identity: the public keys that images pin. */
#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/tls.h"
#include "broker/verbs.h"

#define MAX_SPKI_BYTES 256

static int run(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *credentials = NULL;
    bool json = false;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("json", NULL, "as one JSON object", OPTION_FLAG, &json),
    };
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    char pin_text[HEX_TEXT_BYTES(TLS_PIN_BYTES)], key_text[BASE64_TEXT_BYTES(MAX_SPKI_BYTES)];
    uint8_t pin[TLS_PIN_BYTES];
    struct reason why = { "" };
    unsigned char *der = NULL;
    int exit_code, size, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = keys_load(directory, credentials, &keys, &why);
    if (r == 0)
        r = tls_pin_of(keys.certificate, pin);
    if (r < 0)
        return verb_fail(BROKER_EXIT_STATE, &why, r);
    size = i2d_PUBKEY(keys.record, &der);
    if (size <= 0 || size > MAX_SPKI_BYTES) {
        OPENSSL_free(der);
        return verb_fail(BROKER_EXIT_STATE, &why, -ENOMEM);
    }
    hex_encode(pin, sizeof(pin), pin_text);
    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, key_text);
    OPENSSL_free(der);
    printf(json ? "{\"spki_sha256\": \"%s\", \"record_key\": \"%s\"}\n" : "spki_sha256  %s\nrecord_key   %s\n",
           pin_text, key_text);
    return COMMAND_OK;
}

const struct command verb_identity = {
    .program = VERB_PROGRAM,
    .name = "identity",
    .summary = "Prints the keys that images pin: what postern.json says about its broker.",
    .usage = "--dir DIR [--json]",
    .example = "  postern-broker identity --dir /var/lib/broker --json\n",
    .run = run,
};
