/* Making volumes. Everything here runs on the builder's own machine with the builder's own files. */
#include "luks/create.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "luks/luks.h"
#include "luks/xts.h"

#define CHUNK_BYTES (1024u * 1024)

/* The recovery key has as much entropy as a key can have: no need to stretch it. */
#define PBKDF_ITERATIONS 1000u

static void crypt_device_free(struct crypt_device **device)
{
    crypt_free(*device);
}

/* libcryptsetup's own words about a failure, kept for the reason. */
static void keep_error(int level, const char *message, void *context)
{
    struct reason *why = context;

    if (level == CRYPT_LOG_ERROR && why && !why->text[0])
        (void)reason_set(why, 0, "%.*s", (int)strcspn(message, "\n"), message);
}

static int format(const struct create_volume *volume, struct reason *why)
{
    CLEANUP(crypt_device_free) struct crypt_device *device = NULL;
    const struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                            .hash = "sha256",
                                            .iterations = PBKDF_ITERATIONS,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct crypt_params_luks2 parameters = { .pbkdf = &pbkdf, .sector_size = CREATE_SECTOR_BYTES };
    struct reason library = { "" };
    int r = crypt_init(&device, volume->path);

    if (r == 0) {
        crypt_set_log_callback(device, keep_error, &library);
        r = crypt_set_data_offset(device, CREATE_DATA_OFFSET_BYTES / SECTOR_BYTES);
    }
    if (r == 0)
        r = crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", NULL, (const char *)volume->key->bytes,
                         volume->key->size, &parameters);
    if (r == 0 && volume->recovery)
        r = crypt_keyslot_add_by_volume_key(device, 0, (const char *)volume->key->bytes, volume->key->size,
                                            (const char *)volume->recovery->bytes, volume->recovery->size);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be formatted: %s", volume->path, reason_text(&library, r));
    return 0;
}

static int encrypt_contents(const struct create_volume *volume, int from, int to, uint64_t size, struct reason *why)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    CLEANUP(xts_free) struct xts *xts = NULL;
    uint64_t done = 0;
    int r = chunk ? xts_new(volume->key, &xts) : -ENOMEM;

    while (r == 0 && done < size) {
        size_t part = size - done < CHUNK_BYTES ? (size_t)(size - done) : CHUNK_BYTES;

        r = fd_read_at(from, done, chunk, part);
        if (r < 0)
            return reason_set(why, r, "%s: cannot be read: %s", volume->content, strerror(-r));
        r = xts_encrypt(xts, done, chunk, part);
        if (r == 0)
            r = fd_write_all(to, chunk, part);
        done += part;
        if (volume->progress)
            volume->progress(volume->progress_context, done, size);
    }
    if (r == 0 && fsync(to) < 0)
        r = -errno;
    return r < 0 ? reason_set(why, r, "%s: cannot be written: %s", volume->path, strerror(-r)) : 0;
}

int create_volume(const struct create_volume *volume, uint64_t *ret_length, struct reason *why)
{
    CLEANUP_FD int from = open(volume->content, O_RDONLY | O_CLOEXEC);
    CLEANUP_FD int to = -1;
    struct stat status;
    int r;

    if (from < 0 || fstat(from, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", volume->content, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size % CREATE_SECTOR_BYTES)
        return reason_set(why, -EINVAL, "%s: %lld bytes, expected a file of whole 4096-byte sectors", volume->content,
                          (long long)status.st_size);
    to = open(volume->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return reason_set(why, -errno, "%s: cannot be made: %s", volume->path, strerror(errno));
    /* All of it, so that a full file system shows here and not somewhere inside the library. */
    r = posix_fallocate(to, 0, CREATE_DATA_OFFSET_BYTES + status.st_size);
    if (r > 0)
        return reason_set(why, -r, "%s: cannot be made: %s", volume->path, strerror(r));
    r = format(volume, why);
    if (r < 0)
        return r;
    if (lseek(to, CREATE_DATA_OFFSET_BYTES, SEEK_SET) < 0)
        return -errno;
    r = encrypt_contents(volume, from, to, (uint64_t)status.st_size, why);
    if (r < 0)
        return r;
    *ret_length = (uint64_t)status.st_size;
    return 0;
}
