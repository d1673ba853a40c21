/* Taking over LUKS2 disks; all that stands on them is judged from one copy. */
#include "luks/adopt.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/integrity.h"
#include "luks/luks.h"

#define CHUNK_BYTES (1024u * 1024)

static void crypt_device_free(struct crypt_device **device)
{
    crypt_free(*device);
}

static void keep_silent(int level, const char *message, void *context)
{
    (void)level;
    (void)message;
    (void)context;
}

void adopt_free(struct adopt_volume *volume)
{
    secret_free(&volume->key);
}

static int size_of(int disk, uint64_t *ret_bytes)
{
    struct stat status;

    if (fstat(disk, &status) < 0)
        return -errno;
    if (S_ISBLK(status.st_mode))
        return ioctl(disk, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
    *ret_bytes = (uint64_t)status.st_size;
    return S_ISREG(status.st_mode) ? 0 : -ENOTBLK;
}

/* Header and keyslots, 16 MiB in a file of memory; the first HEADER_BYTES for us as well. */
static int copy_header(int disk, uint64_t offset, uint8_t bytes[HEADER_BYTES], int *ret_copy)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    CLEANUP_FD int copy = memfd_create("header", MFD_CLOEXEC);
    int r = copy < 0 ? -errno : chunk ? 0 : -ENOMEM;

    for (uint64_t at = 0; r == 0 && at < HEADER_DATA_OFFSET_BYTES; at += CHUNK_BYTES) {
        r = fd_read_at(disk, offset + at, chunk, CHUNK_BYTES);
        if (r == 0 && !at)
            memcpy(bytes, chunk, HEADER_BYTES);
        if (r == 0)
            r = fd_write_all(copy, chunk, CHUNK_BYTES);
    }
    if (r == 0)
        *ret_copy = fd_take(&copy);
    return r;
}

/* A parser that sees something else than libcryptsetup would be worth nothing. */
static bool library_agrees(struct crypt_device *device, const struct header *header)
{
    struct crypt_params_integrity integrity = { 0 };
    char cipher[2 * HEADER_WORD_BYTES];
    uint32_t flags = 1;

    if (!crypt_get_cipher(device) || !crypt_get_cipher_mode(device))
        return false;
    (void)snprintf(cipher, sizeof(cipher), "%s-%s", crypt_get_cipher(device), crypt_get_cipher_mode(device));
    if (strcmp(header->integrity, "none") != 0 &&
        (crypt_get_integrity_info(device, &integrity) < 0 || !integrity.integrity ||
         strcmp(integrity.integrity, header->integrity) != 0))
        return false;
    return strcmp(cipher, header->cipher) == 0 && crypt_get_uuid(device) &&
           strcmp(crypt_get_uuid(device), header->uuid) == 0 &&
           crypt_get_data_offset(device) * SECTOR_BYTES == header->offset && crypt_get_iv_offset(device) == 0 &&
           (uint32_t)crypt_get_sector_size(device) == header->sector_size &&
           (size_t)crypt_get_volume_key_size(device) == header->key_size &&
           crypt_persistent_flags_get(device, CRYPT_FLAGS_ACTIVATION, &flags) == 0 && !flags &&
           crypt_persistent_flags_get(device, CRYPT_FLAGS_REQUIREMENTS, &flags) == 0 && !flags &&
           crypt_reencrypt_status(device, NULL) == CRYPT_REENCRYPT_NONE;
}

/* The volume key, by libcryptsetup out of the copy. */
static int unlock(int copy, const struct header *header, const struct secret *passphrase, struct secret *ret_key,
                  struct reason *why)
{
    CLEANUP(crypt_device_free) struct crypt_device *device = NULL;
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    char path[32];
    size_t size = header->key_size;
    int r;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
    r = crypt_init(&device, path);
    if (r == 0) {
        crypt_set_log_callback(device, keep_silent, NULL);
        r = crypt_load(device, CRYPT_LUKS2, NULL);
    }
    if (r < 0)
        return reason_set(why, -EBADMSG, "libcryptsetup does not load the header: %s", strerror(-r));
    if (!library_agrees(device, header))
        return reason_set(why, -EBADMSG, "libcryptsetup reads the header otherwise than this program");
    r = secret_alloc(size, &key);
    if (r == 0)
        r = crypt_volume_key_get(device, CRYPT_ANY_SLOT, (char *)key.bytes, &size, (const char *)passphrase->bytes,
                                 passphrase->size);
    if (r == -EPERM || r == -ENOENT)
        return reason_set(why, -EKEYREJECTED, "the key file does not open the disk's keyslot");
    if (r < 0)
        return reason_set(why, r, "its keyslot cannot be opened: %s", strerror(-r));
    if (size != header->key_size || header_check_key(header, &key) < 0)
        return reason_set(why, -EBADMSG, "the keyslot holds another key than the header's digest is of");
    *ret_key = secret_take(&key);
    return 0;
}

/* With tags the superblock says how much of the disk is data, and how large the journal is that others chose. */
static int measure_tags(int disk, uint64_t start, uint64_t bytes, struct adopt_volume *volume, struct reason *why)
{
    uint8_t superblock[INTEGRITY_SUPERBLOCK_BYTES];
    struct integrity_layout layout;
    int r = fd_read_at(disk, start, superblock, sizeof(superblock));

    if (r < 0)
        return reason_set(why, r, "its integrity superblock cannot be read: %s", strerror(-r));
    volume->length = get_u64le(superblock + 16);
    if (__builtin_mul_overflow(volume->length, SECTOR_BYTES, &volume->length))
        volume->length = 0;
    volume->layout_length = (uint64_t)get_u32le(superblock + 12) * INTEGRITY_JOURNAL_SHARE_BYTES;
    r = integrity_make_layout(volume->length, volume->layout_length, &layout);
    if (r == 0)
        r = integrity_check_superblock(superblock, &layout, why);
    else
        r = reason_set(why, -EBADMSG, "its integrity superblock says %llu bytes",
                       (unsigned long long)volume->length);
    if (r == 0 && layout.end * SECTOR_BYTES > bytes - start)
        r = reason_set(why, -ENODATA, "it is shorter than its integrity superblock says");
    return r;
}

static int measure(int disk, uint64_t offset, struct adopt_volume *volume, struct reason *why)
{
    uint64_t bytes = 0, start = offset + volume->header.offset;
    int r = size_of(disk, &bytes);

    if (r < 0)
        return reason_set(why, r, "its size cannot be told: %s", strerror(-r));
    if (bytes <= start)
        return reason_set(why, -ENODATA, "it ends before its data would start");
    if (strcmp(volume->header.integrity, "none") != 0)
        return measure_tags(disk, start, bytes, volume, why);
    volume->length = volume->header.length ? volume->header.length : bytes - start;
    volume->length -= volume->length % volume->header.sector_size;
    volume->layout_length = volume->length;
    if (!volume->length || volume->length > bytes - start)
        return reason_set(why, -ENODATA, "it is shorter than its header says");
    return 0;
}

int adopt_volume(int disk, uint64_t offset, const char *id, const struct secret *passphrase,
                 struct adopt_volume *ret_volume, struct reason *why)
{
    CLEANUP(adopt_free) struct adopt_volume volume = { .key = SECRET_NONE };
    uint8_t bytes[HEADER_BYTES];
    CLEANUP_FD int copy = -1;
    int r = copy_header(disk, offset, bytes, &copy);

    if (r < 0)
        return reason_set(why, r, "its header cannot be read: %s", r == -ENODATA ? "too short" : strerror(-r));
    r = header_parse(bytes, sizeof(bytes), NULL, &volume.header, NULL, why);
    if (r == 0)
        r = unlock(copy, &volume.header, passphrase, &volume.key, why);
    if (r == 0)
        r = measure(disk, offset, &volume, why);
    if (r == 0)
        r = header_make_mac(bytes, &volume.header, id, &volume.key, volume.header_mac);
    if (r < 0)
        return r;
    *ret_volume = volume;
    volume.key = SECRET_NONE;
    return 0;
}
