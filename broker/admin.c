/* The verbs' side of administration: ask the broker that serves, or do it here. */
#include "broker/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "broker/operate.h"
#include "broker/verbs.h"

void admin_request_free(struct admin_request *request)
{
    for (size_t i = 0; i < request->file_count; i++)
        fd_close(&request->files[i].fd);
    request->file_count = 0;
}

int admin_add_file(struct admin_request *request, enum admin_file_kind kind, const char *path, struct reason *why)
{
    struct admin_file *file = &request->files[request->file_count];
    struct reason name = { "" };
    struct stat found;

    if (request->file_count == ADMIN_MAX_FILES)
        return reason_set(why, -E2BIG, "more than %u files", ADMIN_MAX_FILES);
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file->fd < 0)
        return reason_set(why, -errno, "%s: cannot be opened: %s", path, strerror(errno));
    file->kind = kind;
    request->file_count++;
    (void)reason_set(&name, 0, "%s", path); /* printable */
    (void)snprintf(file->name, sizeof(file->name), "%.255s", name.text);
    if (fstat(file->fd, &found) < 0 || !S_ISREG(found.st_mode))
        return reason_set(why, -EINVAL, "%s: is not a regular file", path);
    return 0;
}

const struct admin_file *admin_find_file(const struct admin_request *request, enum admin_file_kind kind)
{
    for (size_t i = 0; i < request->file_count; i++)
        if (request->files[i].kind == kind)
            return &request->files[i];
    return NULL;
}

/* -ENOENT: nobody serves. */
static int connect_to(const char *directory, int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int size = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" ADMIN_SOCKET, directory);

    if (fd < 0)
        return -errno;
    if (size < 0 || (size_t)size >= sizeof(address.sun_path))
        return -ENOENT; /* no broker serves there either: admin_open() */
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR
                   ? -ENOENT
                   : reason_set(why, -errno, "%s: the broker that serves cannot be asked: %s", address.sun_path,
                                strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

static int send_request(int fd, const struct admin_request *request)
{
    union {
        char space[CMSG_SPACE(ADMIN_MAX_FILES * sizeof(int))];
        struct cmsghdr align;
    } room;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct msghdr message = { .msg_iovlen = 1 };
    struct cmsghdr *head;
    struct iovec part;
    ssize_t sent;

    admin_write(request, &text);
    if (buffer_error(&text) < 0)
        return -ENOMEM;
    part = (struct iovec){ text.data, text.size };
    message.msg_iov = &part;
    memset(&room, 0, sizeof(room));
    if (request->file_count) {
        message.msg_control = room.space;
        message.msg_controllen = CMSG_SPACE(request->file_count * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(request->file_count * sizeof(int));
        for (size_t i = 0; i < request->file_count; i++)
            memcpy(CMSG_DATA(head) + i * sizeof(int), &request->files[i].fd, sizeof(int));
    }
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    return sent == (ssize_t)text.size ? 0 : sent < 0 ? -errno : -EIO;
}

/* Prints what comes; the exit code. */
static int take_answers(int fd, struct reason *why)
{
    char text[ADMIN_MAX_BYTES];

    for (;;) {
        ssize_t size = recv(fd, text, sizeof(text) - 1, 0);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 2 || (text[0] != 'o' && text[0] != 'x')) {
            (void)reason_set(why, -EPIPE, "the broker ended before it had answered; look whether it was done");
            return BROKER_EXIT_STATE;
        }
        text[size] = '\0';
        if (text[0] == 'x') {
            (void)reason_set(why, 0, "%s", text + 2);
            return (uint8_t)text[1];
        }
        (void)fwrite(text + 1, 1, (size_t)size - 1, stdout);
    }
}

/* No broker serves. */
static int run_here(const char *directory, const char *credentials, const struct admin_request *request,
                    struct reason *why)
{
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    CLEANUP(store_close) struct store *store = NULL;
    CLEANUP_BUFFER struct buffer output = BUFFER_EMPTY;
    bool reads = operate_only_reads(request);
    CLEANUP_FREE struct policy_cache *policies = calloc(1, sizeof(*policies));
    struct operation operation = {
        .kek = &keys.kek, .policies = policies, .uid = (unsigned)getuid(), .output = &output,
    };
    int exit_code, r;

    r = policies ? 0 : -ENOMEM;
    if (r == 0)
        r = verb_open_store(directory, reads ? STORE_READ : STORE_WRITE, &store, why);
    if (r == 0 && operate_needs_keys(request))
        r = keys_load(directory, credentials, &keys, why);
    if (r < 0) {
        if (!why->text[0])
            (void)reason_set(why, 0, "%s", strerror(-r));
        return BROKER_EXIT_STATE;
    }
    operation.store = store;
    exit_code = operate(&operation, request, why);
    policy_cache_free(policies);
    (void)fwrite(buffer_text(&output), 1, output.size, stdout);
    return exit_code;
}

int admin_run(const char *directory, const char *credentials, struct admin_request *request)
{
    CLEANUP_FD int fd = -1;
    struct reason why = { "" };
    int exit_code;
    int r = connect_to(directory, &fd, &why);

    if (r == 0) {
        r = send_request(fd, request);
        exit_code = r < 0 ? BROKER_EXIT_STATE : take_answers(fd, &why);
    } else {
        exit_code = r == -ENOENT ? run_here(directory, credentials, request, &why) : BROKER_EXIT_STATE;
    }
    admin_request_free(request);
    return exit_code == COMMAND_OK ? COMMAND_OK : verb_fail(exit_code, &why, r < 0 ? r : -EIO);
}
