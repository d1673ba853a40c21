/*
 * A test program, not part of the product: a workload that lets the test outside speak to PID 1's attestation socket as
 * several users. It listens on TCP ports 8080, 8081 …, one for each user id that it is given as a word, and passes bytes
 * between a connection and the socket. As soon as it can be reached, so can the socket.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"

#define SOCKET_PATH "/run/postern/attest.sock"
#define FIRST_PORT 8080

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
        exit(2);
    return fd;
}

/* False at the end of what `from` sends. */
static bool pass(int from, int to)
{
    char data[4096];
    ssize_t n = read(from, data, sizeof(data));

    for (ssize_t sent = 0, m; sent < n; sent += m) {
        m = write(to, data + sent, (size_t)(n - sent));
        if (m <= 0)
            return false;
    }
    return n > 0;
}

static void proxy(int outside)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
    int inside = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd fds[] = { { .fd = outside, .events = POLLIN }, { .fd = inside, .events = POLLIN } };

    if (inside < 0 || connect(inside, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        static const char none[] = "HTTP/1.1 599 No Socket\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

        (void)!write(outside, none, strlen(none));
    } else {
        for (bool more = true; more && poll(fds, 2, -1) > 0;)
            more = (!fds[0].revents || pass(outside, inside)) && (!fds[1].revents || pass(inside, outside));
    }
    (void)close(inside);
    (void)close(outside);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uid_t uid = (uid_t)strtoul(argv[i], NULL, 10);
        int fd = listen_on((uint16_t)(FIRST_PORT + i - 1));

        if (fork() > 0)
            continue;
        if (setresuid(uid, uid, uid) < 0)
            return 3;
        for (;;) {
            int connection = accept(fd, NULL, NULL);

            if (connection >= 0)
                proxy(connection);
        }
    }
    for (;;)
        (void)pause();
}
