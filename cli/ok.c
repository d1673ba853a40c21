/*
 * postern ok: what this guest is, as its kernel says. For a person in the guest: it proves nothing to anybody outside,
 * and against a hostile kernel nothing at all; that is what reports are for.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attest/device-back-ends.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/log.h"

/* SEV_STATUS (APM volume 2, 15.34.10), as bits that matter to a user. */
#define MSR_SEV_STATUS 0xc0010131
#define STATUS_SNP (UINT64_C(1) << 2)
#define KMSG_RECORD_MAX_BYTES 8192
#define KMSG_RECORDS_MAX 100000u
#define FEATURES_MAX_BYTES 96

static const char features_mark[] = "Memory Encryption Features active:";

struct findings {
    bool has_status; /* the processor's own register could be read */
    uint64_t status;
    char features[FEATURES_MAX_BYTES]; /* as the kernel logged them; "" when it did not */
    bool has_vmpl;
    uint64_t vmpl;
    bool device;
    char provider[TSM_PROVIDER_MAX_BYTES]; /* "" for none */
    bool snp;
};

static char *path_of(const char *root, const char *path)
{
    char *whole;

    if (asprintf(&whole, "%s%s", root, path) < 0)
        abort();
    return whole;
}

static void read_status(const char *root, struct findings *f)
{
    CLEANUP_FREE char *path = path_of(root, "/dev/cpu/0/msr");
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t value[8];

    if (fd >= 0 && pread(fd, value, sizeof(value), MSR_SEV_STATUS) == sizeof(value)) {
        f->has_status = true;
        f->status = get_u64le(value);
    }
}

/* A record "priority,…;text": facility 0 is the kernel's, anybody else's have higher ones. */
static void take_record(const char *record, struct findings *f)
{
    const char *text = strchr(record, ';'), *mark = text ? strstr(text, features_mark) : NULL;
    char *end;
    size_t size;

    if (!mark || strtoul(record, &end, 10) >= 8 || *end != ',')
        return;
    mark += strlen(features_mark);
    mark += strspn(mark, " ");
    size = strcspn(mark, "\n");
    size = size < sizeof(f->features) - 1 ? size : sizeof(f->features) - 1;
    for (size_t i = 0; i < size; i++)
        f->features[i] = mark[i] >= ' ' && mark[i] <= '~' ? mark[i] : '?';
    while (size && f->features[size - 1] == ' ')
        size--;
    f->features[size] = '\0';
}

/* The device gives one record a read; a file, in a recorded tree, gives lines. */
static void read_log(const char *root, struct findings *f)
{
    CLEANUP_FREE char *path = path_of(root, "/dev/kmsg");
    CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char record[KMSG_RECORD_MAX_BYTES + 1];

    for (unsigned i = 0; fd >= 0 && i < KMSG_RECORDS_MAX; i++) {
        ssize_t got = read(fd, record, KMSG_RECORD_MAX_BYTES);

        if (got < 0 && (errno == EPIPE || errno == EINTR))
            continue; /* records were lost; what matters stands early and may be among them */
        if (got <= 0)
            return;
        record[got] = '\0';
        for (char *line = record, *next; *line; line = next) {
            next = strchrnul(line, '\n');
            if (*next)
                *next++ = '\0';
            take_record(line, f);
        }
    }
}

static void read_vmpl(const char *root, struct findings *f)
{
    CLEANUP_FREE char *path = path_of(root, "/sys/devices/system/sev/vmpl");
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;

    if (file_read(path, 16, &text, &size, NULL) < 0)
        return;
    text[strcspn((char *)text, "\n")] = '\0';
    f->has_vmpl = command_parse_u64((char *)text, &f->vmpl) == 0;
}

static void look(const char *root, struct findings *f)
{
    CLEANUP_FREE char *device = path_of(root, "/dev/sev-guest");
    CLEANUP_FREE char *folder = path_of(root, "/sys/kernel/config/tsm/report");
    struct stat st;

    read_status(root, f);
    read_log(root, f);
    read_vmpl(root, f);
    f->device = stat(device, &st) == 0;
    if (tsm_get_provider(folder, f->provider, NULL) < 0)
        f->provider[0] = '\0';
    f->snp = f->has_status ? f->status & STATUS_SNP : strstr(f->features, "SEV-SNP") || f->has_vmpl;
}

static void say(bool good, const char *what, const char *found)
{
    printf("[ %s ] %-18s %s\n", good ? "PASS" : "FAIL", what, found);
}

static void print_text(const struct findings *f)
{
    char text[64];

    say(f->snp, "SEV-SNP", f->snp ? "active" : "not active, as far as the kernel says");
    if (f->has_status) {
        (void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)f->status);
        say(f->snp, "SEV_STATUS", text);
    }
    say(f->features[0], "memory encryption", f->features[0] ? f->features : "the kernel's log does not say");
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)f->vmpl);
    say(f->has_vmpl, "VMPL", f->has_vmpl ? text : "the kernel does not say (Linux 6.11 and later do)");
    say(f->device, "/dev/sev-guest", f->device ? "there" : "missing: is the module sev-guest loaded?");
    say(f->provider[0], "configfs-tsm", f->provider[0] ? f->provider : "no provider (Linux 6.7 and later have one)");
}

static void print_json(const struct findings *f, bool good)
{
    CLEANUP_BUFFER struct buffer json = BUFFER_EMPTY;

    buffer_printf(&json, "{\"ok\":%s,\"snp\":%s,\"sev_status\":", good ? "true" : "false", f->snp ? "true" : "false");
    if (f->has_status)
        buffer_printf(&json, "%llu", (unsigned long long)f->status);
    else
        buffer_add_text(&json, "null");
    buffer_add_text(&json, ",\"memory_encryption\":");
    if (f->features[0])
        buffer_add_json_string(&json, f->features);
    else
        buffer_add_text(&json, "null");
    if (f->has_vmpl)
        buffer_printf(&json, ",\"vmpl\":%llu", (unsigned long long)f->vmpl);
    else
        buffer_add_text(&json, ",\"vmpl\":null");
    buffer_printf(&json, ",\"device\":%s,\"provider\":", f->device ? "true" : "false");
    if (f->provider[0])
        buffer_add_json_string(&json, f->provider);
    else
        buffer_add_text(&json, "null");
    buffer_add_text(&json, "}");
    puts(buffer_text(&json));
}

static int run(const struct command *command, int argc, char **argv)
{
    struct findings findings = { .snp = false };
    const char *root = "";
    bool json = false, good;
    const struct option_row rows[] = {
        OPTION("json", NULL, "print JSON", OPTION_FLAG, &json),
        OPTION("root", "DIR", "look at this tree of /dev and /sys instead of the guest's", OPTION_TEXT, &root),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    look(root, &findings);
    good = findings.snp && (findings.device || findings.provider[0]);
    if (json)
        print_json(&findings, good);
    else
        print_text(&findings);
    return good ? COMMAND_OK : EXIT_DEVICE;
}

const struct command verb_ok = {
    .program = "postern",
    .name = "ok",
    .summary = "Says what this guest is, as its kernel sees it. Exit status 0: an SEV-SNP guest that can ask its\n"
               "processor for reports; 6: not. A report proves it to others, this does not.",
    .usage = "[OPTION…]",
    .example = "  postern ok\n",
    .run = run,
};
