/* The front's beginning and its control channel; the keeper is trusted here. */
#include "broker/front.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "broker/sandbox.h"

int front_tell(int control, enum front_word word, int key, int certificate)
{
    union {
        char space[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } room;
    char text = (char)word;
    struct iovec part = { &text, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    const int files[2] = { key, certificate };
    struct cmsghdr *head;

    if (key >= 0) {
        memset(&room, 0, sizeof(room));
        message.msg_control = room.space;
        message.msg_controllen = sizeof(room.space);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(files));
        memcpy(CMSG_DATA(head), files, sizeof(files));
    }
    return sendmsg(control, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int front_hear(int control, enum front_word *ret_word, int *ret_key, int *ret_certificate)
{
    union {
        char space[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } room;
    char text = 0;
    struct iovec part = { &text, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    int files[2] = { -1, -1 };
    struct cmsghdr *head;
    ssize_t size;

    if (ret_key) {
        message.msg_control = room.space;
        message.msg_controllen = sizeof(room.space);
    }
    size = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    if (size <= 0)
        return size < 0 ? -errno : -ENODATA;
    head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(files)))
        memcpy(files, CMSG_DATA(head), sizeof(files));
    *ret_word = (enum front_word)text;
    if (ret_key) {
        *ret_key = files[0];
        *ret_certificate = files[1];
    }
    return 0;
}

static void on_control(evutil_socket_t fd, short events, void *argument)
{
    struct server *server = argument;
    CLEANUP_FD int key = -1, certificate = -1;
    enum front_word word;
    bool first = !server->tls;

    (void)events;
    if (front_hear(fd, &word, &key, &certificate) < 0) {
        (void)event_base_loopbreak(server->base); /* the keeper is gone */
        return;
    }
    if (word == FRONT_DRAIN)
        server_drain(server);
    if (word != FRONT_TLS || server_set_tls(server, key, certificate) < 0 || !first)
        return;
    server_listen(server);
    if (front_tell(fd, FRONT_READY, -1, -1) < 0)
        (void)event_base_loopbreak(server->base);
}

/* What libraries do at their first use, and could not do in the sandbox: time zones. */
static void warm_up(void)
{
    const time_t now = time(NULL);
    struct tm parts;

    tzset();
    (void)gmtime_r(&now, &parts);
}

int front_run(const struct front_settings *settings)
{
    static const int ignored[] = { SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGHUP };
    struct event *control = NULL;
    struct server server;
    int status = 1;

    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Locks of memory are not inherited: the secure heap, which is empty, is made again. */
    (void)CRYPTO_secure_malloc_done();
    if (secret_library_init() < 0)
        return status;
    warm_up();
    if (server_open(&server, settings) == 0) {
        control = event_new(server.base, settings->control, EV_READ | EV_PERSIST, on_control, &server);
        if (control && event_add(control, NULL) == 0 && sandbox_enter() == 0) {
            server_run(&server);
            status = server.draining ? 0 : 1;
        }
    }
    if (control)
        event_free(control);
    server_free(&server);
    return status;
}
