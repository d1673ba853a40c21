/* Where guests' serial lines come in; path and descriptor are the caller's. */
#include "psp/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define BACKLOG 4

static int make_address(const char *path, struct sockaddr_un *ret_address, struct reason *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (!path[0] || strlen(path) >= sizeof(address.sun_path))
        return reason_set(why, -ENAMETOOLONG, "%s: a socket's path has 1 to %zu bytes, this one %zu", path,
                          sizeof(address.sun_path) - 1, strlen(path));
    memcpy(address.sun_path, path, strlen(path));
    *ret_address = address;
    return 0;
}

/* Takes away a socket whose program has gone without doing so itself. */
static int remove_stale(const struct sockaddr_un *address, struct reason *why)
{
    const char *path = address->sun_path;
    CLEANUP_FD int fd = -1;
    struct stat st;

    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return reason_set(why, -EADDRINUSE, "%s: is there already and is no socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED)
        return reason_set(why, -EADDRINUSE, "%s: another program listens there; stop it or name another socket", path);
    return unlink(path) == 0 ? 0 : reason_set(why, -errno, "%s: cannot be replaced: %s", path, strerror(errno));
}

int listen_on_path(const char *path, int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = -1;
    struct sockaddr_un address;
    mode_t mask;
    int r = make_address(path, &address, why);

    if (r == 0)
        r = remove_stale(&address, why);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return reason_set(why, -errno, "no socket: %s", strerror(errno));
    mask = umask(0177);
    r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
    (void)umask(mask);
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0)
        return reason_set(why, r, "%s: cannot listen there: %s", path, strerror(-r));
    *ret_fd = fd_take(&fd);
    return 0;
}

int listen_check_fd(int fd, struct reason *why)
{
    int listens = 0, type = 0;
    socklen_t listens_size = sizeof(listens), type_size = sizeof(type);
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return reason_set(why, -EBADF, "--listen-fd %d: no such descriptor is open", fd);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 || !listens || type != SOCK_STREAM)
        return reason_set(why, -EINVAL, "--listen-fd %d: expected a listening stream socket", fd);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return reason_set(why, -errno, "--listen-fd %d: %s", fd, strerror(errno));
    return 0;
}
