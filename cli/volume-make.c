/* Disks and records in the making. Nothing half-made is left: one of the files is not encrypted. */
#include "cli/volume-make.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/progress.h"
#include "luks/create.h"
#include "release/record.h"

#define LOOK_BYTES (1024u * 1024)

/* For the handler of signals. */
static char *half_made[2];

void volume_make_end(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(half_made); i++)
        if (half_made[i])
            (void)unlink(half_made[i]);
}

static void end_by_signal(int number)
{
    volume_make_end();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int note_half_made(size_t index, const char *output, const char *suffix, const char **ret_path)
{
    char *path;

    if (asprintf(&path, "%s.%s", output, suffix) < 0)
        return -ENOMEM;
    half_made[index] = path;
    (void)signal(SIGINT, end_by_signal);
    (void)signal(SIGTERM, end_by_signal);
    (void)signal(SIGHUP, end_by_signal);
    *ret_path = path;
    return 0;
}

int volume_make_plain(const struct volume_make *make, const char **ret_path)
{
    return note_half_made(1, make->output, "plain", ret_path);
}

static bool is_device(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

static bool is_blank(const char *path)
{
    CLEANUP_FREE uint8_t *data = malloc(LOOK_BYTES);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    return data && fd >= 0 && fd_read_at(fd, 0, data, LOOK_BYTES) == 0 && all_zero(data, LOOK_BYTES) &&
           fd_read_at(fd, CREATE_DATA_OFFSET_BYTES, data, LOOK_BYTES) == 0 && all_zero(data, LOOK_BYTES);
}

bool volume_make_is_free(const struct volume_make *make)
{
    if (is_device(make->output) && !is_blank(make->output))
        log_error("%s: cannot be read, is too small, or is not blank; take away what it holds first, for instance with "
                  "`blkdiscard --zeroout`", make->output);
    else if (!is_device(make->output) && access(make->output, F_OK) == 0)
        log_error("%s: exists; a volume is never made over something else", make->output);
    else if (access(make->record, F_OK) == 0)
        log_error("%s: exists; a record is never made over another", make->record);
    else
        return true;
    return false;
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    const struct volume_make *make = context;

    progress_show(make->what, done, total);
}

static int write_record(const struct volume_make *make, struct record *record, const struct secret *key,
                        struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    int r;

    memcpy(record->volume_id, make->id, strlen(make->id) + 1);
    memcpy(record->integrity, make->integrity, strlen(make->integrity) + 1);
    r = record_encode(record, key, &bytes);
    return r < 0 ? r : file_write(make->record, 0600, bytes.bytes, bytes.size, why);
}

int volume_make(const struct volume_make *make, struct reason *why)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    const char *disk = make->output;
    struct create_volume volume = { .id = make->id, .content = make->content, .relabel = make->relabel,
                                    .length = make->length, .integrity = make->integrity, .key = &key,
                                    .recovery = make->recovery, .progress = show_progress,
                                    .progress_context = (void *)(uintptr_t)make };
    struct record record = { .cipher = "aes-xts-plain64",
                             .sector_size = CREATE_SECTOR_BYTES,
                             .offset = CREATE_DATA_OFFSET_BYTES,
                             .has_header_mac = true,
                             .state = make->content ? RECORD_READY : RECORD_UNINITIALISED };
    bool device = is_device(make->output);
    int r = device ? 0 : note_half_made(0, make->output, "partial", &disk);

    volume.path = disk;
    if (r == 0)
        r = secret_random(create_key_bytes(make->integrity), &key);
    if (r == 0)
        r = create_volume(&volume, &record.length, record.header_mac, why);
    progress_end();
    if (r < 0)
        return r;
    record.layout_length = record.length;
    r = write_record(make, &record, &key, why);
    if (r == 0 && !device && rename(disk, make->output) < 0) {
        r = reason_set(why, -errno, "%s: cannot be written: %s", make->output, strerror(errno));
        (void)unlink(make->record);
    }
    return r;
}
