/*
 * A test program, not part of the product: stands in the place of the production init in a test guest and runs the
 * production's stage volumes over and over, each time with another change on the raw disk. /plan says which:
 *
 *     record HEX             the volume's record, as a broker releases it
 *     read COUNT TIMES       how many of its blocks are read from here on, and how often (at first: all, once)
 *     round NAME MODE [PLACE:HEX …]   MODE record, header or rotate; the bytes go to these places and come back
 *                                     afterwards, except in mode rotate, where a rotation is taken to its end
 *     shrinks NAME MODE      a round that says "probe: NAME ready -" when the volume is open, and goes on when the disk has
 *                            another size
 *     run NAME PROGRAM [WORD …]       "probe: NAME exit STATUS OUTPUT"
 *     table NAME MAPPING     "probe: NAME table SECTORS TARGET PARAMETERS", as the kernel says
 *     blocks NAME PATH       "probe: NAME opened READ WRONG FAILED" for a volume that another program opened
 *     write PLACE HEX        bytes that stay on the raw disk
 *
 * For each round one line: "probe: NAME refused CODE DETAIL", or "probe: NAME opened READ WRONG FAILED" with the numbers
 * of blocks that read as they were made, with other contents, and not at all, and before it the tables, as NAME.data and
 * NAME.tags. tests/lib/probe.py reads them.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"
#include "init/devices.h"
#include "init/init.h"
#include "luks/crypt.h"
#include "luks/dm.h"

#define BLOCK_BYTES 4096u
#define CHANGE_MOST_BYTES 65536u
#define CHANGES_MOST 8
#define WAIT_MS 20000u
#define SHRINK_MS 300000u
#define WORDS_MOST 32
#define OUTPUT_MOST_BYTES 2048u

struct change {
    uint64_t place;
    size_t size;
    uint8_t bytes[CHANGE_MOST_BYTES], before[CHANGE_MOST_BYTES];
};

static struct boot boot = { .deadline_ms = UINT64_MAX / 2 };
static struct change changes[CHANGES_MOST];
static struct secret registered;
static uint64_t read_count = UINT64_MAX;
static unsigned read_times = 1;

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

    secret_free(&registered);
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
    for (uint64_t n = 0; n < length / BLOCK_BYTES && n < read_count; n++) {
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

static void print_table(const char *name, const char *mapping)
{
    struct dm_task *task = dm_task_create(DM_DEVICE_TABLE);
    uint64_t start = 0, length = 0;
    char *target = NULL, *parameters = NULL;

    if (task && dm_task_set_name(task, mapping) == 1 && dm_task_run(task) == 1)
        (void)dm_get_next_target(task, NULL, &start, &length, &target, &parameters);
    if (target)
        printf("probe: %s table %llu %s %s\n", name, (unsigned long long)length, target, parameters);
    if (task)
        dm_task_destroy(task);
}

/* Until the disk has another size than it had. */
static void wait_for_size(const char *name, uint64_t had)
{
    uint64_t deadline_ms = clock_ms() + SHRINK_MS, bytes = had;
    char device[32];

    printf("probe: %s ready -\n", name);
    (void)fflush(stdout);
    while (bytes == had && clock_left_ms(deadline_ms)) {
        int disk = -1;

        clock_sleep_ms(50);
        must(devices_open_disk("data", false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
        must(dm_describe_device(disk, device, &bytes), "size");
        fd_close(&disk);
    }
}

static uint64_t disk_size(void)
{
    uint64_t bytes = 0;
    char device[32];
    int disk = -1;

    must(devices_open_disk("data", false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
    must(dm_describe_device(disk, device, &bytes), "size");
    fd_close(&disk);
    return bytes;
}

static void write_and_forget(const char *place, const char *hex)
{
    size_t size = strlen(hex) / 2;
    int disk = -1;

    if (size > CHANGE_MOST_BYTES)
        end("FAIL plan");
    must(hex_decode(hex, strlen(hex), changes[0].bytes, size), "bytes");
    must(devices_open_disk("data", false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
    write_disk(disk, strtoull(place, NULL, 10), changes[0].bytes, size);
    must(ioctl(disk, BLKFLSBUF, 0) < 0 ? -errno : 0, "flush");
    fd_close(&disk);
}

static void count_mapping(const char *name, const char *path)
{
    unsigned counts[3] = { 0 };
    uint64_t bytes = 0;
    char device[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || dm_describe_device(fd, device, &bytes) < 0)
        return;
    fd_close(&fd);
    count_blocks(path, bytes, counts);
    printf("probe: %s opened %u %u %u\n", name, counts[0], counts[1], counts[2]);
}

static void report_opened(const char *name, const struct open_volume *volume)
{
    unsigned counts[3] = { 0 };
    char label[64];

    (void)snprintf(label, sizeof(label), "%s.data", name);
    print_table(label, "data");
    (void)snprintf(label, sizeof(label), "%s.tags", name);
    print_table(label, "data.tags");
    for (unsigned i = 0; i < read_times; i++)
        count_blocks(volume->path, volume->record.length, counts);
    printf("probe: %s opened %u %u %u\n", name, counts[0], counts[1], counts[2]);
}

static void run_round(const char *name, const char *mode, bool shrinks, char *words)
{
    struct config_volume *volume = &boot.config.volumes[0];
    size_t count = take_changes(words);
    uint64_t size = shrinks ? disk_size() : 0;

    memset(&boot.volumes[0], 0, sizeof(boot.volumes[0]));
    memset(&boot.why, 0, sizeof(boot.why));
    must(record_parse(&registered, &boot.volumes[0].record, &boot.volumes[0].key, &boot.why), "record");
    volume->mode = strcmp(mode, "header") == 0 ? VOLUME_HEADER : VOLUME_RECORD;
    memcpy(volume->integrity, boot.volumes[0].record.integrity, sizeof(volume->integrity));
    apply(count);
    must(devices_open_disk(volume->device, config_volume_is_read_only(volume), clock_ms() + WAIT_MS, &boot.volumes[0].disk,
                           &boot.why), "disk");
    if (stage_volumes(&boot) < 0) {
        printf("probe: %s refused %s %s\n", name, refusal_code(boot.refusal), boot.why.text);
    } else {
        rotate(name);
        if (shrinks)
            wait_for_size(name, size);
        report_opened(name, &boot.volumes[0]);
        must(crypt_close(volume->id), "close");
    }
    (void)fflush(stdout);
    if (strcmp(mode, "rotate") != 0)
        undo(count);
}

/* All that it says, in one line. */
static void run_program(const char *name, char *line)
{
    char *words[WORDS_MOST + 1] = { NULL }, output[OUTPUT_MOST_BYTES] = "", rest[256];
    int pipe_fds[2], status = 0;
    size_t count = 0, size = 0;
    ssize_t n;
    pid_t pid;

    for (char *word = strsep(&line, " "); word && count < WORDS_MOST; word = strsep(&line, " "))
        words[count++] = word;
    must(pipe2(pipe_fds, O_CLOEXEC) < 0 ? -errno : 0, "pipe");
    pid = fork();
    if (pid == 0) {
        (void)dup2(pipe_fds[1], STDOUT_FILENO);
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        (void)execv(words[0], words);
        _exit(127);
    }
    (void)close(pipe_fds[1]);
    while ((n = read(pipe_fds[0], size < sizeof(output) - 1 ? output + size : rest,
                     size < sizeof(output) - 1 ? sizeof(output) - 1 - size : sizeof(rest))) > 0)
        size += size < sizeof(output) - 1 ? (size_t)n : 0;
    (void)close(pipe_fds[0]);
    must(pid < 0 || waitpid(pid, &status, 0) != pid ? -ECHILD : 0, words[0]);
    for (char *c = output; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = '|';
    printf("probe: %s exit %d %s\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : 128, output);
    (void)fflush(stdout);
}

static void run_line(char *line)
{
    char *word = strsep(&line, " "), *name = strsep(&line, " ");

    if (strcmp(word, "record") == 0) {
        take_record(name);
    } else if (strcmp(word, "read") == 0) {
        read_count = strtoull(name, NULL, 10);
        read_times = (unsigned)strtoul(line, NULL, 10);
    } else if (strcmp(word, "run") == 0) {
        run_program(name, line);
    } else if (strcmp(word, "table") == 0) {
        print_table(name, line);
    } else if (strcmp(word, "blocks") == 0) {
        count_mapping(name, line);
    } else if (strcmp(word, "write") == 0) {
        write_and_forget(name, line);
    } else {
        char *mode = strsep(&line, " ");

        run_round(name, mode, strcmp(word, "shrinks") == 0, line);
    }
}

static void run_plan(char *plan)
{
    for (char *line = strsep(&plan, "\n"); line && *line; line = strsep(&plan, "\n"))
        run_line(line);
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
