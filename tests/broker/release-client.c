/*
 * A guest for tests of a broker. What a real one gets from its processor comes from tests/broker/chain.h.
 *
 *     release-client chain DIR PRODUCT             makes a processor
 *     release-client record FILE ID KEY            writes a volume record with that key (128 hexadecimal digits)
 *     release-client release KEY=VALUE…            one release through release/client.h; prints how it ended;
 *                                                  confirm=yes [found=N]: and a confirmation
 *     release-client bench KEY=VALUE…              many, from several processes; prints rate and latencies;
 *                                                  floor=yes: handshakes with one exchange instead
 *     release-client raw                           commands on standard input, one answer per line, for tests that
 *                                                  speak HTTP themselves:
 *         key                                      a new session key; prints its JWK
 *         attest NONCE [KEY=VALUE…]                prints the body of POST /attest
 *         acknowledged RECORD_KEY RESOURCE EPOCH SIGNATURE   whether the acknowledgement is good
 *         open RECORD_KEY JWE                      decrypts, verifies, prints the volume key
 *
 * broker= pin= record-key= resource= deadline-ms= processes= seconds= for release and bench; payload= payload-name=
 * plugin= init-data= tee-key= for other brokers than ours; next-broker= next-pin= for one to fail over to; chain=
 * measurement= policy= vmpl= host-data= tag= report-id= (random otherwise) for reports, and what a hostile guest would
 * do: bind-nonce= send-key=other break=signature|chip|tcb certs=none|vek|junk.
 */
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attest/purpose.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "release/failover.h"
#include "release/jwe.h"
#include "release/message.h"
#include "tests/broker/chain.h"

#define MAX_SETTINGS 24
#define MAX_SAMPLES 20000

struct settings {
    const char *names[MAX_SETTINGS], *values[MAX_SETTINGS];
    size_t count;
};

static void __attribute__((noreturn)) die(const char *what)
{
    (void)fprintf(stderr, "release-client: %s\n", what);
    exit(2);
}

static void add_setting(struct settings *settings, char *word)
{
    char *equals = strchr(word, '=');

    if (!equals || settings->count == MAX_SETTINGS)
        die(word);
    *equals = '\0';
    settings->names[settings->count] = word;
    settings->values[settings->count++] = equals + 1;
}

static const char *setting(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (strcmp(settings->names[i], name) == 0)
            return settings->values[i];
    return NULL;
}

static bool setting_is(const struct settings *settings, const char *name, const char *value)
{
    const char *found = setting(settings, name);

    return found && strcmp(found, value) == 0;
}

static unsigned long number(const struct settings *settings, const char *name, unsigned long otherwise)
{
    const char *text = setting(settings, name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void take_hex(const struct settings *settings, const char *name, uint8_t *to, size_t size)
{
    const char *text = setting(settings, name);

    if (text && hex_decode(text, strlen(text), to, size) < 0)
        die(name);
}

/* A signed report with REPORT_DATA over `canonical`, as the settings want it. */
static void make_report(const struct settings *settings, const struct chain *chain, const void *canonical, size_t size,
                        uint8_t ret_report[REPORT_BYTES])
{
    struct report report;

    chain_report(chain, &report);
    take_hex(settings, "measurement", report.measurement, sizeof(report.measurement));
    if (RAND_bytes(report.report_id, sizeof(report.report_id)) != 1)
        die("report-id");
    take_hex(settings, "report-id", report.report_id, sizeof(report.report_id));
    take_hex(settings, "host-data", report.host_data, sizeof(report.host_data));
    report.policy = number(settings, "policy", (unsigned long)report.policy);
    report.vmpl = (uint32_t)number(settings, "vmpl", report.vmpl);
    if (purpose_report_data(PURPOSE_RELEASE, NULL, canonical, size, report.report_data, NULL) < 0)
        die("report data");
    take_hex(settings, "tag", report.report_data + 48, 16);
    if (setting_is(settings, "break", "chip"))
        report.chip_id[0] ^= 1;
    if (setting_is(settings, "break", "tcb"))
        report.reported_tcb ^= UINT64_C(1) << 56;
    if (chain_sign(chain, &report, ret_report) < 0)
        die("signing");
    if (setting_is(settings, "break", "signature"))
        ret_report[0x90] ^= 1;
}

static void make_table(const struct settings *settings, struct chain *chain, struct cert_table *ret_table)
{
    chain_table(chain, ret_table);
    if (setting_is(settings, "certs", "none"))
        ret_table->count = 0;
    if (setting_is(settings, "certs", "vek"))
        ret_table->count = 1;
    if (setting_is(settings, "certs", "junk"))
        memset(chain->vek, 0x30, chain->vek_size);
}

/* ---- through release/client.h */

struct reporter {
    const struct settings *settings;
    struct chain *chain;
};

static int get_report(void *context, const void *canonical, size_t size, uint64_t deadline_ms,
                      uint8_t ret_report[REPORT_BYTES], uint8_t ret_certificates[CERT_TABLE_MAX_BYTES],
                      size_t *ret_certificates_size, struct reason *why)
{
    const struct reporter *reporter = context;
    CLEANUP_BUFFER struct buffer table = BUFFER_EMPTY;
    struct cert_table entries;

    (void)deadline_ms;
    (void)why;
    make_report(reporter->settings, reporter->chain, canonical, size, ret_report);
    make_table(reporter->settings, reporter->chain, &entries);
    cert_table_encode(&entries, &table);
    if (buffer_error(&table) < 0 || table.size > CERT_TABLE_MAX_BYTES)
        return -ENOMEM;
    memcpy(ret_certificates, table.data, table.size);
    *ret_certificates_size = table.size;
    return 0;
}

static void take_record_key(const char *text, struct key_p384 *to)
{
    uint8_t der[256];
    size_t size = 0;

    if (!text || base64_decode(BASE64_STANDARD, text, strlen(text), der, sizeof(der), &size) < 0 ||
        key_p384_take(der, size, to) < 0)
        die("record-key");
}

static EVP_PKEY *load_record_key(const char *text)
{
    struct key_p384 taken;
    EVP_PKEY *key;

    take_record_key(text, &taken);
    key = key_p384_load(&taken);
    if (!key)
        die("record-key");
    return key;
}

static void make_request(const struct settings *settings, struct reporter *reporter, struct release_request *to)
{
    const char *broker = setting(settings, "broker");

    *to = (struct release_request){ .resource = setting(settings, "resource"),
                                    .plugin = setting(settings, "plugin"),
                                    .payload_name = setting(settings, "payload-name"),
                                    .init_data = setting(settings, "init-data"),
                                    .reporter = { .get_report = get_report, .context = reporter } };
    if (!broker || endpoint_parse(broker, &to->broker.endpoint) < 0 || !to->resource)
        die("broker, resource");
    to->broker.pin_count = 1;
    take_hex(settings, "pin", to->broker.pins[0], TLS_PIN_BYTES);
    if (setting(settings, "payload") && payload_kind_parse(setting(settings, "payload"), &to->payload) < 0)
        die("payload");
    if (setting(settings, "tee-key") && tee_key_kind_parse(setting(settings, "tee-key"), &to->tee_key) < 0)
        die("tee-key");
    to->record_key = to->payload == PAYLOAD_RECORD ? load_record_key(setting(settings, "record-key")) : NULL;
}

static void print_json(const char *name, const char *value, bool first)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    buffer_printf(&text, "%s\"%s\":", first ? "{" : ",", name);
    buffer_add_json_string(&text, value);
    (void)fputs(buffer_text(&text), stdout);
}

static void print_secret(const struct secret *key)
{
    char text[HEX_TEXT_BYTES(RELEASE_MAX_PAYLOAD_BYTES)];

    hex_encode(key->bytes, key->size, text);
    print_json("key", text, false);
}

static void print_key(const struct record *record, const struct secret *key)
{
    print_json("volume", record->volume_id, false);
    print_secret(key);
    printf(",\"epoch\":%llu,\"generation\":%llu,\"state\":%u", (unsigned long long)record->epoch,
           (unsigned long long)record->generation, (unsigned)record->state);
}

static struct chain load_chain(const struct settings *settings)
{
    const char *directory = setting(settings, "chain");
    struct chain chain;

    if (!directory || chain_load(directory, &chain) < 0)
        die("chain");
    return chain;
}

static void run_confirm(const struct settings *settings, const struct release_request *request,
                        const struct release_session *session, uint64_t epoch)
{
    const struct message_confirmation confirmation = { .epoch = epoch,
                                                       .has_found = setting(settings, "found"),
                                                       .found = number(settings, "found", 0),
                                                       .rotated = number(settings, "rotated", 0) };
    struct release_result result;
    struct reason why = { "" };
    int r = release_confirm(request, session, &confirmation, clock_ms() + 10000, &result, &why);

    print_json("confirmed", release_outcome_name(result.outcome), false);
    print_json("confirm-why", r < 0 ? reason_text(&why, r) : "", false);
}

/* Two brokers, the second by next-broker= and next-pin=. */
static int release_next(const struct settings *settings, const struct release_request *request, uint64_t deadline,
                        struct record *record, struct secret *key, struct release_result *result, struct reason *why)
{
    struct release_broker brokers[2] = { { .peer = request->broker } };
    size_t broker = 0;

    for (size_t i = 0; i < ARRAY_SIZE(brokers) && request->payload == PAYLOAD_RECORD; i++)
        take_record_key(setting(settings, "record-key"), &brokers[i].record_key);
    if (endpoint_parse(setting(settings, "next-broker"), &brokers[1].peer.endpoint) < 0)
        die("next-broker");
    brokers[1].peer.pin_count = 1;
    take_hex(settings, "next-pin", brokers[1].peer.pins[0], TLS_PIN_BYTES);
    return release_from_brokers(request, brokers, 2, deadline, record, key, &broker, result, why);
}

static int run_release(const struct settings *settings)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct chain chain = load_chain(settings);
    struct reporter reporter = { settings, &chain };
    struct release_request request;
    struct release_result result;
    struct reason why = { "" };
    struct record record;
    uint64_t deadline = clock_ms() + number(settings, "deadline-ms", 10000);
    int r;

    make_request(settings, &reporter, &request);
    r = setting(settings, "next-broker")       ? release_next(settings, &request, deadline, &record, &key, &result, &why)
        : setting_is(settings, "retry", "yes") ? release_until(&request, deadline, &record, &key, &result, &why)
                                               : release_once(&request, deadline, &record, &key, &result, &why);
    print_json("outcome", release_outcome_name(result.outcome), true);
    print_json("request", result.request_id, false);
    print_json("why", r < 0 ? reason_text(&why, r) : "", false);
    if (r == 0 && request.payload == PAYLOAD_RECORD)
        print_key(&record, &key);
    else if (r == 0)
        print_secret(&key);
    if (r == 0 && setting_is(settings, "confirm", "yes"))
        run_confirm(settings, &request, &result.session, record.epoch);
    printf("}\n");
    chain_free(&chain);
    EVP_PKEY_free(request.record_key);
    return 0;
}

/* ---- many at once */

struct samples {
    size_t count, failed;
    uint32_t us[MAX_SAMPLES];
};

/* What every broker's client does: a handshake, one exchange (tests/bench/kbs-floor.c). */
static int floor_once(const struct release_request *request)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    uint64_t deadline = clock_ms() + 30000;
    struct tls_client *client = NULL;
    struct http_parser *parser = malloc(sizeof(*parser));
    int r;

    if (!parser)
        die("no memory");
    buffer_add_text(&text, "GET / HTTP/1.1\r\nHost: floor\r\n\r\n");
    http_parser_init(parser, HTTP_RESPONSE, 1024);
    r = tls_client_connect(&request->broker, deadline, &client, NULL);
    if (r == 0)
        r = tls_client_exchange(client, &text, deadline, parser, NULL);
    tls_client_free(&client);
    http_parser_free(parser);
    free(parser);
    return r;
}

static void bench_child(const struct settings *settings, uint64_t end_ms, struct samples *samples)
{
    struct chain chain = load_chain(settings);
    struct reporter reporter = { settings, &chain };
    struct release_request request;
    bool floor = setting_is(settings, "floor", "yes");

    make_request(settings, &reporter, &request);
    while (clock_ms() < end_ms && samples->count < MAX_SAMPLES) {
        CLEANUP_SECRET struct secret key = SECRET_NONE;
        uint64_t start = clock_boot_us();
        struct release_result result;
        struct record record;

        int r = floor ? floor_once(&request)
                      : release_once(&request, clock_ms() + 30000, &record, &key, &result, NULL);

        if (r < 0)
            samples->failed++;
        else
            samples->us[samples->count++] = (uint32_t)(clock_boot_us() - start);
    }
    _exit(0);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

static int run_bench(const struct settings *settings)
{
    size_t processes = number(settings, "processes", 2), seconds = number(settings, "seconds", 5);
    size_t total = 0, failed = 0, size = processes * sizeof(struct samples);
    struct samples *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t *us = calloc(processes * MAX_SAMPLES, sizeof(*us));
    uint64_t end = clock_ms() + 1000 * seconds;

    if (all == MAP_FAILED || !us)
        die("no memory");
    for (size_t i = 0; i < processes; i++)
        if (fork() == 0)
            bench_child(settings, end, &all[i]);
    while (wait(NULL) > 0)
        ;
    for (size_t i = 0; i < processes; i++) {
        memcpy(us + total, all[i].us, all[i].count * sizeof(*us));
        total += all[i].count;
        failed += all[i].failed;
    }
    qsort(us, total, sizeof(*us), compare);
    printf("{\"releases\":%zu,\"failed\":%zu,\"per_second\":%.1f,\"p50_us\":%u,\"p99_us\":%u}\n", total, failed,
           (double)total / (double)seconds, total ? us[total / 2] : 0, total ? us[total * 99 / 100] : 0);
    free(us);
    return 0;
}

/* ---- raw */

struct raw {
    EVP_PKEY *key;
    struct guest_public_key public_key;
    struct record_binding binding;
};

static void raw_key(struct raw *raw)
{
    CLEANUP_BUFFER struct buffer jwk = BUFFER_EMPTY;

    guest_key_free(&raw->key);
    if (guest_key_generate(TEE_KEY_P256, &raw->key, &raw->public_key) < 0)
        die("key");
    guest_key_write_jwk(&raw->public_key, &jwk);
    printf("%s\n", buffer_text(&jwk));
}

static void raw_attest(struct raw *raw, const char *nonce, const struct settings *settings)
{
    CLEANUP_BUFFER struct buffer canonical = BUFFER_EMPTY, body = BUFFER_EMPTY;
    struct guest_public_key sent = raw->public_key;
    struct chain chain = load_chain(settings);
    const char *bound = setting(settings, "bind-nonce");
    uint8_t report[REPORT_BYTES];
    struct reason why = { "" };
    struct cert_table table;
    EVP_PKEY *other = NULL;
    size_t size = 0;

    message_write_canonical(bound ? bound : nonce, &raw->public_key, &canonical);
    make_report(settings, &chain, canonical.data, canonical.size, report);
    make_table(settings, &chain, &table);
    if (setting_is(settings, "send-key", "other") && guest_key_generate(TEE_KEY_P256, &other, &sent) < 0)
        die("send-key");
    guest_key_free(&other);
    if (base64_decode(BASE64_STANDARD, nonce, strlen(nonce), raw->binding.nonce, RELEASE_NONCE_BYTES, &size) < 0 ||
        record_report_digest(report, raw->binding.report_digest) < 0 ||
        message_write_attestation(nonce, &sent, report, &table, &body, &why) < 0)
        die(why.text);
    printf("%s\n", buffer_text(&body));
    chain_free(&chain);
}

static void raw_open(const struct raw *raw, const char *record_key, const char *text)
{
    CLEANUP_SECRET struct secret release = SECRET_NONE, key = SECRET_NONE;
    EVP_PKEY *signer = load_record_key(record_key);
    struct reason why = { "" };
    struct record record;
    struct jwe jwe;
    int r = jwe_parse(text, strlen(text), TEE_KEY_P256, &jwe, &why);

    if (r == 0)
        r = jwe_decrypt(&jwe, raw->key, &release);
    if (r == 0)
        r = record_verify(&release, &raw->binding, signer, &record, &key, &why);
    print_json("error", r < 0 ? reason_text(&why, r) : "", true);
    if (r == 0)
        print_key(&record, &key);
    printf("}\n");
    EVP_PKEY_free(signer);
}

static void raw_acknowledged(const struct raw *raw, const char *record_key, char *rest)
{
    EVP_PKEY *signer = load_record_key(record_key);
    const char *resource = strsep(&rest, " "), *epoch = strsep(&rest, " ");
    uint8_t signature[RECORD_MAX_SIGNATURE_BYTES];
    size_t size = 0;
    bool good = epoch && rest &&
                base64_decode(BASE64_STANDARD, rest, strlen(rest), signature, sizeof(signature), &size) == 0 &&
                record_acknowledged(resource, &raw->binding, strtoul(epoch, NULL, 10), signer, signature, size) == 0;

    printf("%s\n", good ? "good" : "bad");
    EVP_PKEY_free(signer);
}

static int run_raw(void)
{
    struct raw raw = { .key = NULL };
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0) {
        struct settings settings = { .count = 0 };
        char *rest = line, *command, *first;

        line[strcspn(line, "\n")] = '\0';
        command = strsep(&rest, " ");
        first = strsep(&rest, " ");
        if (strcmp(command, "key") == 0) {
            raw_key(&raw);
        } else if (strcmp(command, "open") == 0) {
            raw_open(&raw, first, rest ? rest : "");
        } else if (strcmp(command, "acknowledged") == 0) {
            raw_acknowledged(&raw, first, rest);
        } else if (strcmp(command, "attest") == 0) {
            while (rest && *rest)
                add_setting(&settings, strsep(&rest, " "));
            raw_attest(&raw, first, &settings);
        } else {
            die(command);
        }
        (void)fflush(stdout);
    }
    guest_key_free(&raw.key);
    free(line);
    return 0;
}

/* ---- files */

static int run_record(const char *path, const char *id, const char *key_text)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE, bytes = SECRET_NONE;
    struct record record = { .cipher = "aes-xts-plain64", .integrity = "none", .sector_size = 4096, .offset = 0,
                             .length = 64u << 20, .layout_length = 64u << 20, .generation = 1, .state = RECORD_READY };
    struct reason why = { "" };

    (void)snprintf(record.volume_id, sizeof(record.volume_id), "%s", id);
    if (secret_alloc(64, &key) < 0 || hex_decode(key_text, strlen(key_text), key.bytes, key.size) < 0 ||
        record_encode(&record, &key, &bytes) < 0 || file_write(path, 0600, bytes.bytes, bytes.size, &why) < 0)
        die("record");
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = { .count = 0 };
    const char *verb = argc > 1 ? argv[1] : "";

    (void)signal(SIGPIPE, SIG_IGN);
    if (strcmp(verb, "chain") == 0 && argc == 4)
        return chain_create(argv[2], product_from_name(argv[3])) < 0 ? 1 : 0;
    if (strcmp(verb, "record") == 0 && argc == 5)
        return run_record(argv[2], argv[3], argv[4]);
    if (strcmp(verb, "raw") == 0)
        return run_raw();
    for (int i = 2; i < argc; i++)
        add_setting(&settings, argv[i]);
    if (strcmp(verb, "release") == 0)
        return run_release(&settings);
    if (strcmp(verb, "bench") == 0)
        return run_bench(&settings);
    die("usage: see the head of release-client.c");
}
