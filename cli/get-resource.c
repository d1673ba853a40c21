/*
 * postern get-resource: what a key broker has for this guest, with evidence from its secure processor. The broker is
 * known by its pinned key; what it gives is a secret and goes into a file.
 */
#include "cli/cli.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "base/log.h"
#include "release/client.h"
#include "release/init-data.h"
#include "release/resource.h"

#define CERTIFICATE_MAX_BYTES (64u * 1024)

/* Exit codes, in the manual page. */
enum { EXIT_UNREACHED = 2, EXIT_REFUSED = 3, EXIT_CHANGE = 4, EXIT_PEER = 5 };

struct options {
    const char *url, *path, *certificate, *record_key, *payload, *payload_name, *tee_key, *init_data, *output;
    struct option_list pins;
    uint64_t timeout_s;
    bool base64, print;
};

static int add_certificate(const char *path, struct tls_peer *peer, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    X509 *certificate;
    BIO *bio;
    int r = file_read(path, CERTIFICATE_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    bio = BIO_new_mem_buf(text, (int)size);
    certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    r = certificate ? tls_pin_of(certificate, peer->pins[peer->pin_count++]) : -EBADMSG;
    X509_free(certificate);
    return r < 0 ? reason_set(why, r, "%s: no certificate in PEM; it has to be the broker's own, whose key is pinned",
                              path)
                 : 0;
}

static int take_peer(const struct options *o, struct tls_peer *to, struct reason *why)
{
    if (endpoint_parse_url(o->url, NULL, &to->endpoint) < 0)
        return reason_set(why, -EINVAL, "--url \"%s\": not of the form https://ADDRESS:PORT with a literal address",
                          o->url);
    if (o->pins.count >= TLS_MAX_PINS)
        return reason_set(why, -EINVAL, "--spki_sha256: fewer than %u, found %zu", TLS_MAX_PINS, o->pins.count);
    for (size_t i = 0; i < o->pins.count; i++) {
        const char *pin = o->pins.values[i];

        if (hex_decode(pin, strlen(pin), to->pins[to->pin_count++], TLS_PIN_BYTES) < 0)
            return reason_set(why, -EINVAL, "--spki_sha256 \"%s\": expected 64 hexadecimal digits", pin);
    }
    if (o->certificate)
        return add_certificate(o->certificate, to, why);
    if (!to->pin_count)
        return reason_set(why, -EINVAL, "--spki_sha256 or --cert-file: missing: without a pinned key anybody could "
                                        "answer");
    return 0;
}

static int take_kinds(const struct options *o, struct release_request *to, struct reason *why)
{
    if (payload_kind_parse(o->payload, &to->payload) < 0)
        return reason_set(why, -EINVAL, "--payload \"%s\": expected raw, key, passphrase, confdata or record",
                          o->payload);
    if (tee_key_kind_parse(o->tee_key, &to->tee_key) < 0)
        return reason_set(why, -EINVAL, "--tee-key \"%s\": expected p256, p521 or rsa", o->tee_key);
    if ((to->payload == PAYLOAD_CONFDATA) != (o->payload_name != NULL))
        return reason_set(why, -EINVAL, "--payload-name: for --payload confdata, and only there");
    if ((to->payload == PAYLOAD_RECORD) != (o->record_key != NULL))
        return reason_set(why, -EINVAL, "--record-key: for --payload record, and only there");
    to->payload_name = o->payload_name;
    return o->record_key ? key_read_public(o->record_key, KEY_P384, &to->record_key, why) : 0;
}

/* The text is sent as it is; it has to be the one that HOST_DATA binds, which the broker checks. */
static int take_init_data(const char *path, char **ret_text, struct reason *why)
{
    uint8_t *text = NULL;
    size_t size = 0;
    int r = path ? file_read(path, INIT_DATA_MAX_BYTES, &text, &size, why) : 0;

    if (r == 0 && text && strlen((char *)text) != size)
        r = reason_set(why, -EBADMSG, "%s: a NUL is no part of TOML", path);
    if (r < 0)
        free(text);
    else
        *ret_text = (char *)text;
    return r;
}

/* Where the secret is to go is settled before anybody is asked for it. */
static int check_output(const struct options *o, struct reason *why)
{
    if (o->output && (o->print || o->base64))
        return reason_set(why, -EINVAL, "--print, --base64: for standard output; --output has the bytes as they are");
    if (!o->output && !o->print && isatty(STDOUT_FILENO))
        return reason_set(why, -EINVAL, "standard output is a terminal: --output FILE, or --print to show the secret");
    return 0;
}

static int get_report(void *context, const void *canonical, size_t size, uint64_t deadline_ms,
                      uint8_t ret_report[REPORT_BYTES], uint8_t ret_certificates[CERT_TABLE_MAX_BYTES],
                      size_t *ret_certificates_size, struct reason *why)
{
    const struct device_request request = { PURPOSE_RELEASE, NULL, canonical, size, DEVICE_VMPL_OWN };
    struct device_report *answer = context;
    int r = device_get_report(&request, NULL, deadline_ms, answer, why);

    if (r < 0)
        return r;
    memcpy(ret_report, answer->report, REPORT_BYTES);
    memcpy(ret_certificates, answer->certificates, answer->certificates_size);
    *ret_certificates_size = answer->certificates_size;
    return 0;
}

/* Not through stdio, whose buffers keep what went through them. */
static int deliver(const struct options *o, const struct secret *secret, struct reason *why)
{
    CLEANUP_SECRET struct secret text = SECRET_NONE;
    int r;

    if (o->output)
        return file_write(o->output, 0600, secret->bytes, secret->size, why);
    if (!o->base64)
        return fd_write_all(STDOUT_FILENO, secret->bytes, secret->size);
    r = secret_alloc(BASE64_TEXT_BYTES(secret->size), &text);
    if (r < 0)
        return r;
    (void)base64_encode(BASE64_STANDARD, secret->bytes, secret->size, (char *)text.bytes);
    text.bytes[text.size - 1] = '\n';
    return fd_write_all(STDOUT_FILENO, text.bytes, text.size);
}

static int exit_code(enum release_outcome outcome)
{
    switch (outcome) {
    case RELEASE_GRANTED:
        return COMMAND_OK;
    case RELEASE_TRANSPORT:
    case RELEASE_BUSY:
        return EXIT_UNREACHED;
    case RELEASE_DENIED:
        return EXIT_REFUSED;
    case RELEASE_MISCONFIGURED:
        return EXIT_CHANGE;
    case RELEASE_DEVICE:
        return EXIT_DEVICE;
    case RELEASE_BROKER_KEY:
    case RELEASE_PROTOCOL:
    case RELEASE_RECORD:
        break;
    }
    return EXIT_PEER;
}

static int ask(const struct options *o, const struct release_request *request)
{
    CLEANUP_SECRET struct secret secret = SECRET_NONE;
    struct release_result result;
    struct reason why = { "" };
    struct record record;
    int r = release_until(request, clock_ms() + 1000 * o->timeout_s, &record, &secret, &result, &why);

    if (r < 0) {
        log_error("%s: %s", release_outcome_name(result.outcome), reason_text(&why, r));
        return exit_code(result.outcome);
    }
    r = deliver(o, &secret, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

static int prepare_and_ask(const struct options *o)
{
    CLEANUP_FREE struct device_report *answer = calloc(1, sizeof(*answer));
    struct release_request request = { .reporter = { get_report, answer } };
    CLEANUP_FREE char *init_data = NULL;
    struct resource resource;
    struct reason why = { "" };
    int code, r = answer ? check_output(o, &why) : -ENOMEM;

    if (r == 0)
        r = take_peer(o, &request.broker, &why);
    if (r == 0 && resource_parse(o->path, strlen(o->path), &resource) < 0)
        r = reason_set(&why, -EINVAL, "--path \"%s\": not of the form REPOSITORY/TYPE/TAG or kbs+PLUGIN:///…",
                       o->path);
    if (r == 0)
        r = take_init_data(o->init_data, &init_data, &why);
    if (r == 0)
        r = take_kinds(o, &request, &why);
    if (r == 0)
        r = secret_library_init();
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        EVP_PKEY_free(request.record_key);
        return COMMAND_MISUSE;
    }
    request.resource = resource.path;
    request.plugin = resource.plugin;
    request.init_data = init_data;
    code = ask(o, &request);
    EVP_PKEY_free(request.record_key);
    return code;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o = { .payload = "raw", .tee_key = "p256", .timeout_s = 60 };
    const struct option_row rows[] = {
        OPTION("url", "URL", "https://ADDRESS:PORT of the broker", OPTION_TEXT, &o.url, .required = true),
        OPTION("path", "PATH", "REPOSITORY/TYPE/TAG, or kbs+PLUGIN:///REPOSITORY/TYPE/TAG", OPTION_TEXT, &o.path,
               .required = true),
        OPTION("cert-file", "FILE", "the broker's certificate in PEM: its key is pinned", OPTION_TEXT, &o.certificate),
        OPTION("spki_sha256", "HEX", "SHA-256 of the broker's TLS public key; several times", OPTION_LIST, &o.pins),
        OPTION("payload", "KIND", "what it has to be: raw (default), key, passphrase, confdata, record", OPTION_TEXT,
               &o.payload),
        OPTION("payload-name", "NAME", "whose passphrase in the confdata", OPTION_TEXT, &o.payload_name),
        OPTION("record-key", "FILE", "the broker's record-signing key; the record's volume key is given", OPTION_TEXT,
               &o.record_key),
        OPTION("init-data", "FILE", "the TOML text that HOST_DATA binds", OPTION_TEXT, &o.init_data),
        OPTION("tee-key", "KIND", "of the session's key: p256 (default), p521, rsa", OPTION_TEXT, &o.tee_key),
        OPTION("timeout", "SECONDS", "for all tries together (default 60)", OPTION_U64, &o.timeout_s, .min = 1,
               .max = 3600),
        OPTION("output", "FILE", "where to write it, mode 0600 (default: standard output, unless a terminal)",
               OPTION_TEXT, &o.output),
        OPTION("base64", NULL, "in base64, on standard output", OPTION_FLAG, &o.base64),
        OPTION("print", NULL, "on standard output even if it is a terminal", OPTION_FLAG, &o.print),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    return prepare_and_ask(&o);
}

const struct command verb_get_resource = {
    .program = "postern",
    .name = "get-resource",
    .summary = "Gets a resource from a key broker (KBS protocol 0.4.0) with evidence of this guest.",
    .usage = "--url URL --path PATH --spki_sha256 HEX [OPTION…]",
    .example = "  postern get-resource --url https://10.0.2.2:8080 --cert-file kbs.pem \\\n"
               "      --path default/app/token --output token\n",
    .run = run,
};
