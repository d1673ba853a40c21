/* postern-psp serve: plays the processor for one launch. */
#include "psp/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "attest/verify.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "psp/kds.h"
#include "psp/listen.h"
#include "psp/serve.h"

#define DEFAULT_POLICY (GUEST_POLICY_SMT | GUEST_POLICY_RESERVED_ONE)
#define FIRST_FREE_FD 3

struct options {
    const char *directory, *socket_path, *request_log, *certificates, *kds, *kds_revoke;
    uint64_t listen_fd, ready_fd, guest_svn, report_version, kds_throttle_s;
    bool has_listen_fd, no_certificates, vlek;
    struct option_list injections;
    struct launch launch;
    uint8_t *table; /* of --certificates */
};

/* The key distribution service, beside the guest's line in a thread of its own. */
struct distribution {
    struct kds *kds;
    int listen_fd, stop_fd;
    pthread_t thread;
    bool running;
};

/* One report verified as anybody would: keys, certificates and chip.json belong together. */
static int check_chip(const char *directory, const struct chip *chip, const struct launch *launch, struct reason *why)
{
    CLEANUP(trust_roots_free) struct trust_roots *roots = NULL;
    const struct report_request request = { .reserved_zero = true };
    uint8_t report[REPORT_BYTES];
    char path[4096], prefix[REASON_MAX_BYTES / 2];
    struct cert_table table;
    struct verified verified;
    int r;

    if (snprintf(path, sizeof(path), "%s/ark.pem", directory) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    r = trust_roots_file(path, &roots, why);
    if (r == 0)
        r = firmware_sign_report(chip, launch, &request, report, why);
    if (r == 0)
        r = cert_table_parse(chip->certificates, chip->certificates_size, &table, why);
    if (r < 0)
        return r;
    r = verify_report(report, sizeof(report), &table, roots, time(NULL), &verified, why);
    if (r < 0) {
        (void)snprintf(prefix, sizeof(prefix), "%s: the chip's files do not belong together", directory);
        reason_prefix(why, prefix);
    }
    return r;
}

static int open_log(const char *path, int *ret_fd, struct reason *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

    if (fd < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    *ret_fd = fd;
    return 0;
}

/* Whoever started us may be waiting for it. */
static void tell_ready(uint64_t fd)
{
    static const char text[] = "ready\n";

    if (fd && fd_write_all((int)fd, text, strlen(text)) < 0)
        log_error("--ready-fd %llu: cannot be written", (unsigned long long)fd);
    if (fd)
        (void)close((int)fd);
}

static void *run_distribution(void *argument)
{
    struct distribution *d = argument;

    kds_serve(d->kds, d->listen_fd, d->stop_fd);
    return NULL;
}

/* Loads and listens before anything is announced. Signals stay the main thread's: they are blocked. */
static int start_distribution(const struct options *options, const struct chip *chip, struct distribution *d,
                              struct reason *why)
{
    struct kds_options wanted = { .throttle_s = (unsigned)options->kds_throttle_s };
    int r;

    if (!options->kds)
        return 0;
    if (options->kds_revoke)
        wanted.revoked = strcmp(options->kds_revoke, "ask") == 0 ? "ask.pem" : "asvk.pem";
    r = kds_load(options->directory, &chip->identity, &wanted, &d->kds, why);
    if (r == 0)
        r = kds_listen(options->kds, &d->listen_fd, why);
    if (r < 0)
        return r;
    d->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (d->stop_fd < 0 || pthread_create(&d->thread, NULL, run_distribution, d) != 0)
        return reason_set(why, -EAGAIN, "the key distribution service cannot be started");
    d->running = true;
    log_info("key distribution service for this chip alone: listens on %s", options->kds);
    return 0;
}

static void stop_distribution(struct distribution *d)
{
    if (d->running && eventfd_write(d->stop_fd, 1) == 0)
        (void)pthread_join(d->thread, NULL);
    fd_close(&d->listen_fd);
    fd_close(&d->stop_fd);
    kds_free(&d->kds);
}

static int serve_until_signal(const struct options *options, const struct chip *chip, struct reason *why)
{
    CLEANUP(stop_distribution) struct distribution distribution = { .listen_fd = -1, .stop_fd = -1 };
    CLEANUP_FD int listen_fd = -1;
    CLEANUP_FD int signal_fd = -1;
    CLEANUP_FD int log_fd = -1;
    char report_id[HEX_TEXT_BYTES(REPORT_ID_BYTES)];
    int r = serve_catch_signals(&signal_fd, why);

    if (r == 0 && options->request_log)
        r = open_log(options->request_log, &log_fd, why);
    if (r == 0)
        r = start_distribution(options, chip, &distribution, why);
    if (r == 0 && options->socket_path)
        r = listen_on_path(options->socket_path, &listen_fd, why);
    if (r < 0)
        return r;
    if (!options->socket_path)
        listen_fd = (int)options->listen_fd;
    hex_encode(options->launch.report_id, REPORT_ID_BYTES, report_id);
    log_info("software %s, not a processor: listens on %s, report id %s", product_name(chip->identity.product),
             options->socket_path ? options->socket_path : "the inherited socket", report_id);
    tell_ready(options->ready_fd);
    r = serve(chip, &options->launch, listen_fd, signal_fd, log_fd, why);
    if (options->socket_path)
        (void)unlink(options->socket_path);
    return r;
}

static int check_words(struct options *options, struct reason *why)
{
    struct launch *launch = &options->launch;
    int r = 0;

    if (options->kds_revoke && strcmp(options->kds_revoke, "ask") != 0 && strcmp(options->kds_revoke, "asvk") != 0)
        return reason_set(why, -EINVAL, "--kds-revoke \"%s\": expected ask or asvk", options->kds_revoke);
    if (!options->kds && (options->kds_revoke || options->kds_throttle_s))
        return reason_set(why, -EINVAL, "--kds-revoke and --kds-throttle need --kds");
    if (options->certificates && options->no_certificates)
        return reason_set(why, -EINVAL, "--certificates and --no-certificates: expected one of them, found both");
    for (size_t i = 0; r == 0 && i < options->injections.count; i++)
        r = injection_parse(options->injections.values[i], launch->injections, &launch->injection_count, why);
    if (r == 0 && options->certificates) {
        r = file_read(options->certificates, CERT_TABLE_MAX_BYTES, &options->table, &launch->table_size, why);
        launch->table = options->table;
    }
    return r;
}

/* What the table of options cannot say. */
static int check(struct options *options, struct reason *why)
{
    struct launch *launch = &options->launch;
    int r = check_words(options, why);

    if (r < 0)
        return r;
    launch->guest_svn = (uint32_t)options->guest_svn;
    launch->report_version = (uint32_t)options->report_version;
    launch->certificates = !options->no_certificates;
    if (!options->socket_path == !options->has_listen_fd)
        return reason_set(why, -EINVAL, "expected one of --socket and --listen-fd, found %s",
                          options->socket_path ? "both" : "neither");
    if (options->ready_fd && fcntl((int)options->ready_fd, F_GETFD) < 0)
        return reason_set(why, -EBADF, "--ready-fd %llu: no such descriptor is open",
                          (unsigned long long)options->ready_fd);
    if (firmware_check_policy(launch->policy, why) < 0)
        return -EINVAL;
    return options->has_listen_fd ? listen_check_fd((int)options->listen_fd, why) : 0;
}

/* From checked options to an exit code. */
static int play(struct options *options)
{
    CLEANUP(chip_free) struct chip *chip = NULL;
    struct reason why = { "" };
    int r = check(options, &why), code = COMMAND_MISUSE;

    if (r == 0 && !verb_lock_memory())
        return PSP_EXIT_SYSTEM;
    if (r == 0)
        r = chip_load(options->directory, options->vlek, &chip, &why);
    if (r == 0 && RAND_bytes(options->launch.report_id, REPORT_ID_BYTES) != 1)
        r = -EIO;
    if (r == 0)
        r = check_chip(options->directory, chip, &options->launch, &why);
    if (r == 0) {
        code = PSP_EXIT_SYSTEM;
        r = serve_until_signal(options, chip, &why);
    }
    if (r == 0)
        return COMMAND_OK;
    log_error("%s", reason_text(&why, r));
    if (r == -EINVAL) /* an address to listen on that is none */
        return COMMAND_MISUSE;
    return r == -ENOMEM || r == -EIO ? PSP_EXIT_SYSTEM : code;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options o = { .report_version = 3, .launch = { .policy = DEFAULT_POLICY } };
    struct launch *launch = &o.launch;
    const struct option_row rows[] = {
        OPTION("dir", "DIR", "the chip, made by postern-psp init", OPTION_TEXT, &o.directory, .required = true),
        OPTION("measurement", "HEX96", "the launch digest", OPTION_HEX, launch->measurement,
               .size = sizeof(launch->measurement), .required = true),
        OPTION("socket", "PATH", "listen on this Unix socket", OPTION_TEXT, &o.socket_path),
        OPTION("listen-fd", "N", "or on this inherited, listening socket", OPTION_U64, &o.listen_fd, .max = INT32_MAX,
               .given = &o.has_listen_fd),
        OPTION("ready-fd", "N", "write a line to this descriptor when listening", OPTION_U64, &o.ready_fd,
               .min = FIRST_FREE_FD, .max = INT32_MAX),
        OPTION("policy", "N", "guest policy (default 0x30000)", OPTION_U64, &launch->policy),
        OPTION("host-data", "HEX64", "HOST_DATA (default zeros, as all below)", OPTION_HEX, launch->host_data,
               .size = sizeof(launch->host_data)),
        OPTION("family-id", "HEX32", "FAMILY_ID", OPTION_HEX, launch->family_id, .size = sizeof(launch->family_id)),
        OPTION("image-id", "HEX32", "IMAGE_ID", OPTION_HEX, launch->image_id, .size = sizeof(launch->image_id)),
        OPTION("guest-svn", "N", "GUEST_SVN", OPTION_U64, &o.guest_svn, .max = UINT32_MAX),
        OPTION("id-key-digest", "HEX96", "ID_KEY_DIGEST", OPTION_HEX, launch->id_key_digest,
               .size = sizeof(launch->id_key_digest)),
        OPTION("author-key-digest", "HEX96", "AUTHOR_KEY_DIGEST", OPTION_HEX, launch->author_key_digest,
               .size = sizeof(launch->author_key_digest), .given = &launch->has_author_key),
        OPTION("no-certificates", NULL, "the host attaches no certificates", OPTION_FLAG, &o.no_certificates),
        OPTION("certificates", "FILE", "it attaches this table, as it is", OPTION_TEXT, &o.certificates),
        OPTION("vlek", NULL, "an operator's endorsement key is loaded and signs", OPTION_FLAG, &o.vlek),
        OPTION("report-version", "N", "2 to 5 (default 3)", OPTION_U64, &o.report_version, .min = 2, .max = 5),
        OPTION("request-log", "FILE", "append a JSON line for each request", OPTION_TEXT, &o.request_log),
        OPTION("inject", "WHAT", "answer the first, second … request with a failure", OPTION_LIST, &o.injections),
        OPTION("kds", "ADDRESS:PORT", "a key distribution service for this chip, by HTTP", OPTION_TEXT, &o.kds),
        OPTION("kds-throttle", "N", "seconds between VCEKs, before that: 429", OPTION_U64, &o.kds_throttle_s,
               .max = 3600),
        OPTION("kds-revoke", "WHAT", "ask or asvk is on the list of revoked certificates", OPTION_TEXT, &o.kds_revoke),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    r = play(&o);
    free(o.table);
    return r;
}

const struct command verb_serve = {
    .program = "postern-psp",
    .name = "serve",
    .summary = "Plays the AMD secure processor for one launch, for tests. Each start is a launch of its own, with a\n"
               "fresh REPORT_ID; SIGTERM ends it. Its reports prove nothing about any machine: nobody trusts\n"
               "DIR/ark.pem unless told to with --trust-root.",
    .usage = "--dir DIR --measurement HEX96 (--socket PATH | --listen-fd N) [OPTION…]",
    .example = "  postern-psp serve --dir chip --socket psp.sock --measurement \"$DIGEST\"\n",
    .run = run,
};
