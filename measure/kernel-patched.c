/* Kernels as older QEMUs change them. The kernel's publisher controls its header. */
#include "measure/kernel-patched.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"

/* Fields of the setup header, by offset in the file. */
enum {
    SETUP_MAGIC = 0x202,
    SETUP_VERSION = 0x206,
    SETUP_LOADER = 0x210,
    SETUP_LOADFLAGS = 0x211,
    SETUP_RAMDISK_IMAGE = 0x218,
    SETUP_RAMDISK_SIZE = 0x21c,
    SETUP_HEAP_END = 0x224,
    SETUP_CMDLINE = 0x228,
    SETUP_INITRD_MAX = 0x22c,
    SETUP_XLOADFLAGS = 0x236,
};

#define HDRS 0x53726448u
#define LOADER_QEMU 0xb0
#define LOADED_HIGH 0x01
#define CAN_USE_HEAP 0x80
#define ABOVE_4G 0x02
#define REAL_ADDRESS 0x10000u
#define CMDLINE_ADDRESS 0x20000u
#define ACPI_DATA_BYTES 0x30000u /* measured: QEMU 7.2 and 10.0, q35 */
#define CHUNK_BYTES (128u * 1024)

/* Right below what the kernel can reach and what the machine keeps for ACPI tables. */
static bool place_initrd(uint8_t *header, const struct kernel_placing *placing)
{
    uint64_t most = get_u32le(header + SETUP_INITRD_MAX), limit = placing->memory_below_4g - ACPI_DATA_BYTES;

    if (get_u16le(header + SETUP_VERSION) >= 0x20c && get_u16le(header + SETUP_XLOADFLAGS) & ABOVE_4G)
        most = UINT32_MAX;
    if (most >= limit)
        most = limit - 1;
    if (placing->initrd_size >= most)
        return false;
    put_u32le(header + SETUP_RAMDISK_IMAGE, (uint32_t)((most - placing->initrd_size) & ~UINT64_C(0xfff)));
    put_u32le(header + SETUP_RAMDISK_SIZE, (uint32_t)placing->initrd_size);
    return true;
}

bool kernel_patch_header(uint8_t header[SETUP_HEADER_BYTES], const struct kernel_placing *placing)
{
    if (get_u32le(header + SETUP_MAGIC) != HDRS || get_u16le(header + SETUP_VERSION) < 0x203 ||
        !(header[SETUP_LOADFLAGS] & LOADED_HIGH) || placing->memory_below_4g <= ACPI_DATA_BYTES)
        return false;
    if (placing->has_initrd && !place_initrd(header, placing))
        return false;
    header[SETUP_LOADER] = LOADER_QEMU;
    header[SETUP_LOADFLAGS] |= CAN_USE_HEAP;
    put_u16le(header + SETUP_HEAP_END, (uint16_t)(CMDLINE_ADDRESS - REAL_ADDRESS - 0x200));
    put_u32le(header + SETUP_CMDLINE, CMDLINE_ADDRESS);
    return true;
}

static int hash_patched(int fd, const struct kernel_placing *placing, EVP_MD_CTX *context)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    int r = chunk && EVP_DigestInit_ex2(context, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
    ssize_t n;

    if (r == 0)
        r = fd_read_exact(fd, chunk, SETUP_HEADER_BYTES);
    if (r == -ENODATA || (r == 0 && !kernel_patch_header(chunk, placing)))
        return -ENOEXEC;
    if (r < 0)
        return r;
    for (n = SETUP_HEADER_BYTES; n > 0; n = read(fd, chunk, CHUNK_BYTES))
        if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1)
            return -ENOMEM;
    return n < 0 ? -errno : 0;
}

int kernel_patched_hash(const char *path, const struct kernel_placing *placing, uint8_t ret_hash[SHA256_BYTES],
                        struct reason *why)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int r = fd < 0 ? -errno : context ? 0 : -ENOMEM;

    if (r == 0)
        r = hash_patched(fd, placing, context);
    if (r == 0 && EVP_DigestFinal_ex(context, ret_hash, NULL) != 1)
        r = -ENOMEM;
    EVP_MD_CTX_free(context);
    return r < 0 ? reason_set(why, r, "%s: cannot be read: %s", path, strerror(-r)) : 0;
}
