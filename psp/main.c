/* postern-psp: verbs. See psp/psp.h and docs/man/postern-psp.1. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/verify.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "psp/listen.h"
#include "psp/options.h"
#include "psp/serve.h"

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_BAD_INPUT = 1,
    EXIT_SYSTEM = 2,
};

static const char help[] =
    "postern-psp - a software stand-in for the AMD secure processor, for tests\n"
    "\n"
    "  postern-psp init --dir DIR [--product Milan|Genoa|Turin]\n"
    "      makes a chip: keys and certificates that carry AMD's names on purpose.\n"
    "      They prove nothing about any machine: nobody trusts DIR/ark.pem unless\n"
    "      told to with --trust-root.\n"
    "\n"
    "  postern-psp serve --dir DIR --socket PATH --measurement HEX96 [OPTION...]\n"
    "      plays the processor for one launch; see postern-psp serve --help\n"
    "\n"
    "example:\n"
    "  postern-psp init --dir chip\n"
    "  postern-psp serve --dir chip --socket psp.sock --measurement \"$DIGEST\" &\n"
    "  qemu-system-x86_64 ... -chardev socket,id=psp,path=psp.sock -serial stdio \\\n"
    "      -serial chardev:psp\n"
    "\n"
    "exit status: 0 good, 1 misuse or bad input, 2 the system refused something\n";

static const char serve_help[] =
    "postern-psp serve - plays the AMD secure processor for one launch, for tests\n"
    "\n"
    "  --dir DIR                  the chip, made by postern-psp init\n"
    "  --socket PATH              listen on this Unix socket\n"
    "  --listen-fd N              or on this inherited, listening socket\n"
    "  --measurement HEX96        the launch digest\n"
    "  --policy N                 guest policy, default 0x30000\n"
    "  --host-data HEX64          HOST_DATA, default zeros, as all below\n"
    "  --family-id HEX32, --image-id HEX32, --guest-svn N\n"
    "  --id-key-digest HEX96, --author-key-digest HEX96\n"
    "  --no-certificates          the host attaches no certificates\n"
    "  --report-version 2|3|4|5   default 3\n"
    "  --request-log FILE         append a JSON line for each request\n"
    "\n"
    "Each start is a launch of its own, with a fresh REPORT_ID. SIGTERM ends it.\n"
    "Reports prove nothing about any machine: nobody trusts DIR/ark.pem unless told\n"
    "to with --trust-root.\n"
    "\n"
    "example:\n"
    "  postern-psp serve --dir chip --socket psp.sock --measurement \"$DIGEST\"\n";

static int say(const char *text)
{
    return fd_write_all(STDOUT_FILENO, text, strlen(text)) == 0 ? EXIT_GOOD : EXIT_SYSTEM;
}

static int fail(int code, const struct reason *why, int error)
{
    log_error("%s", reason_text(why, error));
    return code;
}

static int run_init(int argc, char **argv)
{
    struct init_options options;
    struct reason why = { "" };
    int r = options_parse_init(argc, argv, &options, &why);

    if (r == 1)
        return say(help);
    if (r < 0)
        return fail(EXIT_BAD_INPUT, &why, r);
    r = chip_make(options.directory, options.product, &why);
    if (r < 0)
        return fail(r == -EEXIST || r == -EINVAL ? EXIT_BAD_INPUT : EXIT_SYSTEM, &why, r);
    log_info("made a software %s in %s; its root proves nothing about any machine", product_name(options.product),
             options.directory);
    return EXIT_GOOD;
}

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

static int serve_until_signal(const struct serve_options *options, const struct chip *chip, struct reason *why)
{
    CLEANUP_FD int listen_fd = -1;
    CLEANUP_FD int signal_fd = -1;
    CLEANUP_FD int log_fd = -1;
    char report_id[HEX_TEXT_BYTES(REPORT_ID_BYTES)];
    int r = serve_catch_signals(&signal_fd, why);

    if (r == 0 && options->request_log)
        r = open_log(options->request_log, &log_fd, why);
    if (r == 0 && options->socket_path)
        r = listen_on_path(options->socket_path, &listen_fd, why);
    if (r < 0)
        return r;
    if (!options->socket_path)
        listen_fd = options->listen_fd;
    hex_encode(options->launch.report_id, REPORT_ID_BYTES, report_id);
    log_info("software %s, not a processor: listens on %s, report id %s", product_name(chip->identity.product),
             options->socket_path ? options->socket_path : "the inherited socket", report_id);
    r = serve(chip, &options->launch, listen_fd, signal_fd, log_fd, why);
    if (options->socket_path)
        (void)unlink(options->socket_path);
    return r;
}

static int run_serve(int argc, char **argv)
{
    CLEANUP(chip_free) struct chip *chip = NULL;
    struct serve_options options;
    struct reason why = { "" };
    int r = options_parse_serve(argc, argv, &options, &why);

    if (r == 1)
        return say(serve_help);
    if (r == 0 && options.listen_fd >= 0)
        r = listen_check_fd(options.listen_fd, &why);
    if (r == 0)
        r = chip_load(options.directory, &chip, &why);
    if (r < 0)
        return fail(r == -ENOMEM ? EXIT_SYSTEM : EXIT_BAD_INPUT, &why, r);
    if (RAND_bytes(options.launch.report_id, REPORT_ID_BYTES) != 1)
        return fail(EXIT_SYSTEM, &why, -EIO);
    r = check_chip(options.directory, chip, &options.launch, &why);
    if (r < 0)
        return fail(EXIT_BAD_INPUT, &why, r);
    r = serve_until_signal(&options, chip, &why);
    return r < 0 ? fail(EXIT_SYSTEM, &why, r) : EXIT_GOOD;
}

int main(int argc, char **argv)
{
    log_set_name("postern-psp");
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
        return say(help);
    if (argc < 2 || (strcmp(argv[1], "init") != 0 && strcmp(argv[1], "serve") != 0)) {
        log_error("%s%s%s, expected init or serve; see postern-psp --help", argc < 2 ? "no verb" : "unknown verb \"",
                  argc < 2 ? "" : argv[1], argc < 2 ? "" : "\"");
        return EXIT_BAD_INPUT;
    }
    if (secret_library_init() < 0) {
        log_error("memory for keys cannot be locked: raise the limit on locked memory (ulimit -l) above 1024 KiB");
        return EXIT_SYSTEM;
    }
    return strcmp(argv[1], "init") == 0 ? run_init(argc - 1, argv + 1) : run_serve(argc - 1, argv + 1);
}
