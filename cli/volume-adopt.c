/* postern volume adopt: the record of a LUKS2 disk that others made, for mode header. The disk is anybody's. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/secret-file.h"
#include "luks/adopt.h"
#include "release/record.h"

#define PASSPHRASE_MAX_BYTES 4096

struct request {
    const char *id, *disk, *key_file, *record;
    uint64_t offset;
};

static int make_record(const struct request *request, const struct adopt_volume *volume, struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    struct record record = { .sector_size = volume->header.sector_size,
                             .offset = request->offset + volume->header.offset,
                             .length = volume->length,
                             .layout_length = volume->layout_length,
                             .has_header_mac = true,
                             .state = RECORD_READY };
    int r;

    memcpy(record.volume_id, request->id, strlen(request->id) + 1);
    memcpy(record.cipher, volume->header.cipher, sizeof(volume->header.cipher));
    memcpy(record.integrity, volume->header.integrity, sizeof(volume->header.integrity));
    memcpy(record.header_mac, volume->header_mac, sizeof(record.header_mac));
    r = record_encode(&record, &volume->key, &bytes);
    return r < 0 ? r : file_write(request->record, 0600, bytes.bytes, bytes.size, why);
}

static int adopt(const struct request *request, struct reason *why)
{
    CLEANUP_SECRET struct secret passphrase = SECRET_NONE;
    CLEANUP(adopt_free) struct adopt_volume volume = { .key = SECRET_NONE };
    CLEANUP_FD int disk = open(request->disk, O_RDONLY | O_CLOEXEC);
    int r;

    if (disk < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", request->disk, strerror(errno));
    r = secret_file_read(request->key_file, PASSPHRASE_MAX_BYTES, &passphrase, why);
    if (r < 0)
        return r;
    r = adopt_volume(disk, request->offset, request->id, &passphrase, &volume, why);
    if (r < 0) {
        reason_prefix(why, request->disk);
        return r;
    }
    return make_record(request, &volume, why);
}

static int check(const struct request *request)
{
    if (!request->disk)
        log_error("which disk? usage: postern volume adopt DISK --id ID --key-file FILE --record FILE");
    else if (!request->id[0] || strlen(request->id) > RECORD_ID_MAX_BYTES ||
             request->id[strspn(request->id, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        log_error("--id: \"%s\" is no volume id, expected 1 to %u of a-z, 0-9 and -", request->id, RECORD_ID_MAX_BYTES);
    else if (request->offset % PAGE_BYTES)
        log_error("--offset: %llu is no multiple of 4096", (unsigned long long)request->offset);
    else if (access(request->record, F_OK) == 0)
        log_error("%s: exists; a record is never made over another", request->record);
    else
        return 0;
    return -EINVAL;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct request request = { .id = NULL };
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("id", "ID", "the volume's name in configuration and broker", OPTION_TEXT, &request.id,
          .required = true),
        OPTION("key-file", "FILE", "passphrase or key of the disk's one keyslot", OPTION_TEXT, &request.key_file,
          .required = true),
        OPTION("record", "FILE", "record to make: holds the key, goes to the broker", OPTION_TEXT, &request.record,
          .required = true),
        OPTION("offset", "BYTES", "where the volume starts on the disk (default 0)", OPTION_U64, &request.offset,
          .max = INT64_MAX / 2),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &request.disk, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (check(&request) < 0)
        return COMMAND_MISUSE;
    /* Not OpenSSL's secure heap: its Argon2 would want all of a keyslot's memory from there. */
    r = secret_protect_process();
    if (r == 0)
        r = adopt(&request, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return r == -EBADMSG || r == -EKEYREJECTED ? EXIT_DISK : COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_volume_adopt = {
    .program = "postern",
    .name = "volume adopt",
    .summary = "Makes the broker's record of a LUKS2 disk that cryptsetup, systemd-repart or mkosi made.",
    .usage = "DISK --id ID --key-file FILE --record FILE [OPTION…]",
    .example = "  postern volume adopt disk.img --id data --key-file disk.key --record data.record\n",
    .run = run,
};
