/* Hashes of the files of a direct boot; their publisher controls the contents, the caller the names. */
#include "measure/kernel-hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "measure/guid.h"

#define CHUNK_BYTES (256u * 1024)
#define TABLE_BYTES 168u /* without the padding */
#define ENTRY_BYTES 50u

static const struct guid guid_table =
    GUID(0x9438d606, 0x4f22, 0x4cc9, 0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21);
static const struct guid guid_cmdline =
    GUID(0x97d02dd8, 0xbd20, 0x4c94, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a);
static const struct guid guid_initrd =
    GUID(0x44baf731, 0x3a2f, 0x4bd7, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d);
static const struct guid guid_kernel =
    GUID(0x4de79437, 0xabd2, 0x427f, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b);

static int hash_memory(const void *data, size_t size, uint8_t ret_hash[SHA256_BYTES])
{
    return EVP_Digest(data, size, ret_hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

static int hash_descriptor(int fd, EVP_MD_CTX *context, uint64_t *ret_size)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    uint64_t size = 0;

    if (!chunk || EVP_DigestInit_ex2(context, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1)
            return -ENOMEM;
        size += (uint64_t)n;
    }
    *ret_size = size;
    return 0;
}

int kernel_hashes_file(const char *path, uint8_t ret_hash[SHA256_BYTES], struct reason *why)
{
    /* Without O_NONBLOCK the open of a FIFO waits for a writer. */
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    EVP_MD_CTX *context = NULL;
    struct stat status;
    uint64_t size = 0;
    int r;

    if (fd < 0 || fstat(fd, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return reason_set(why, -EINVAL, "%s: not a regular file", path);
    context = EVP_MD_CTX_new();
    r = context ? hash_descriptor(fd, context, &size) : -ENOMEM;
    if (r == 0 && size != (uint64_t)status.st_size)
        r = -EBUSY;
    if (r == 0 && EVP_DigestFinal_ex(context, ret_hash, NULL) != 1)
        r = -ENOMEM;
    EVP_MD_CTX_free(context);
    if (r == -EBUSY)
        return reason_set(why, r, "%s: changed its size while it was read", path);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be read: %s", path, strerror(-r));
    return 0;
}

int kernel_hashes_compute(const char *kernel, const char *initrd, const char *cmdline,
                          struct kernel_hashes *ret_hashes, struct reason *why)
{
    struct kernel_hashes hashes;
    const char *text = cmdline ? cmdline : "";
    int r = kernel_hashes_file(kernel, hashes.kernel, why);

    if (r == 0)
        r = initrd ? kernel_hashes_file(initrd, hashes.initrd, why) : hash_memory("", 0, hashes.initrd);
    if (r == 0)
        r = hash_memory(text, strlen(text) + 1, hashes.cmdline);
    if (r < 0)
        return r;
    *ret_hashes = hashes;
    return 0;
}

static uint8_t *put_entry(uint8_t *to, const struct guid *guid, const uint8_t hash[SHA256_BYTES])
{
    memcpy(to, guid->bytes, GUID_BYTES);
    put_u16le(to + GUID_BYTES, ENTRY_BYTES);
    memcpy(to + GUID_BYTES + 2, hash, SHA256_BYTES);
    return to + ENTRY_BYTES;
}

void kernel_hashes_encode(const struct kernel_hashes *hashes, uint8_t ret_table[KERNEL_HASHES_BYTES])
{
    uint8_t *at = ret_table;

    memset(ret_table, 0, KERNEL_HASHES_BYTES);
    memcpy(at, guid_table.bytes, GUID_BYTES);
    put_u16le(at + GUID_BYTES, TABLE_BYTES);
    at = put_entry(at + GUID_BYTES + 2, &guid_cmdline, hashes->cmdline);
    at = put_entry(at, &guid_initrd, hashes->initrd);
    (void)put_entry(at, &guid_kernel, hashes->kernel);
}
