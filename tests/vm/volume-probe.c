/*
 * A test program, not part of the product: stands in the place of the production init in a test guest and runs the
 * production's stage volumes over and over, each time with another change on the raw disk. /plan says which:
 *
 *     record HEX             the volume's record, as a broker releases it
 *     round NAME MODE [PLACE:HEX …]   MODE record, header or rotate; the bytes go to these places and come back
 *                                     afterwards, except in mode rotate, where a rotation is taken to its end
 *
 * For each round one line: "probe: NAME refused CODE DETAIL", or "probe: NAME opened READ WRONG FAILED" with the numbers
 * of blocks that read as they were made, with other contents, and not at all. tests/vm/test-volumes.py reads them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"
#include "init/devices.h"
#include "init/init.h"
#include "luks/crypt.h"

#define BLOCK_BYTES 4096u
#define CHANGE_MOST_BYTES 65536u
#define CHANGES_MOST 8
#define WAIT_MS 20000u

struct change {
    uint64_t place;
    size_t size;
    uint8_t bytes[CHANGE_MOST_BYTES], before[CHANGE_MOST_BYTES];
};

static struct boot boot;
static struct change changes[CHANGES_MOST];
static struct secret registered;

/* The production's is beside its main(), which is not linked here. */
__attribute__((weak)) int boot_refuse(struct boot *b, enum refusal refusal, int error)
{
    b->refusal = refusal;
    return error;
}

/* There is no broker here: what it acknowledges is tested with whole guests. */
int release_confirm_open(struct boot *b, size_t index, const struct message_confirmation *confirmation)
{
    (void)b;
    (void)index;
    (void)confirmation;
    return 0;
}

static void end(const char *why)
{
    printf("probe: %s\n", why);
    (void)fflush(stdout);
    sync();
    (void)reboot(RB_POWER_OFF);
    for (;;)
        (void)pause();
}

static void must(int r, const char *what)
{
    char text[160];

    if (r >= 0)
        return;
    (void)snprintf(text, sizeof(text), "FAIL %s: %s", what, strerror(-r));
    end(text);
}

static void take_record(const char *hex)
{
    size_t size = strlen(hex) / 2;

    must(secret_alloc(size, &registered), "record");
    must(hex_decode(hex, strlen(hex), registered.bytes, size), "record");
}

static size_t take_changes(char *words)
{
    size_t count = 0;

    for (char *word = strsep(&words, " "); word; word = strsep(&words, " ")) {
        char *colon = strchr(word, ':');

        if (!colon || count == CHANGES_MOST || strlen(colon + 1) / 2 > CHANGE_MOST_BYTES)
            end("FAIL plan");
        changes[count].place = strtoull(word, NULL, 10);
        changes[count].size = strlen(colon + 1) / 2;
        must(hex_decode(colon + 1, strlen(colon + 1), changes[count].bytes, changes[count].size), "change");
        count++;
    }
    return count;
}

static void write_disk(int disk, uint64_t place, const void *data, size_t size)
{
    if (pwrite(disk, data, size, (off_t)place) != (ssize_t)size || fsync(disk) < 0)
        end("FAIL write");
}

static void apply(size_t count)
{
    int disk = -1;

    must(devices_open_disk("data", false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
    for (size_t i = 0; i < count; i++) {
        must(fd_read_at(disk, changes[i].place, changes[i].before, changes[i].size), "read");
        write_disk(disk, changes[i].place, changes[i].bytes, changes[i].size);
    }
    fd_close(&disk);
}

static void undo(size_t count)
{
    int disk = -1;

    must(devices_open_disk("data", false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
    while (count--)
        write_disk(disk, changes[count].place, changes[count].before, changes[count].size);
    fd_close(&disk);
}

/* Block n was made of its number; block 0 of that and the label. */
static void count_blocks(const char *path, uint64_t length, unsigned ret_counts[3])
{
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    uint8_t *block = NULL;

    must(fd < 0 ? -errno : posix_memalign((void **)&block, BLOCK_BYTES, BLOCK_BYTES), "mapping");
    for (uint64_t n = 0; n < length / BLOCK_BYTES; n++) {
        bool right = pread(fd, block, BLOCK_BYTES, (off_t)(n * BLOCK_BYTES)) == (ssize_t)BLOCK_BYTES;
        bool same = true;

        for (size_t i = n ? 0 : 1024; right && i < BLOCK_BYTES; i += 8)
            same = same && get_u64le(block + i) == n + 1;
        ret_counts[!right ? 2 : same ? 0 : 1]++;
    }
    free(block);
    fd_close(&fd);
}

/* To its end, as init/rotation.c does. */
static void rotate(const char *name)
{
    struct rotation *rotation = boot.volumes[0].rotation;
    int r = 0;

    if (!rotation)
        return;
    while (rotation->slot.done < rotation->length && r == 0)
        r = rotation_step(rotation, &boot.why);
    if (r < 0)
        printf("probe: %s-rotation stopped %s\n", name, boot.why.text);
    rotation_free(rotation);
    free(rotation);
    boot.volumes[0].rotation = NULL;
}

static void run_round(const char *name, const char *mode, char *words)
{
    struct config_volume *volume = &boot.config.volumes[0];
    size_t count = take_changes(words);
    unsigned counts[3] = { 0 };

    memset(&boot.volumes[0], 0, sizeof(boot.volumes[0]));
    memset(&boot.why, 0, sizeof(boot.why));
    must(record_parse(&registered, &boot.volumes[0].record, &boot.volumes[0].key, &boot.why), "record");
    volume->mode = strcmp(mode, "header") == 0 ? VOLUME_HEADER : VOLUME_RECORD;
    memcpy(volume->integrity, boot.volumes[0].record.integrity, sizeof(volume->integrity));
    apply(count);
    if (stage_volumes(&boot) < 0) {
        printf("probe: %s refused %s %s\n", name, refusal_code(boot.refusal), boot.why.text);
    } else {
        rotate(name);
        count_blocks(boot.volumes[0].path, boot.volumes[0].record.length, counts);
        printf("probe: %s opened %u %u %u\n", name, counts[0], counts[1], counts[2]);
        must(crypt_close(volume->id), "close");
    }
    (void)fflush(stdout);
    if (strcmp(mode, "rotate") != 0)
        undo(count);
}

static void run_plan(char *plan)
{
    for (char *line = strsep(&plan, "\n"); line && *line; line = strsep(&plan, "\n")) {
        char *word = strsep(&line, " "), *name, *mode;

        if (strcmp(word, "record") == 0) {
            take_record(line);
            continue;
        }
        name = strsep(&line, " ");
        mode = strsep(&line, " ");
        run_round(name, mode, line);
    }
}

int main(void)
{
    static const char *const mounts[][2] = { { "/proc", "proc" }, { "/sys", "sysfs" }, { "/dev", "devtmpfs" } };
    uint8_t *plan = NULL;
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        (void)mkdir(mounts[i][0], 0755);
        if (mount(mounts[i][1], mounts[i][0], mounts[i][1], 0, NULL) < 0 && errno != EBUSY)
            end("FAIL mount");
    }
    must(secret_library_init(), "secrets");
    must(stage_modules(&boot), boot.why.text[0] ? boot.why.text : "modules");
    boot.config.volume_count = 1;
    boot.config.volumes[0] = (struct config_volume){ .id = "data", .device = "data", .filesystem = "ext4" };
    must(file_read("/plan", 64u * 1024 * 1024, &plan, &size, &boot.why), "plan");
    run_plan((char *)plan);
    end("end");
}
