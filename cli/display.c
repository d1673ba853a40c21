/* postern display report, certs and key: what a file says; nothing is verified. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/evidence.h"
#include "cli/show.h"

#define KEY_BYTES 32
#define JSON_ROW(to) OPTION("json", NULL, "print one JSON object", OPTION_FLAG, to)

/* One path and --json. Returns 0 to go on, else the exit code plus one. */
static int read_words(const struct command *command, int argc, char **argv, const char **ret_path, bool *ret_json)
{
    const struct option_row rows[] = { JSON_ROW(ret_json) };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, ret_path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK + 1 : COMMAND_MISUSE + 1;
    if (*ret_path)
        return 0;
    log_error("which file? usage: postern %s %s", command->name, command->usage);
    return COMMAND_MISUSE + 1;
}

static int fail(const struct reason *why, int error)
{
    log_error("%s", reason_text(why, error));
    return COMMAND_MISUSE;
}

static int run_report(const struct command *command, int argc, char **argv)
{
    CLEANUP(evidence_free) struct evidence evidence = { .owned_count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" };
    struct report report;
    const char *path;
    bool json = false;
    int r = read_words(command, argc, argv, &path, &json);

    if (r)
        return r - 1;
    r = evidence_read_report(&evidence, path, &why);
    if (r == 0)
        r = report_parse(evidence.report, REPORT_BYTES, &report, &why);
    if (r < 0)
        return fail(&why, r);
    if (json) {
        show_report_json(&report, report_product(&report), &text);
        buffer_add_text(&text, "\n");
    } else {
        buffer_printf(&text, "%s: not verified\n", path);
        show_report(&report, report_product(&report), &text);
    }
    return show_print(&text);
}

static void show_one(const struct certificate_entry *entry, X509 *root, bool json, struct buffer *text)
{
    const unsigned char *at = entry ? entry->data : NULL;
    X509 *certificate = root ? root : d2i_X509(NULL, &at, (long)entry->size);

    if (!certificate)
        return;
    if (json) {
        buffer_add_text(text, text->size > 1 ? "," : "");
        show_certificate_json(certificate, text);
    } else {
        buffer_add_text(text, text->size ? "\n" : "");
        show_certificate(certificate, text);
    }
    if (!root)
        X509_free(certificate);
}

static int run_certs(const struct command *command, int argc, char **argv)
{
    CLEANUP(evidence_free) struct evidence evidence = { .owned_count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" };
    const char *path;
    bool json = false;
    int r = read_words(command, argc, argv, &path, &json);

    if (r)
        return r - 1;
    r = evidence_add(&evidence, path, &why);
    if (r == 0 && !evidence.table.count && !evidence.ark_count)
        r = reason_set(&why, -ENOENT, "%s: no certificates are there", path);
    if (r < 0)
        return fail(&why, r);
    buffer_add_text(&text, json ? "[" : "");
    for (size_t i = 0; i < evidence.ark_count; i++)
        show_one(NULL, evidence.arks[i], json, &text);
    for (size_t i = 0; i < evidence.table.count; i++)
        if (evidence.table.entries[i].kind != CERTIFICATE_CRL)
            show_one(&evidence.table.entries[i], NULL, json, &text);
    buffer_add_text(&text, json ? "]\n" : "");
    return show_print(&text);
}

/* A derived key is a secret: it goes from locked memory to the terminal, by no buffer of stdio. */
static int run_key(const struct command *command, int argc, char **argv)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE, line = SECRET_NONE;
    CLEANUP_FD int fd = -1;
    struct reason why = { "" };
    const char *path;
    bool json = false;
    uint8_t more;
    size_t at = 0;
    int r = read_words(command, argc, argv, &path, &json);

    if (r)
        return r - 1;
    r = secret_alloc(KEY_BYTES, &key);
    if (r == 0)
        r = secret_alloc(HEX_TEXT_BYTES(KEY_BYTES) + 16, &line);
    if (r < 0)
        return fail(&why, reason_set(&why, r, "no memory for secrets can be locked"));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        r = reason_set(&why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    else if (fd_read_exact(fd, key.bytes, KEY_BYTES) < 0 || read(fd, &more, 1) != 0)
        r = reason_set(&why, -EBADMSG, "%s: a derived key has %u bytes", path, KEY_BYTES);
    if (r < 0)
        return fail(&why, r);
    if (json)
        for (const char *c = "{\"key\":\""; *c; c++)
            line.bytes[at++] = (uint8_t)*c;
    hex_encode(key.bytes, KEY_BYTES, (char *)line.bytes + at);
    at += 2 * KEY_BYTES;
    for (const char *c = json ? "\"}\n" : "\n"; *c; c++)
        line.bytes[at++] = (uint8_t)*c;
    r = fd_write_all(STDOUT_FILENO, line.bytes, at);
    return r < 0 ? fail(&why, r) : COMMAND_OK;
}

const struct command verb_display_report = {
    .program = "postern",
    .name = "display report",
    .summary = "Shows every field of a report; verifies nothing.",
    .usage = "REPORT [--json]",
    .example = "  postern display report report.bin\n",
    .run = run_report,
};

const struct command verb_display_certs = {
    .program = "postern",
    .name = "display certs",
    .summary = "Shows the certificates of a directory or file; verifies nothing.",
    .usage = "PATH [--json]",
    .example = "  postern display certs ./certs\n",
    .run = run_certs,
};

const struct command verb_display_key = {
    .program = "postern",
    .name = "display key",
    .summary = "Shows a derived key in hexadecimal: a secret, for debug images.",
    .usage = "FILE [--json]",
    .example = "  postern display key derived-key.bin\n",
    .run = run_key,
};
