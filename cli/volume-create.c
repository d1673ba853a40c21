/* postern volume create: an encrypted disk and the record of it that a broker gets. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret-file.h"
#include "cli/child.h"
#include "cli/volume-make.h"
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

/* Everything half-made lies beside the output and is removed whatever happens: one of the files is not encrypted. */
static int create(const struct request *request, struct reason *why)
{
    CLEANUP_SECRET struct secret recovery = SECRET_NONE;
    struct volume_make make = { .id = request->id, .integrity = request->integrity, .content = request->content,
                                .length = request->size_mib * MIB, .output = request->output,
                                .record = request->record, .what = "encrypting" };
    int r = 0;

    if (request->recovery_file)
        r = secret_file_read(request->recovery_file, RECOVERY_MAX_BYTES, &recovery, why);
    if (r < 0)
        return r;
    if (recovery.bytes)
        make.recovery = &recovery;
    if (request->from)
        r = volume_make_plain(&make, &make.content);
    if (r == 0 && request->from)
        r = make_filesystem(request, make.content, why);
    if (r == 0)
        r = volume_make(&make, why);
    volume_make_end();
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
    else
        return volume_make_is_free(&(struct volume_make){ .output = request->output, .record = request->record })
                   ? 0
                   : -EINVAL;
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
        OPTION("output", "FILE", "disk image to make, or a blank block device", OPTION_TEXT, &request.output,
          .required = true),
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
