/* Making volumes. Everything here runs on the builder's own machine with the builder's own files. */
#include "luks/create.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <linux/fs.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "luks/aead.h"
#include "luks/dm.h"
#include "luks/header.h"
#include "luks/integrity.h"
#include "luks/label.h"
#include "luks/luks.h"
#include "luks/xts.h"

#define CHUNK_BYTES (1024u * 1024)
#define CHUNK_BLOCKS (CHUNK_BYTES / CREATE_SECTOR_BYTES)

/* The keys have as much entropy as keys can have: no need to stretch them. */
#define PBKDF_ITERATIONS 1000u
#define DIGEST_SALT_BYTES 32u

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

static bool has_tags(const char *integrity)
{
    return strcmp(integrity, "none") != 0;
}

size_t create_key_bytes(const char *integrity)
{
    return strcmp(integrity, "none") == 0 ? XTS_KEY_BYTES : strcmp(integrity, "hmac(sha256)") == 0 ? AEAD_KEY_BYTES : 0;
}

/* A random UUID (RFC 9562, version 4). */
static int make_uuid(char ret_uuid[HEADER_UUID_BYTES])
{
    uint8_t b[16];

    if (RAND_bytes(b, sizeof(b)) != 1)
        return -EIO;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret_uuid, HEADER_UUID_BYTES,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
                   b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return 0;
}

static int write_header(const struct create_volume *volume, int disk)
{
    struct header header = { .sequence = 1, .cipher = "aes-xts-plain64", .sector_size = CREATE_SECTOR_BYTES,
                             .offset = CREATE_DATA_OFFSET_BYTES, .digest_iterations = PBKDF_ITERATIONS,
                             .digest_salt_size = DIGEST_SALT_BYTES };
    uint8_t bytes[HEADER_BYTES];
    int r = make_uuid(header.uuid);

    memcpy(header.integrity, volume->integrity, strlen(volume->integrity) + 1);
    if (r == 0 && RAND_bytes(header.digest_salt, DIGEST_SALT_BYTES) != 1)
        r = -EIO;
    if (r == 0)
        r = header_digest_key(&header, volume->key, header.digest);
    if (r == 0)
        r = header_make(&header, bytes);
    if (r == 0 && pwrite(disk, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        r = errno ? -errno : -EIO;
    return r;
}

static int add_recovery(const struct create_volume *volume, struct reason *why)
{
    CLEANUP(crypt_device_free) struct crypt_device *device = NULL;
    const struct crypt_pbkdf_type pbkdf = { .type = CRYPT_KDF_PBKDF2,
                                            .hash = "sha256",
                                            .iterations = PBKDF_ITERATIONS,
                                            .flags = CRYPT_PBKDF_NO_BENCHMARK };
    struct reason library = { "" };
    int r = crypt_init(&device, volume->path);

    if (r == 0) {
        crypt_set_log_callback(device, keep_error, &library);
        r = crypt_load(device, CRYPT_LUKS2, NULL);
    }
    if (r == 0)
        r = crypt_set_pbkdf_type(device, &pbkdf);
    if (r == 0)
        r = crypt_keyslot_add_by_volume_key(device, 0, (const char *)volume->key->bytes, volume->key->size,
                                            (const char *)volume->recovery->bytes, volume->recovery->size);
    if (r < 0)
        return reason_set(why, r, "%s: gets no recovery key: %s", volume->path, reason_text(&library, r));
    return 0;
}

/* Contents on their way: from a file, through the cipher, to their places on the disk. */
struct writer {
    const struct create_volume *volume;
    int from, to;
    struct integrity_layout layout; /* with tags */
    struct xts *xts;
    struct aead *aead;
    uint8_t *chunk, *tags;
};

static void writer_close(struct writer *w)
{
    xts_free(&w->xts);
    aead_free(&w->aead);
    free(w->chunk);
    free(w->tags);
    fd_close(&w->from);
    fd_close(&w->to);
}

static int write_at(int fd, const void *data, size_t size, uint64_t place)
{
    return pwrite(fd, data, size, (off_t)(CREATE_DATA_OFFSET_BYTES + place)) == (ssize_t)size ? 0 : -EIO;
}

/* The journal and the superblock of a volume with tags that was never opened. */
static int write_empty_journal(struct writer *w)
{
    CLEANUP_FREE uint8_t *section = malloc(INTEGRITY_SECTION_BYTES);
    uint8_t superblock[INTEGRITY_SUPERBLOCK_BYTES];
    int r = section ? 0 : -ENOMEM;

    for (uint32_t i = 0; r == 0 && i < w->layout.journal_sections; i++) {
        integrity_make_section(i, section);
        r = write_at(w->to, section, INTEGRITY_SECTION_BYTES,
                     INTEGRITY_SUPERBLOCK_BYTES + (uint64_t)i * INTEGRITY_SECTION_BYTES);
    }
    integrity_make_superblock(&w->layout, superblock);
    return r < 0 ? r : write_at(w->to, superblock, sizeof(superblock), 0);
}

static int put_label(const struct create_volume *volume, uint64_t size, uint8_t *block)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct label label = { .length = size };
    int r = label_derive_key(volume->key, &key);

    memcpy(label.volume_id, volume->id, strnlen(volume->id, LABEL_ID_MAX_BYTES));
    return r < 0 ? r : label_make(&label, &key, block);
}

/* A chunk's blocks lie side by side, as do their tags: areas hold whole chunks. */
static int write_chunk(struct writer *w, uint64_t offset, size_t size)
{
    uint64_t block = offset / CREATE_SECTOR_BYTES;
    int r;

    if (!w->aead) {
        r = xts_encrypt(w->xts, offset, w->chunk, size);
        return r < 0 ? r : write_at(w->to, w->chunk, size, offset);
    }
    r = aead_encrypt(w->aead, offset, w->chunk, size, w->tags);
    if (r == 0)
        r = write_at(w->to, w->tags, size / CREATE_SECTOR_BYTES * INTEGRITY_TAG_BYTES,
                     integrity_tag_place(&w->layout, block));
    return r < 0 ? r : write_at(w->to, w->chunk, size, integrity_data_place(&w->layout, block));
}

static int write_contents(struct writer *w, uint64_t size, struct reason *why)
{
    const struct create_volume *volume = w->volume;
    uint64_t done = 0;
    int r = has_tags(volume->integrity) ? write_empty_journal(w) : 0;

    while (r == 0 && done < size) {
        size_t part = size - done < CHUNK_BYTES ? (size_t)(size - done) : CHUNK_BYTES;

        r = fd_read_at(w->from, done, w->chunk, part);
        if (r < 0)
            return reason_set(why, r, "%s: cannot be read: %s", volume->content, strerror(-r));
        if (!done && volume->relabel)
            memset(w->chunk, 0, LABEL_ROOM_BYTES);
        if (!done && !all_zero(w->chunk, LABEL_ROOM_BYTES))
            return reason_set(why, -EINVAL, "%s: its first 1024 bytes are not zero; they are the label's",
                              volume->content);
        if (!done)
            r = put_label(volume, size, w->chunk);
        if (r == 0)
            r = write_chunk(w, done, part);
        done += part;
        if (volume->progress)
            volume->progress(volume->progress_context, done, size);
    }
    if (r == 0 && fsync(w->to) < 0)
        r = -errno;
    return r < 0 ? reason_set(why, r, "%s: cannot be written: %s", volume->path, strerror(-r)) : 0;
}

static int open_content(struct writer *w, uint64_t *ret_size, struct reason *why)
{
    const char *content = w->volume->content;
    struct stat status;

    *ret_size = w->volume->length;
    if (!content)
        return 0;
    w->from = open(content, O_RDONLY | O_CLOEXEC);
    if (w->from < 0 || fstat(w->from, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", content, strerror(errno));
    if (S_ISBLK(status.st_mode))
        return ioctl(w->from, BLKGETSIZE64, ret_size) < 0 ? -errno : 0;
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size % CREATE_SECTOR_BYTES)
        return reason_set(why, -EINVAL, "%s: %lld bytes, expected a file of whole 4096-byte sectors", content,
                          (long long)status.st_size);
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

static int open_disk(struct writer *w, uint64_t size, struct reason *why)
{
    const struct create_volume *volume = w->volume;
    bool tags = has_tags(volume->integrity);
    uint64_t whole = CREATE_DATA_OFFSET_BYTES + size, device_bytes = 0;
    char device[32];
    int r = 0;

    if (tags)
        r = integrity_make_layout(size, size, &w->layout);
    if (r < 0 || size % CREATE_SECTOR_BYTES)
        return reason_set(why, -EINVAL, "%s: a volume cannot have %llu bytes", volume->path, (unsigned long long)size);
    if (tags)
        whole = CREATE_DATA_OFFSET_BYTES + w->layout.end * SECTOR_BYTES;
    w->to = open(volume->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->to < 0)
        return reason_set(why, -errno, "%s: cannot be made: %s", volume->path, strerror(errno));
    r = dm_describe_device(w->to, device, &device_bytes);
    if (r == 0 && device_bytes < whole)
        return reason_set(why, -ENOSPC, "%s: has %llu bytes, the volume wants %llu", volume->path,
                          (unsigned long long)device_bytes, (unsigned long long)whole);
    if (r == 0)
        return 0;
    /* All of it, so that a full file system shows here and not in the middle. */
    r = volume->content ? posix_fallocate(w->to, 0, (off_t)whole) : ftruncate(w->to, (off_t)whole) < 0 ? errno : 0;
    return r > 0 ? reason_set(why, -r, "%s: cannot be made: %s", volume->path, strerror(r)) : 0;
}

static int open_cipher(struct writer *w)
{
    w->chunk = malloc(CHUNK_BYTES);
    w->tags = malloc((size_t)CHUNK_BLOCKS * INTEGRITY_TAG_BYTES);
    if (!w->chunk || !w->tags)
        return -ENOMEM;
    return has_tags(w->volume->integrity) ? aead_new(w->volume->key, &w->aead) : xts_new(w->volume->key, &w->xts);
}

/* Of the header as it stands there at last: libcryptsetup has written it anew for a recovery key. */
static int make_mac(const struct create_volume *volume, int disk, uint8_t ret_mac[HEADER_MAC_BYTES],
                    struct reason *why)
{
    uint8_t bytes[HEADER_BYTES];
    struct header header;
    int r = header_read(disk, 0, bytes);

    if (r == 0)
        r = header_parse(bytes, sizeof(bytes), NULL, &header, NULL, why);
    return r < 0 ? r : header_make_mac(bytes, &header, volume->id, volume->key, ret_mac);
}

int create_volume(const struct create_volume *volume, uint64_t *ret_length, uint8_t ret_header_mac[HEADER_MAC_BYTES],
                  struct reason *why)
{
    CLEANUP(writer_close) struct writer w = { .volume = volume, .from = -1, .to = -1 };
    uint8_t mac[HEADER_MAC_BYTES];
    uint64_t size = 0;
    int r = open_content(&w, &size, why);

    if (r == 0)
        r = open_disk(&w, size, why);
    if (r < 0)
        return r;
    r = open_cipher(&w);
    if (r == 0)
        r = write_header(volume, w.to);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be formatted: %s", volume->path, strerror(-r));
    if (volume->recovery)
        r = add_recovery(volume, why);
    if (r == 0 && volume->content)
        r = write_contents(&w, size, why);
    else if (r == 0 && fsync(w.to) < 0)
        r = -errno;
    if (r == 0)
        r = make_mac(volume, w.to, mac, why);
    if (r < 0)
        return r;
    *ret_length = size;
    memcpy(ret_header_mac, mac, sizeof(mac));
    return 0;
}
