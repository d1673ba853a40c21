/*
 * Runs in a guest in the place of init, for tests/bench/bench-volume.py: how long it takes from a key in hand to a mounted
 * volume, by the production's stage volumes and by bare calls of libcryptsetup in turns, and how fast the volumes are beside
 * a raw disk. The disks "none" and "tags" hold volumes of that integrity, "raw" nothing; /record.none and /record.tags are
 * their records. Prints "bench: NAME VALUE".
 */
#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/devices.h"
#include "init/init.h"
#include "luks/crypt.h"

#define ROUNDS 15
#define CHUNK_BYTES (1024u * 1024)
#define TRANSFER_BYTES (32u * CHUNK_BYTES)
#define TRANSFER_PLACE (16u * CHUNK_BYTES) /* behind what the file system holds */
#define WAIT_MS 20000u
#define MOUNT "/mounted"

static struct boot boot = { .deadline_ms = UINT64_MAX / 2 };

/* There is no broker here, and its round trip is not what is measured. */
int release_confirm_open(struct boot *b, size_t index, const struct message_confirmation *confirmation)
{
    (void)b;
    (void)index;
    (void)confirmation;
    return 0;
}

static void end(const char *why)
{
    printf("bench: %s -\n", why);
    (void)fflush(stdout);
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

static void take_record(const char *kind, struct open_volume *volume)
{
    CLEANUP_SECRET struct secret registered = SECRET_NONE;
    CLEANUP_FREE uint8_t *bytes = NULL;
    char path[32];
    size_t size = 0;

    (void)snprintf(path, sizeof(path), "/record.%s", kind);
    must(file_read(path, SECRET_MAX_BYTES, &bytes, &size, &boot.why), path);
    must(secret_copy(bytes, size, &registered), path);
    must(record_parse(&registered, &volume->record, &volume->key, &boot.why), path);
}

static void mount_volume(const char *path)
{
    must(mount(path, MOUNT, "ext4", MS_NODEV | MS_NOSUID | MS_NOEXEC, "errors=panic") < 0 ? -errno : 0, "mount");
}

static void unmount_volume(void)
{
    must(umount(MOUNT) < 0 ? -errno : 0, "unmount");
}

static uint64_t time_ours(const char *kind)
{
    struct config_volume *wanted = &boot.config.volumes[0];
    uint64_t begin_us, took_us;

    memset(&boot.volumes[0], 0, sizeof(boot.volumes[0]));
    memset(&boot.why, 0, sizeof(boot.why));
    *wanted = (struct config_volume){ .id = "data", .filesystem = "ext4", .mode = VOLUME_RECORD };
    memcpy(wanted->device, kind, strlen(kind) + 1);
    take_record(kind, &boot.volumes[0]);
    memcpy(wanted->integrity, boot.volumes[0].record.integrity, sizeof(wanted->integrity));
    begin_us = clock_boot_us();
    must(devices_open_disk(wanted->device, false, clock_ms() + WAIT_MS, &boot.volumes[0].disk, &boot.why), boot.why.text);
    must(stage_volumes(&boot), boot.why.text);
    mount_volume(boot.volumes[0].path);
    took_us = clock_boot_us() - begin_us;
    unmount_volume();
    must(crypt_close("data"), "close");
    return took_us;
}

static uint64_t time_bare(const char *kind, const char *device)
{
    struct open_volume volume = { .key = SECRET_NONE };
    struct crypt_device *crypt = NULL;
    uint64_t begin_us, took_us;

    take_record(kind, &volume);
    begin_us = clock_boot_us();
    must(crypt_init(&crypt, device), "crypt_init");
    must(crypt_load(crypt, CRYPT_LUKS2, NULL), "crypt_load");
    must(crypt_activate_by_volume_key(crypt, "bare", (const char *)volume.key.bytes, volume.key.size, 0), "activate");
    mount_volume("/dev/mapper/bare");
    took_us = clock_boot_us() - begin_us;
    unmount_volume();
    must(crypt_deactivate(crypt, "bare"), "deactivate");
    crypt_free(crypt);
    secret_free(&volume.key);
    return took_us;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static void bench_opening(const char *kind, const char *device)
{
    uint64_t ours[ROUNDS], bare[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = time_ours(kind);
        bare[i] = time_bare(kind, device);
    }
    qsort(ours, ROUNDS, sizeof(ours[0]), compare);
    qsort(bare, ROUNDS, sizeof(bare[0]), compare);
    printf("bench: open.ours.%s %llu\nbench: open.bare.%s %llu\n", kind, (unsigned long long)ours[ROUNDS / 2], kind,
           (unsigned long long)bare[ROUNDS / 2]);
}

static uint64_t time_transfer(int fd, bool write, uint8_t *chunk)
{
    uint64_t begin_us = clock_boot_us();

    for (uint32_t at = 0; at < TRANSFER_BYTES; at += CHUNK_BYTES) {
        off_t place = (off_t)TRANSFER_PLACE + at;
        ssize_t n = write ? pwrite(fd, chunk, CHUNK_BYTES, place) : pread(fd, chunk, CHUNK_BYTES, place);

        must(n == (ssize_t)CHUNK_BYTES ? 0 : -EIO, "transfer");
    }
    must(write && fsync(fd) < 0 ? -errno : 0, "fsync");
    return clock_boot_us() - begin_us;
}

/* The best of three: what else the machine does only adds. */
static void bench_transfers(const char *name, const char *path)
{
    uint64_t best[2] = { UINT64_MAX, UINT64_MAX };
    void *chunk = NULL;
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

    must(fd < 0 ? -errno : posix_memalign(&chunk, 4096, CHUNK_BYTES) ? -ENOMEM : 0, path);
    memset(chunk, 'x', CHUNK_BYTES);
    for (size_t i = 0; i < 3; i++)
        for (size_t write = 2; write-- > 0;) { /* what was never written cannot be read on volumes with tags */
            uint64_t took_us = time_transfer(fd, write, chunk);

            best[write] = took_us < best[write] ? took_us : best[write];
        }
    printf("bench: read.%s %llu\nbench: write.%s %llu\n", name, (unsigned long long)best[0], name,
           (unsigned long long)best[1]);
    free(chunk);
    fd_close(&fd);
}

static void bench_volume(const char *kind, const char *device)
{
    struct open_volume volume = { .key = SECRET_NONE };
    CLEANUP_FD int disk = -1;
    char path[32];

    bench_opening(kind, device);
    take_record(kind, &volume);
    must(devices_open_disk(kind, false, clock_ms() + WAIT_MS, &disk, &boot.why), "disk");
    const struct crypt_volume mapping = { .name = "data", .cipher = volume.record.cipher,
                                          .integrity = volume.record.integrity,
                                          .sector_size = volume.record.sector_size, .offset = volume.record.offset,
                                          .length = volume.record.length };
    must(crypt_open(&mapping, disk, &volume.key, path, &boot.why), boot.why.text);
    bench_transfers(kind, path);
    must(crypt_close("data"), "close");
    secret_free(&volume.key);
}

int main(void)
{
    static const char *const mounts[][2] = { { "/proc", "proc" }, { "/sys", "sysfs" }, { "/dev", "devtmpfs" } };

    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        (void)mkdir(mounts[i][0], 0755);
        must(mount(mounts[i][1], mounts[i][0], mounts[i][1], 0, NULL) < 0 && errno != EBUSY ? -errno : 0, "mounts");
    }
    must(mkdir(MOUNT, 0700) < 0 ? -errno : 0, MOUNT);
    must(secret_library_init(), "secrets");
    must(stage_modules(&boot), boot.why.text[0] ? boot.why.text : "modules");
    must(crypt_metadata_locking(NULL, 0), "locks");
    boot.config.volume_count = 1;
    bench_volume("none", "/dev/vda");
    bench_volume("tags", "/dev/vdb");
    bench_transfers("raw", "/dev/vdc");
    end("end");
}
