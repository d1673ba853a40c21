/* Hashes of the files of a direct boot; their publisher controls the contents, the caller the names. */
#include "measure/kernel-hashes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cursor.h"
#include "measure/guid.h"
#include "measure/reader.h"

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

int kernel_hashes_file(const char *path, uint8_t ret_hash[SHA256_BYTES], struct reason *why)
{
    struct file_job job = { .path = path };
    int r = files_read(&job, 1, why);

    if (r == 0)
        memcpy(ret_hash, job.sha256, SHA256_BYTES);
    return r;
}

int kernel_hashes_cmdline(const char *cmdline, uint8_t ret_hash[SHA256_BYTES])
{
    const char *text = cmdline ? cmdline : "";

    return hash_memory(text, strlen(text) + 1, ret_hash);
}

int kernel_hashes_no_initrd(uint8_t ret_hash[SHA256_BYTES])
{
    return hash_memory("", 0, ret_hash);
}

int kernel_hashes_compute(const char *kernel, const char *initrd, const char *cmdline,
                          struct kernel_hashes *ret_hashes, struct reason *why)
{
    struct file_job jobs[] = { { .path = kernel }, { .path = initrd } };
    struct kernel_hashes hashes;
    int r = files_read(jobs, initrd ? 2 : 1, why);

    if (r == 0 && !initrd)
        r = kernel_hashes_no_initrd(jobs[1].sha256);
    if (r == 0)
        r = kernel_hashes_cmdline(cmdline, hashes.cmdline);
    if (r < 0)
        return r;
    memcpy(hashes.kernel, jobs[0].sha256, SHA256_BYTES);
    memcpy(hashes.initrd, jobs[1].sha256, SHA256_BYTES);
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
