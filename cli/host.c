/* postern host: whether this machine can run SEV-SNP guests, and what to do where it cannot. */
#include "cli/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "cli/cli.h"

enum host_exit { HOST_NOT_READY = 2 };

static const char *const outcomes[] = { [HOST_GOOD] = "ok", [HOST_WARNING] = "warning", [HOST_LACKING] = "lacking" };

void host_print(const struct host_report *report, bool colour)
{
    static const char *const colours[] = { [HOST_GOOD] = "\033[32m", [HOST_WARNING] = "\033[33m",
                                           [HOST_LACKING] = "\033[31m" };

    for (size_t i = 0; i < report->count; i++) {
        const struct host_finding *f = &report->findings[i];

        printf("%s%-8s%s %-12s %s\n", colour ? colours[f->outcome] : "", outcomes[f->outcome], colour ? "\033[0m" : "",
               f->name, f->found);
        if (f->advice[0])
            printf("%21s -> %s\n", "", f->advice);
    }
    puts(host_ready(report) ? "SEV-SNP guests can run here." : "No SEV-SNP guest can run here yet.");
}

void host_write_checks(const struct host_report *report, struct buffer *to)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct host_finding *f = &report->findings[i];

        buffer_printf(to, "%s{\"name\":\"%s\",\"outcome\":\"%s\",\"found\":", i ? "," : "[", f->name,
                      outcomes[f->outcome]);
        buffer_add_json_string(to, f->found);
        buffer_add_text(to, ",\"advice\":");
        buffer_add_json_string(to, f->advice);
        buffer_add_text(to, "}");
    }
    buffer_add_text(to, "]");
}

static int print_json(const struct host_report *report)
{
    CLEANUP_BUFFER struct buffer b = BUFFER_EMPTY;

    buffer_printf(&b, "{\"ready\":%s,\"checks\":", host_ready(report) ? "true" : "false");
    host_write_checks(report, &b);
    buffer_add_text(&b, "}\n");
    if (buffer_error(&b) < 0)
        return buffer_error(&b);
    fputs(buffer_text(&b), stdout);
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct host_needs needs = { .root = "", .qemu = "qemu-system-x86_64", .memory_mib = 2048, .guests = 1 };
    struct host_report report;
    bool json = false;
    const struct option_row rows[] = {
        OPTION("memory", "MIB", "of a guest (default 2048)", OPTION_U64, &needs.memory_mib, .min = 128,
               .max = 1u << 24),
        OPTION("guests", "N", "that run at the same time (default 1)", OPTION_U64, &needs.guests, .min = 1,
               .max = 65536),
        OPTION("qemu", "PROGRAM", "default: qemu-system-x86_64", OPTION_TEXT, &needs.qemu),
        OPTION("root", "DIR", "proc, sys and dev recorded on another machine", OPTION_TEXT, &needs.root),
        OPTION("json", NULL, "for programs", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (needs.root[0] && access(needs.root, R_OK | X_OK) < 0) {
        log_error("--root: %s: no folder that can be read", needs.root);
        return COMMAND_MISUSE;
    }
    host_look(&needs, &report);
    if (!json) {
        host_print(&report, isatty(STDOUT_FILENO));
    } else if (print_json(&report) < 0) {
        log_error("out of memory");
        return COMMAND_MISUSE;
    }
    return host_ready(&report) ? COMMAND_OK : HOST_NOT_READY;
}

const struct command verb_host = {
    .program = "postern",
    .name = "host",
    .summary = "Tells whether this machine can run SEV-SNP guests, and what to do where it cannot.",
    .usage = "[OPTION…]",
    .example = "  postern host --memory 4096 --guests 10\n",
    .run = run,
};
