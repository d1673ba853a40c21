/* Reading and writing files; the names come from our caller, the contents may come from anybody. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

int fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

int fd_write_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;

    while (size) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int fd_read_most(int fd, void *ret_data, size_t room, size_t *ret_size)
{
    uint8_t *p = ret_data;
    size_t size = 0;

    while (size < room) {
        ssize_t n = read(fd, p + size, room - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    *ret_size = size;
    return 0;
}

int fd_read_exact(int fd, void *ret_data, size_t size)
{
    size_t got = 0;
    int r = fd_read_most(fd, ret_data, size, &got);

    return r == 0 && got < size ? -ENODATA : r;
}

int fd_read_at(int fd, uint64_t offset, void *ret_data, size_t size)
{
    uint8_t *p = ret_data;

    while (size) {
        ssize_t n = pread(fd, p, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        p += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* Reads to the end, growing as it goes: sizes that stat() gives are wrong for /proc and may change. */
static int read_to_end(int fd, size_t max, uint8_t **ret_data, size_t *ret_size)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0, room = 0;

    do {
        size_t more = room ? room * 2 : 4096, got = 0;
        uint8_t *bigger;
        int r;

        if (more > max + 2)
            more = max + 2;
        bigger = realloc(data, more);
        if (!bigger)
            return -ENOMEM;
        data = bigger;
        room = more;
        r = fd_read_most(fd, data + size, room - size - 1, &got);
        if (r < 0)
            return r;
        size += got;
        if (size > max)
            return -EFBIG;
    } while (size == room - 1);
    data[size] = '\0';
    *ret_data = data;
    data = NULL;
    *ret_size = size;
    return 0;
}

int fd_read_whole(int fd, const char *name, size_t max, uint8_t **ret_data, size_t *ret_size, struct reason *why)
{
    int r = read_to_end(fd, max, ret_data, ret_size);

    if (r == -EFBIG)
        return reason_set(why, r, "%s: larger than %zu bytes, the most that is accepted here", name, max);
    return r < 0 ? reason_set(why, r, "%s: cannot be read: %s", name, strerror(-r)) : 0;
}

int file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_size, struct reason *why)
{
    /* Without O_NONBLOCK the open of a FIFO waits for a writer. */
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    if (S_ISFIFO(status.st_mode))
        return reason_set(why, -ESPIPE, "%s: is a pipe, expected a file", path);
    return fd_read_whole(fd, path, max, ret_data, ret_size, why);
}

/* The directory's entry has to reach the disk as well, or the rename may be lost. */
static void sync_directory_of(const char *path)
{
    CLEANUP_FREE char *copy = strdup(path);
    CLEANUP_FD int fd = -1;
    char *slash;

    if (!copy)
        return;
    slash = strrchr(copy, '/');
    if (slash)
        slash[slash == copy] = '\0';
    fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

int file_write(const char *path, unsigned mode, const void *data, size_t size, struct reason *why)
{
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_FD int fd = -1;
    int r;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return reason_set(why, -errno, "%s: cannot be created: %s", path, strerror(errno));
    r = fd_write_all(fd, data, size);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
        r = -errno;
    if (r < 0) {
        (void)unlink(temporary);
        return reason_set(why, r, "%s: cannot be written: %s", path, strerror(-r));
    }
    sync_directory_of(path);
    return 0;
}

int file_poke(const char *path, const char *value)
{
    CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    return fd_write_all(fd, value, strlen(value));
}

int memory_pages(size_t size, uint8_t **ret_data)
{
    void *data = NULL;

    if (posix_memalign(&data, PAGE_BYTES, size) != 0)
        return -ENOMEM;
    memset(data, 0, size);
    *ret_data = data;
    return 0;
}

void memory_free(void *pointer_to_pointer)
{
    void *pointer;

    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
    pointer = NULL;
    memcpy(pointer_to_pointer, &pointer, sizeof(pointer));
}
