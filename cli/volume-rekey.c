/* postern volume rekey: a copy of a volume under another key. The record is the owner's, the disk may be anybody's. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret-file.h"
#include "cli/volume-host.h"
#include "cli/volume-make.h"
#include "luks/label.h"

#define RECOVERY_MAX_BYTES 4096

struct request {
    const char *disk, *record, *output, *new_record, *recovery_file, *integrity;
};

static int copy(const struct request *request, struct host_volume *host, const struct secret *recovery,
                struct reason *why)
{
    const char *id = host->record.volume_id;
    struct label label = { .epoch = 0 };
    struct volume_make make = { .id = id, .integrity = request->integrity ? request->integrity : host->record.integrity,
                                .output = request->output, .record = request->new_record,
                                .recovery = recovery && recovery->bytes ? recovery : NULL, .what = "re-encrypting" };
    char path[32];
    int r = host_volume_open(host, path, &label, why), closed;

    if (r < 0)
        return r;
    make.content = path;
    make.relabel = label.volume_id[0] != '\0';
    r = volume_make(&make, why);
    volume_make_end();
    closed = crypt_close(id);
    return r == 0 && closed < 0
               ? reason_set(why, closed, "volume %s: is copied, but cannot be closed: %s", id, strerror(-closed))
               : r;
}

static int rekey(const struct request *request, struct reason *why)
{
    CLEANUP(host_volume_free) struct host_volume host = HOST_VOLUME_NONE;
    CLEANUP_SECRET struct secret recovery = SECRET_NONE;
    int r = 0;

    if (request->recovery_file)
        r = secret_file_read(request->recovery_file, RECOVERY_MAX_BYTES, &recovery, why);
    if (r == 0)
        r = host_volume_load(request->record, request->disk, false, &host, why);
    if (r == 0 && host.record.state == RECORD_UNINITIALISED)
        r = reason_set(why, -EINVAL, "%s: the volume was never initialised; make a new one with `volume create`",
                       request->record);
    return r < 0 ? r : copy(request, &host, &recovery, why);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct request request = { .disk = NULL };
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("record", "FILE", "the volume's record", OPTION_TEXT, &request.record, .required = true),
        OPTION("output", "FILE", "disk image to make, or a blank block device", OPTION_TEXT, &request.output,
          .required = true),
        OPTION("new-record", "FILE", "its record: holds the new key, goes to the broker", OPTION_TEXT,
          &request.new_record, .required = true),
        OPTION("integrity", "NAME", "hmac(sha256) or none (default: as it was)", OPTION_TEXT, &request.integrity),
        OPTION("recovery-key", "FILE", "key for `cryptsetup open` without a broker", OPTION_TEXT,
               &request.recovery_file),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &request.disk, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!request.disk) {
        log_error("which disk? usage: postern volume rekey DISK --record FILE --output FILE --new-record FILE");
        return COMMAND_MISUSE;
    }
    if (request.integrity && strcmp(request.integrity, "none") != 0 && strcmp(request.integrity, "hmac(sha256)") != 0) {
        log_error("--integrity: \"%s\", expected hmac(sha256) or none", request.integrity);
        return COMMAND_MISUSE;
    }
    if (!volume_make_is_free(&(struct volume_make){ .output = request.output, .record = request.new_record }))
        return COMMAND_MISUSE;
    r = secret_library_init();
    if (r == 0)
        r = rekey(&request, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return r == -EKEYREJECTED || r == -EBADMSG || r == -ENOMEDIUM || r == -EILSEQ || r == -EIO ? EXIT_DISK
                                                                                                  : COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_volume_rekey = {
    .program = "postern",
    .name = "volume rekey",
    .summary = "Copies a volume to a new disk under a new key, on a host with device-mapper.",
    .usage = "DISK --record FILE --output FILE --new-record FILE [OPTION…]",
    .example = "  postern volume rekey /dev/sdb --record old.record --output new.img --new-record new.record\n",
    .run = run,
};
