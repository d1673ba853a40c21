/* Reads the kernel's copies of the host's tables. Their contents are hashed and otherwise not looked at. */
#include "init/acpi.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"

#define MOST_TABLES 256
#define TABLE_MAX_BYTES (1024u * 1024)
#define ALL_MAX_BYTES (8u * 1024 * 1024)

static int is_table(const struct dirent *entry)
{
    return entry->d_type == DT_REG;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int add_table(const char *directory, const char *name, struct buffer *to)
{
    CLEANUP_FREE uint8_t *data = NULL;
    char path[512];
    size_t size = 0;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    r = file_read(path, TABLE_MAX_BYTES, &data, &size, NULL);
    if (r < 0)
        return r;
    buffer_add(to, name, strlen(name) + 1);
    buffer_add_u64le(to, size);
    buffer_add(to, data, size);
    return to->size > ALL_MAX_BYTES ? -EFBIG : buffer_error(to);
}

int acpi_digest(const char *directory, uint8_t ret_digest[ACPI_DIGEST_BYTES], unsigned *ret_count)
{
    CLEANUP_BUFFER struct buffer tables = BUFFER_EMPTY;
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_table, by_name), r = count < 0 ? -errno : 0;

    if (r == 0 && (!count || count > MOST_TABLES))
        r = count ? -E2BIG : -ENOENT;
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = add_table(directory, names[i]->d_name, &tables);
        free(names[i]);
    }
    free(names);
    if (r == 0 && EVP_Digest(tables.data, tables.size, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        r = -EIO;
    if (r == 0)
        *ret_count = (unsigned)count;
    return r;
}
