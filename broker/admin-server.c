/*
 * The keeper's side of the administration socket. Who connects is asked of the kernel; what he sends is parsed like
 * anybody's. One question per connection, and the answer leaves as fast as it is taken: nobody waits for a reader.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "broker/admin.h"
#include "broker/keeper.h"
#include "broker/operate.h"

#define MAX_CALLS 16
#define CALL_SECONDS 10
#define CHUNK_BYTES (32u * 1024)
#define BACKLOG 16

struct call {
    LIST_ENTRY(call) link;
    struct admin *admin;
    struct event *event; /* readable, then writable; or its time is up */
    int fd;
    unsigned uid;
    struct buffer output;
    size_t sent;
    char end[2 + REASON_MAX_BYTES]; /* the last message */
    size_t end_size;
};

struct admin {
    struct keeper *keeper;
    struct event *listener;
    LIST_HEAD(call_list, call) calls;
    unsigned count;
    int fd;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void call_free(struct call *call)
{
    LIST_REMOVE(call, link);
    call->admin->count--;
    if (call->event)
        event_free(call->event);
    fd_close(&call->fd);
    buffer_free(&call->output);
    free(call);
}

/* Takes the descriptors out of a message; those that have no place are closed. */
static bool take_files(struct msghdr *message, struct admin_request *request)
{
    size_t taken = 0;
    bool fits = !(message->msg_flags & (MSG_TRUNC | MSG_CTRUNC));

    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            struct stat found;
            int fd;

            memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
            if (taken < request->file_count && fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
                request->files[taken++].fd = fd;
            } else {
                fits = false;
                (void)close(fd);
            }
        }
    }
    return fits && taken == request->file_count;
}

/* -EAGAIN: nothing has come yet. */
static int receive(struct call *call, struct admin_request *request)
{
    union {
        char space[CMSG_SPACE(ADMIN_MAX_FILES * sizeof(int))];
        struct cmsghdr align;
    } room;
    CLEANUP_FREE uint8_t *text = malloc(ADMIN_MAX_BYTES);
    struct iovec part = { text, ADMIN_MAX_BYTES };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.space,
                              .msg_controllen = sizeof(room.space) };
    ssize_t size;
    int r;

    if (!text)
        return -ENOMEM;
    size = recvmsg(call->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size <= 0)
        return size < 0 ? -errno : -EPIPE;
    r = admin_parse(text, (size_t)size, request);
    /* Also after a refusal: they are ours to close. */
    return take_files(&message, request) ? r : -EBADMSG;
}

static void set_end(struct call *call, int exit_code, const char *sentence)
{
    call->end[0] = 'x';
    call->end[1] = (char)exit_code;
    call->end_size = 2 + (size_t)snprintf(call->end + 2, sizeof(call->end) - 2, "%s", sentence);
}

static void carry_out(struct call *call, const struct admin_request *request)
{
    struct keeper *keeper = call->admin->keeper;
    const struct operation operation = { .store = keeper->broker->store,
                                         .kek = &keeper->broker->keys.kek,
                                         .policies = &keeper->broker->policies,
                                         .uid = call->uid,
                                         .lease_ms = keeper->broker->lease_ms,
                                         .output = &call->output };
    struct reason why = { "" };

    /* Decisions that wait for their commit come first: a change has a transaction of its own. */
    journal_commit(keeper->journal);
    set_end(call, operate(&operation, request, &why), why.text);
}

/* Sends what the socket takes; the call ends when all has left. */
static void send_more(struct call *call)
{
    while (call->sent < call->output.size) {
        size_t left = call->output.size - call->sent, size = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        char kind = 'o';
        struct iovec parts[2] = { { &kind, 1 }, { call->output.data + call->sent, size } };
        const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

        if (sendmsg(call->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EAGAIN)
                return;
            call_free(call);
            return;
        }
        call->sent += size;
    }
    if (send(call->fd, call->end, call->end_size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN)
        call_free(call);
}

static void on_call(evutil_socket_t fd, short events, void *argument);

static int watch(struct call *call, short what)
{
    const struct timeval patience = { .tv_sec = CALL_SECONDS };

    if (call->event)
        event_free(call->event);
    call->event = event_new(call->admin->keeper->base, call->fd, (short)(what | EV_PERSIST), on_call, call);
    return call->event && event_add(call->event, &patience) == 0 ? 0 : -ENOMEM;
}

static void on_call(evutil_socket_t fd, short events, void *argument)
{
    struct call *call = argument;
    struct admin_request *request;
    int r;

    (void)fd;
    if (events & EV_TIMEOUT) {
        call_free(call);
        return;
    }
    if (call->end_size) {
        send_more(call);
        return;
    }
    request = calloc(1, sizeof(*request));
    r = request ? receive(call, request) : -ENOMEM;
    if (r == 0)
        carry_out(call, request);
    else if (r == -EBADMSG)
        set_end(call, BROKER_EXIT_STATE, "the broker that serves cannot read the question: it is of another version");
    if (request)
        admin_request_free(request);
    free(request);
    if (r == -EAGAIN)
        return;
    if ((r < 0 && r != -EBADMSG) || watch(call, EV_WRITE) < 0)
        call_free(call);
}

static void on_connection(evutil_socket_t listener, short events, void *argument)
{
    struct admin *admin = argument;
    CLEANUP_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t size = sizeof(peer);
    struct call *call;

    (void)events;
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0)) {
        journal_note(admin->keeper->journal, "admin", "user %u may not administer this broker", (unsigned)peer.uid);
        return;
    }
    call = admin->count < MAX_CALLS ? calloc(1, sizeof(*call)) : NULL;
    if (!call)
        return;
    call->admin = admin;
    call->uid = (unsigned)peer.uid;
    call->fd = fd_take(&fd);
    LIST_INSERT_HEAD(&admin->calls, call, link);
    admin->count++;
    if (watch(call, EV_READ) < 0)
        call_free(call);
}

/* A socket that nobody listens on was left behind by a broker that was killed. */
static int claim(const struct sockaddr_un *address, int fd, struct reason *why)
{
    CLEANUP_FD int other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (other < 0)
        return -errno;
    if (connect(other, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return reason_set(why, -EADDRINUSE, "%s: another broker serves this directory", address->sun_path);
    if (errno == ECONNREFUSED && unlink(address->sun_path) < 0)
        return reason_set(why, -errno, "%s: cannot be removed: %s", address->sun_path, strerror(errno));
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || chmod(address->sun_path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return reason_set(why, -errno, "%s: cannot be listened on: %s", address->sun_path, strerror(errno));
    return 0;
}

int admin_open(struct keeper *keeper, const char *directory, struct admin **ret_admin, struct reason *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int size = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" ADMIN_SOCKET, directory);
    CLEANUP(admin_free) struct admin *admin = NULL;
    int r;

    if (size < 0 || (size_t)size >= sizeof(address.sun_path))
        return reason_set(why, -ENAMETOOLONG, "%s: at most %zu characters, for the socket in it", directory,
                          sizeof(address.sun_path) - sizeof("/" ADMIN_SOCKET));
    admin = calloc(1, sizeof(*admin));
    if (!admin)
        return -ENOMEM;
    admin->keeper = keeper;
    LIST_INIT(&admin->calls);
    admin->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (admin->fd < 0)
        return -errno;
    r = claim(&address, admin->fd, why);
    if (r < 0)
        return r;
    memcpy(admin->path, address.sun_path, sizeof(admin->path));
    admin->listener = event_new(keeper->base, admin->fd, EV_READ | EV_PERSIST, on_connection, admin);
    if (!admin->listener || event_add(admin->listener, NULL) < 0)
        return -ENOMEM;
    *ret_admin = admin;
    admin = NULL;
    return 0;
}

void admin_free(struct admin **admin)
{
    struct admin *a = *admin;

    if (!a)
        return;
    while (!LIST_EMPTY(&a->calls))
        call_free(LIST_FIRST(&a->calls));
    if (a->listener)
        event_free(a->listener);
    if (a->path[0])
        (void)unlink(a->path);
    fd_close(&a->fd);
    free(a);
    *admin = NULL;
}
