/* Key files; the operator names them, whoever wrote them controls the contents. */
#include "base/secret-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static int check_file(const char *path, const struct stat *found, size_t max, struct reason *why)
{
    if (!S_ISREG(found->st_mode))
        return reason_set(why, -EINVAL, "%s: not a regular file", path);
    if (found->st_mode & 077)
        return reason_set(why, -EACCES,
                          "%s: holds a key, but its mode is %04o: others may read or change it; chmod 600 it", path,
                          (unsigned)found->st_mode & 07777u);
    if (!found->st_size)
        return reason_set(why, -ENODATA, "%s: is empty", path);
    if ((uintmax_t)found->st_size > max)
        return reason_set(why, -EFBIG, "%s: larger than %zu bytes, the most that is accepted here", path, max);
    return 0;
}

int secret_fd_read(int fd, const char *name, size_t max, struct secret *ret_secret, struct reason *why)
{
    CLEANUP_SECRET struct secret secret = SECRET_NONE;
    struct stat found;
    int r;

    if (fstat(fd, &found) < 0)
        return reason_set(why, -errno, "%s: cannot be read: %s", name, strerror(errno));
    r = check_file(name, &found, max, why);
    if (r < 0)
        return r;
    r = secret_alloc((size_t)found.st_size, &secret);
    if (r == 0)
        r = fd_read_exact(fd, secret.bytes, secret.size);
    if (r < 0)
        return reason_set(why, r, "%s: cannot be read: %s", name, strerror(-r));
    *ret_secret = secret_take(&secret);
    return 0;
}

int secret_file_read(const char *path, size_t max, struct secret *ret_secret, struct reason *why)
{
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    return secret_fd_read(fd, path, max, ret_secret, why);
}
