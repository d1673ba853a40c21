/* Starting postern-psp for a launch. Its words are the user's; its own sentence about them is on standard error. */
#include "cli/launch-psp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "cli/child.h"

static int listen_at(const char *path, int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return reason_set(why, -errno, "%s: cannot be listened at: %s", path, strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

/* postern-psp beside this program, unless the user named another. */
static void find_program(const struct launch_psp *psp, char ret_path[4096])
{
    ssize_t n = readlink("/proc/self/exe", ret_path, 4096 - sizeof("-psp"));

    if (psp->program || n <= 0)
        (void)snprintf(ret_path, 4096, "%s", psp->program ? psp->program : "postern-psp");
    else
        (void)snprintf(ret_path + n, 4096 - (size_t)n, "-psp");
}

/* The processor has looked at its keys and waits for a guest; its own sentence is on standard error otherwise. */
static int wait_until_ready(int ready, struct reason *why)
{
    char said[16];
    ssize_t n;

    do
        n = read(ready, said, sizeof(said));
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : reason_set(why, -ECHILD, "postern-psp could not start");
}

/* The processor listens before QEMU connects: the socket is ours and is handed to it. */
int launch_psp_start(const struct launch_psp *psp, pid_t *ret_pid, struct reason *why)
{
    char program[4096], digest[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], listen_text[16], ready_text[16];
    const char *words[16] = { program,         "serve",      "--dir",     psp->directory, "--measurement", digest,
                              "--listen-fd", listen_text, "--ready-fd", ready_text };
    size_t count = 10;
    CLEANUP_FD int listener = -1;
    CLEANUP_FD int ready_read = -1;
    CLEANUP_FD int ready_write = -1;
    struct child_start start = { .words = words, .output = -1 };
    int ready[2], r = listen_at(psp->socket_path, &listener, why);

    if (r < 0)
        return r;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -errno;
    ready_read = ready[0];
    ready_write = ready[1];
    find_program(psp, program);
    hex_encode(psp->digest, LAUNCH_DIGEST_BYTES, digest);
    (void)snprintf(listen_text, sizeof(listen_text), "%d", listener);
    (void)snprintf(ready_text, sizeof(ready_text), "%d", ready_write);
    start.keep[0] = listener;
    start.keep[1] = ready_write;
    if (psp->policy) {
        words[count++] = "--policy";
        words[count++] = psp->policy;
    }
    if (psp->host_data) {
        words[count++] = "--host-data";
        words[count++] = psp->host_data;
    }
    r = child_run(&start, ret_pid, why);
    fd_close(&ready_write);
    return r < 0 ? r : wait_until_ready(ready_read, why);
}
