/*
 * postern broker-identity: the offline key's side of identities of brokers (release/identity.h). The files are the
 * user's own, or come from an operator and are signed only as far as guests would take them.
 */
#include "cli/cli.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/key.h"
#include "base/log.h"
#include "release/identity.h"
#include "release/record.h"

#define KEYS_MAX_BYTES 4096u
#define SPKI_MAX_BYTES 256
#define EXIT_FOREIGN 2 /* not signed by that key, or not for that release */

static int fail(int exit_code, const struct reason *why, int error)
{
    log_error("%s", reason_text(why, error));
    return exit_code;
}

struct sign_options {
    const char *key_path, *name, *output;
    struct option_list addresses, pins;
    uint64_t first, last;
};

/* What `postern-broker identity --json` prints. */
static int read_keys(const char *path, struct identity *to, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    CLEANUP_FREE uint8_t *text = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    uint8_t der[SPKI_MAX_BYTES];
    size_t size = 0;
    int r = file_read(path, KEYS_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = json_parse(text, size, KEYS_MAX_BYTES, &root, why);
    if (r == 0) {
        json_read_root(root, &status, &reader);
        (void)json_read_hex(&reader, "spki_sha256", JSON_REQUIRED, to->pins[0], TLS_PIN_BYTES);
        to->pin_count = 1;
        if (json_read_base64(&reader, "record_key", JSON_REQUIRED, BASE64_STANDARD, der, sizeof(der), &size) &&
            key_p384_take(der, size, &to->record_key) < 0)
            json_refuse(&reader, "record_key", "not a P-384 public key in DER");
        json_read_done(&reader);
        r = status.error;
    }
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static int fill(const struct sign_options *o, const char *path, struct identity *to, struct reason *why)
{
    int r = read_keys(path, to, why);

    if (r < 0)
        return r;
    if (strlen(o->name) > IDENTITY_MAX_NAME_BYTES)
        return reason_set(why, -EINVAL, "--name: at most %u characters", IDENTITY_MAX_NAME_BYTES);
    memcpy(to->name, o->name, strlen(o->name) + 1);
    if (o->addresses.count > IDENTITY_MAX_ADDRESSES)
        return reason_set(why, -EINVAL, "--url: at most %u addresses", IDENTITY_MAX_ADDRESSES);
    for (size_t i = 0; i < o->addresses.count; i++)
        if (endpoint_parse_url(o->addresses.values[i], NULL, &to->addresses[to->address_count++]) < 0)
            return reason_set(why, -EINVAL, "--url \"%s\": not of the form https://ADDRESS:PORT with a literal address",
                              o->addresses.values[i]);
    for (size_t i = 0; i < o->pins.count; i++) {
        const char *pin = o->pins.values[i];

        if (to->pin_count == TLS_MAX_PINS || hex_decode(pin, strlen(pin), to->pins[to->pin_count], TLS_PIN_BYTES) < 0)
            return reason_set(why, -EINVAL, "--spki_sha256 \"%s\": expected 64 hexadecimal digits, at most %u in all",
                              pin, TLS_MAX_PINS);
        to->pin_count++;
    }
    to->first_release = o->first;
    to->last_release = o->last;
    return 0;
}

static int sign(const struct sign_options *o, const char *path, struct reason *why)
{
    struct identity identity = { .name = "" };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    CLEANUP_KEY EVP_PKEY *key = NULL;
    int r = fill(o, path, &identity, why);

    if (r == 0)
        r = key_read_private(o->key_path, KEY_P384, &key, why);
    if (r == 0)
        r = identity_sign(&identity, key, &text, why);
    return r < 0 ? r : file_write(o->output, 0644, text.data, text.size, why);
}

static int run_sign(const struct command *command, int argc, char **argv)
{
    struct sign_options o = { .key_path = NULL };
    struct reason why = { "" };
    const char *path = NULL;
    const struct option_row rows[] = {
        OPTION("key", "FILE", "the offline root key, P-384, that only its owner can read", OPTION_TEXT,
               &o.key_path, .required = true),
        OPTION("name", "NAME", "of the broker: a-z, 0-9 and -", OPTION_TEXT, &o.name, .required = true),
        OPTION("url", "URL", "https://ADDRESS:PORT; several times, in the order in which they are tried", OPTION_LIST,
               &o.addresses, .required = true),
        OPTION("spki_sha256", "HEX", "a further TLS key of the broker, for its rotation; several times", OPTION_LIST,
               &o.pins),
        OPTION("first-release", "N", "the first image release that may ask it", OPTION_U64, &o.first, .required = true,
               .max = IDENTITY_MAX_RELEASE),
        OPTION("last-release", "N", "the last one", OPTION_U64, &o.last, .required = true,
               .max = IDENTITY_MAX_RELEASE),
        OPTION("output", "FILE", "where to write the identity", OPTION_TEXT, &o.output, .required = true),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which broker's keys? usage: postern broker-identity sign BROKER.json --key FILE …");
        return COMMAND_MISUSE;
    }
    r = secret_library_init();
    if (r == 0)
        r = sign(&o, path, &why);
    return r < 0 ? fail(COMMAND_MISUSE, &why, r) : COMMAND_OK;
}

static void print_text(const struct identity *identity)
{
    printf("name       %s\nreleases   %llu to %llu\n", identity->name, (unsigned long long)identity->first_release,
           (unsigned long long)identity->last_release);
    for (size_t i = 0; i < identity->address_count; i++)
        printf("address    https://%s\n", identity->addresses[i].authority);
    for (size_t i = 0; i < identity->pin_count; i++) {
        char pin[HEX_TEXT_BYTES(TLS_PIN_BYTES)];

        hex_encode(identity->pins[i], TLS_PIN_BYTES, pin);
        printf("TLS key    %s\n", pin);
    }
}

static int show(const char *path, const char *key_path, uint64_t release, bool json, struct reason *why)
{
    struct identity identity = { .name = "" };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    CLEANUP_FREE uint8_t *data = NULL;
    CLEANUP_KEY EVP_PKEY *key = NULL;
    size_t size = 0;
    int r = key_read_public(key_path, KEY_P384, &key, why);

    if (r == 0)
        r = file_read(path, IDENTITY_MAX_BYTES, &data, &size, why);
    if (r < 0)
        return r;
    r = identity_verify(data, size, key, release, &identity, why);
    if (r < 0) {
        reason_prefix(why, path);
        return r;
    }
    r = identity_write(&identity, &text);
    if (r == 0 && json)
        printf("%s\n", buffer_text(&text));
    else if (r == 0)
        print_text(&identity);
    return r;
}

static int run_verify(const struct command *command, int argc, char **argv)
{
    const char *path = NULL, *key_path = NULL;
    struct reason why = { "" };
    uint64_t release = 0;
    bool json = false;
    const struct option_row rows[] = {
        OPTION("key", "FILE", "the root key's public half", OPTION_TEXT, &key_path, .required = true),
        OPTION("release", "N", "the image release that would ask", OPTION_U64, &release, .required = true,
               .max = IDENTITY_MAX_RELEASE),
        OPTION("json", NULL, "print what was signed, as it was signed", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which identity? usage: postern broker-identity verify IDENTITY --key FILE --release N");
        return COMMAND_MISUSE;
    }
    r = show(path, key_path, release, json, &why);
    return r < 0 ? fail(r == -EKEYREJECTED || r == -ESTALE ? EXIT_FOREIGN : COMMAND_MISUSE, &why, r) : COMMAND_OK;
}

static int run_root(const struct command *command, int argc, char **argv)
{
    char text[BASE64_TEXT_BYTES(SPKI_MAX_BYTES)];
    CLEANUP_KEY EVP_PKEY *key = NULL;
    struct reason why = { "" };
    unsigned char *der = NULL;
    const char *path = NULL;
    uint64_t release = 0;
    const struct option_row rows[] = {
        OPTION("release", "N", "the image's release number, which grows from image to image", OPTION_U64, &release,
               .required = true, .max = IDENTITY_MAX_RELEASE),
    };
    int size, r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which key? usage: postern broker-identity root PUBLIC-KEY --release N");
        return COMMAND_MISUSE;
    }
    r = key_read_public(path, KEY_P384, &key, &why);
    if (r < 0)
        return fail(COMMAND_MISUSE, &why, r);
    size = i2d_PUBKEY(key, &der);
    if (size <= 0 || size > SPKI_MAX_BYTES) {
        OPENSSL_free(der);
        return fail(COMMAND_MISUSE, &why, -ENOMEM);
    }
    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, text);
    OPENSSL_free(der);
    printf("{\"key\": \"%s\", \"release\": %llu}\n", text, (unsigned long long)release);
    return COMMAND_OK;
}

const struct command verb_broker_identity_sign = {
    .program = "postern",
    .name = "broker-identity sign",
    .summary = "Signs who may be asked for keys: a broker's keys and addresses, for images of some releases.",
    .usage = "BROKER.json --key FILE --name NAME --url URL … --output FILE",
    .example = "  postern-broker identity --dir /var/lib/broker --json >broker.json\n"
               "  postern broker-identity sign broker.json --key root.key --name frankfurt-1 \\\n"
               "      --url https://10.0.2.2:8443 --first-release 3 --last-release 9 --output frankfurt-1.identity\n",
    .run = run_sign,
};

const struct command verb_broker_identity_verify = {
    .program = "postern",
    .name = "broker-identity verify",
    .summary = "Verifies an identity as a guest of that release does, and prints it.",
    .usage = "IDENTITY --key FILE --release N [--json]",
    .example = "  postern broker-identity verify frankfurt-1.identity --key root.pub --release 5\n",
    .run = run_verify,
};

const struct command verb_broker_identity_root = {
    .program = "postern",
    .name = "broker-identity root",
    .summary = "Prints what postern.json says about the root key: its member broker_root.",
    .usage = "PUBLIC-KEY --release N",
    .example = "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out root.key\n"
               "  openssl pkey -in root.key -pubout -out root.pub\n"
               "  postern broker-identity root root.pub --release 5\n",
    .run = run_root,
};
