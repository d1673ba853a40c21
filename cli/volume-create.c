/* postern volume create: an encrypted disk and the record of it that a broker gets. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret-file.h"
#include "cli/child.h"
#include "cli/progress.h"
#include "luks/create.h"
#include "release/record.h"

#define MIB (1024u * 1024u)
#define SIZE_LEAST_MIB 16u /* less leaves ext4 without a journal */
#define SIZE_MOST_MIB (1024u * 1024u)
#define RECOVERY_MAX_BYTES 4096

struct request {
    const char *id, *content, *from, *output, *record, *recovery_file, *integrity;
    uint64_t size_mib;
    bool blank;
};

/* mke2fs, quietly; its own words on failure go to standard error. */
static int make_filesystem(const struct request *request, const char *image, struct reason *why)
{
    char size[32];
    const char *words[] = { "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-d", request->from, image,
                            size, NULL };
    const struct child_start start = { .words = words, .output = -1, .keep = { -1, -1 } };
    pid_t pid = 0;
    int status, r;

    (void)snprintf(size, sizeof(size), "%lluM", (unsigned long long)request->size_mib);
    r = child_run(&start, &pid, why);
    if (r < 0)
        return reason_set(why, r, "mke2fs cannot be run: %s; install e2fsprogs, or give a file system with --content",
                          strerror(-r));
    status = child_wait(pid);
    if (status < 0)
        return status;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return reason_set(why, -EIO, "mke2fs could not make a file system of %llu MiB from %s",
                          (unsigned long long)request->size_mib, request->from);
    return 0;
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    progress_show("encrypting", done, total);
}

/* Disk and record under temporary names, then both under their own. */
static int make_volume(const struct request *request, const char *content, const char *disk,
                       const struct secret *recovery, struct reason *why)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE, bytes = SECRET_NONE;
    struct create_volume volume = {
        .path = disk, .id = request->id, .content = content, .length = request->size_mib * MIB,
        .integrity = request->integrity, .key = &key, .recovery = recovery, .progress = show_progress
    };
    struct record record = { .cipher = "aes-xts-plain64",
                             .sector_size = CREATE_SECTOR_BYTES,
                             .offset = CREATE_DATA_OFFSET_BYTES,
                             .state = request->blank ? RECORD_UNINITIALISED : RECORD_READY };
    int r = secret_random(create_key_bytes(request->integrity), &key);

    if (r == 0)
        r = create_volume(&volume, &record.length, record.header_mac, why);
    progress_end();
    if (r < 0)
        return r;
    record.layout_length = record.length;
    record.has_header_mac = true;
    memcpy(record.volume_id, request->id, strlen(request->id) + 1);
    memcpy(record.integrity, request->integrity, strlen(request->integrity) + 1);
    r = record_encode(&record, &key, &bytes);
    if (r == 0)
        r = file_write(request->record, 0600, bytes.bytes, bytes.size, why);
    if (r == 0 && rename(disk, request->output) < 0) {
        r = reason_set(why, -errno, "%s: cannot be written: %s", request->output, strerror(errno));
        (void)unlink(request->record);
    }
    return r;
}

/* What is half-made, for the handler of signals. */
static char *half_made[2];

static void remove_half_made(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(half_made); i++)
        if (half_made[i])
            (void)unlink(half_made[i]);
}

static void end_by_signal(int number)
{
    remove_half_made();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Everything half-made lies beside the output and is removed whatever happens: one of the two is not encrypted. */
static int create(const struct request *request, struct reason *why)
{
    CLEANUP_SECRET struct secret recovery = SECRET_NONE;
    char *disk, *image;
    int r = 0;

    if (request->recovery_file)
        r = secret_file_read(request->recovery_file, RECOVERY_MAX_BYTES, &recovery, why);
    if (r < 0)
        return r;
    if (asprintf(&disk, "%s.partial", request->output) < 0 || asprintf(&image, "%s.plain", request->output) < 0)
        return -ENOMEM;
    half_made[0] = disk;
    half_made[1] = image;
    (void)signal(SIGINT, end_by_signal);
    (void)signal(SIGTERM, end_by_signal);
    (void)signal(SIGHUP, end_by_signal);
    if (request->from)
        r = make_filesystem(request, image, why);
    if (r == 0)
        r = make_volume(request, request->from ? image : request->content, disk,
                        recovery.bytes ? &recovery : NULL, why);
    remove_half_made();
    return r;
}

static int check(const struct request *request)
{
    if (!!request->from + !!request->content + request->blank != 1)
        log_error("one of --from, --content and --blank says what the volume holds");
    else if (!create_key_bytes(request->integrity))
        log_error("--integrity: \"%s\", expected hmac(sha256) or none", request->integrity);
    else if (strlen(request->id) > RECORD_ID_MAX_BYTES ||
             request->id[strspn(request->id, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        log_error("--id: \"%s\" is no volume id, expected 1 to %u of a-z, 0-9 and -", request->id, RECORD_ID_MAX_BYTES);
    else if (access(request->output, F_OK) == 0)
        log_error("%s: exists; a volume is never made over something else", request->output);
    else if (access(request->record, F_OK) == 0)
        log_error("%s: exists; a record is never made over another", request->record);
    else
        return 0;
    return -EINVAL;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct request request = { .size_mib = 64, .integrity = "hmac(sha256)" };
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("id", "ID", "the volume's name in configuration and broker", OPTION_TEXT, &request.id,
          .required = true),
        OPTION("from", "DIR", "directory whose files the volume will hold (ext4)", OPTION_TEXT, &request.from),
        OPTION("size", "MIB", "size of that file system, or of the blank (default 64)", OPTION_U64, &request.size_mib,
          .min = SIZE_LEAST_MIB, .max = SIZE_MOST_MIB),
        OPTION("content", "FILE", "a ready file system image instead", OPTION_TEXT, &request.content),
        OPTION("blank", NULL, "nothing: the first guest that gets the key formats it", OPTION_FLAG, &request.blank),
        OPTION("integrity", "NAME", "hmac(sha256) (default), or none", OPTION_TEXT, &request.integrity),
        OPTION("output", "FILE", "disk image to make", OPTION_TEXT, &request.output, .required = true),
        OPTION("record", "FILE", "record to make: holds the key, goes to the broker", OPTION_TEXT, &request.record,
          .required = true),
        OPTION("recovery-key", "FILE", "key for `cryptsetup open` without a broker", OPTION_TEXT,
               &request.recovery_file),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (check(&request) < 0)
        return COMMAND_MISUSE;
    r = secret_library_init();
    if (r == 0)
        r = create(&request, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_volume_create = {
    .program = "postern",
    .name = "volume create",
    .summary = "Makes an encrypted disk, and the record with which a broker releases its key.",
    .usage = "--id ID --from DIR --output FILE --record FILE [OPTION…]",
    .example = "  postern volume create --id data --from www --size 64 --output data.img --record data.record\n",
    .run = run,
};
