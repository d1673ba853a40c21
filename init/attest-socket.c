/*
 * The attestation socket. Who may connect is configured by user id; a caller controls its request and how slowly it
 * sends it. One caller is answered at a time, within a deadline: reports take turns at the processor anyway.
 */
#include "init/attest-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/attest-request.h"
#include "init/helpers.h"
#include "init/privilege.h"
#include "release/evidence.h"

#define BACKLOG 16
#define REQUEST_MS 2000u
#define REPORT_MS 10000u
#define READ_BYTES 1024
#define LINGER_MS 250u
#define ACCEPT_PAUSE_MS 100u

bool attest_budget_take(struct attest_budget *budget, uint64_t now_ms)
{
    uint64_t due = now_ms > budget->refilled_ms ? (now_ms - budget->refilled_ms) / ATTEST_REFILL_MS : 0;

    if (budget->left + due >= ATTEST_BURST) {
        budget->left = ATTEST_BURST;
        budget->refilled_ms = now_ms;
    } else {
        budget->left += (unsigned)due;
        budget->refilled_ms += due * ATTEST_REFILL_MS;
    }
    if (!budget->left)
        return false;
    budget->left--;
    return true;
}

/* Whoever does not read what it asked for does not get it. */
static bool send_all(int connection, const uint8_t *data, size_t size, uint64_t deadline_ms)
{
    size_t sent = 0;

    while (sent < size) {
        struct pollfd fd = { .fd = connection, .events = POLLOUT };
        ssize_t n = send(connection, data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            sent += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !clock_left_ms(deadline_ms) ||
                 poll(&fd, 1, clock_left_ms(deadline_ms)) < 0)
            return false;
    }
    return true;
}

/* Without a reason phrase (RFC 9112, section 4): errors have a sentence. A resource is sent from where it lies. */
static void respond(int connection, unsigned status, const char *type, const uint8_t *body, size_t size)
{
    CLEANUP_BUFFER struct buffer head = BUFFER_EMPTY;

    buffer_printf(&head, "HTTP/1.1 %u \r\nContent-Type: application/%s\r\nContent-Length: %zu\r\n%s%s"
                  "Connection: close\r\n\r\n", status, type, size, status == 405 ? "Allow: GET\r\n" : "",
                  status == 429 || status == 503 ? "Retry-After: 2\r\n" : "");
    if (buffer_error(&head) == 0 && send_all(connection, head.data, head.size, clock_ms() + REQUEST_MS))
        (void)send_all(connection, body, size, clock_ms() + REQUEST_MS);
}

static void respond_error(int connection, unsigned status, const struct reason *why)
{
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;

    buffer_add_text(&body, "{\"error\":");
    buffer_add_json_string(&body, why->text[0] ? why->text : "out of memory");
    buffer_add_text(&body, "}\n");
    if (buffer_error(&body) == 0)
        respond(connection, status, "json", body.data, body.size);
}

/*
 * A caller that is refused before it has said anything has not read the answer yet: closing now could cost it that.
 * Waits for its end, for a moment.
 */
static void let_go(int connection)
{
    uint64_t deadline_ms = clock_ms() + LINGER_MS;
    uint8_t data[READ_BYTES];

    (void)shutdown(connection, SHUT_WR);
    for (;;) {
        struct pollfd fd = { .fd = connection, .events = POLLIN };
        int left = clock_left_ms(deadline_ms);

        if (!left || poll(&fd, 1, left) <= 0 || recv(connection, data, sizeof(data), MSG_DONTWAIT) <= 0)
            return;
    }
}

/* Reads one request. 0, or the errno of a caller that sends none. */
static int read_request(int connection, struct http_parser *parser)
{
    uint64_t deadline_ms = clock_ms() + REQUEST_MS;
    int r = 0;

    while (r == 0) {
        struct pollfd fd = { .fd = connection, .events = POLLIN };
        uint8_t data[READ_BYTES];
        size_t used = 0;
        ssize_t n = recv(connection, data, sizeof(data), MSG_DONTWAIT);

        if (n > 0) {
            r = http_parser_feed(parser, data, (size_t)n, &used);
            if (r == 1 && used != (size_t)n)
                return -EBADMSG; /* nobody asks twice on one connection */
        } else if (n == 0) {
            return -ENODATA;
        } else if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        } else if (!clock_left_ms(deadline_ms)) {
            return -ETIMEDOUT;
        } else if (poll(&fd, 1, clock_left_ms(deadline_ms)) < 0 && errno != EINTR) {
            return -errno;
        }
    }
    return r < 0 ? r : 0;
}

static bool is_allowed(int connection, const struct config_attestation *config, struct reason *why)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    for (size_t i = 0; i < config->uid_count; i++)
        if (config->uids[i] == peer.uid)
            return true;
    (void)reason_set(why, 0, "user id %u may not have evidence: attestation.uids of postern.json(5) lists who may",
                     (unsigned)peer.uid);
    return false;
}

/* Evidence over the caller's data, or the status to refuse with. */
static unsigned make_evidence(const struct attest_request *asked, const struct device_paths *paths, struct buffer *to,
                              struct reason *why)
{
    const struct device_request request = { PURPOSE_WORKLOAD, ATTEST_LABEL, asked->data, asked->size, DEVICE_VMPL_OWN };
    CLEANUP_FREE struct device_report *answer = malloc(sizeof(*answer));
    struct cert_table table = { .count = 0 };
    int r = answer ? device_get_report(&request, paths, clock_ms() + REPORT_MS, answer, why) : -ENOMEM;

    if (r < 0)
        return r == -EBUSY ? 503 : 500;
    /* A host that gives a damaged table gives none: verifiers fetch certificates elsewhere. */
    if (answer->certificates_size &&
        cert_table_parse(answer->certificates, answer->certificates_size, &table, NULL) < 0)
        table.count = 0;
    r = evidence_write(answer->report, &table, to, why);
    return r < 0 || buffer_error(to) < 0 ? 500 : 200;
}

void attest_socket_answer(int connection, const struct config_attestation *config, const struct secret *resources,
                          const struct device_paths *paths, struct attest_budget *budget)
{
    const struct secret *resource = NULL;
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;
    struct http_parser parser;
    struct attest_request request;
    struct reason why = { "" };
    unsigned status = 403;
    int r;

    if (!is_allowed(connection, config, &why)) {
        respond_error(connection, status, &why);
        let_go(connection);
        return;
    }
    http_parser_init(&parser, HTTP_REQUEST, 0);
    r = read_request(connection, &parser);
    if (r < 0) {
        status = 400;
        (void)reason_set(&why, r, "expected one HTTP/1.1 request without a body, within %u ms", REQUEST_MS);
    } else {
        status = attest_request_read(&parser.message, &request, &why);
    }
    http_parser_free(&parser);
    if (status == 200 && request.resource[0]) {
        for (size_t i = 0; i < config->resource_count; i++)
            if (strcmp(config->resources[i].path, request.resource) == 0)
                resource = &resources[i];
        status = resource ? 200 : 404;
        (void)reason_set(&why, 0, "attestation.resources of postern.json(5) does not name it, and PID 1, without a "
                                  "network now, fetches no others");
    } else if (status == 200 && !attest_budget_take(budget, clock_ms())) {
        status = 429;
        (void)reason_set(&why, 0, "the processor stands one report every %u s", ATTEST_REFILL_MS / 1000);
    }
    if (status == 200 && !resource)
        status = make_evidence(&request, paths, &body, &why);
    if (status != 200)
        respond_error(connection, status, &why);
    else if (resource)
        respond(connection, status, "octet-stream", resource->bytes, resource->size);
    else
        respond(connection, status, "json", body.data, body.size);
}

static int listen_on(const char *path, int *ret_fd, struct reason *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || (mkdir("/run/postern", 0755) < 0 && errno != EEXIST) ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        chmod(path, 0666) < 0 || /* who may is looked up for each connection */
        listen(fd, BACKLOG) < 0)
        return reason_set(why, -errno, "%s: %s", path, strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

/* Root by name, for the device's file, and nothing of what root may do but its few system calls. */
_Noreturn static void serve(int fd, const struct config_attestation *config, const struct secret *resources)
{
    struct attest_budget budget = { .left = ATTEST_BURST, .refilled_ms = clock_ms() };
    sigset_t none;

    (void)sigemptyset(&none);
    /* The listening socket alone stays; standard streams lead to /dev/null already. */
    if (dup3(fd, 3, O_CLOEXEC) < 0 && errno != EINVAL)
        _exit(1);
    (void)prctl(PR_SET_NAME, "postern-attest", 0, 0, 0);
    if (close_range(4, ~0u, 0) < 0 || setsid() < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
        privilege_become_helper(0, SECCOMP_SERVER) < 0)
        _exit(1);
    for (;;) {
        int connection = accept4(3, NULL, NULL, SOCK_CLOEXEC);

        if (connection < 0) {
            clock_sleep_ms(ACCEPT_PAUSE_MS); /* out of something, for the moment */
            continue;
        }
        attest_socket_answer(connection, config, resources, NULL, &budget);
        (void)close(connection);
    }
}

int attest_socket_start(const struct config_attestation *config, struct secret *resources, struct reason *why)
{
    CLEANUP_FD int fd = -1;
    int r = config->uid_count ? listen_on(ATTEST_SOCKET_PATH, &fd, why) : 0;
    pid_t pid;

    for (size_t i = 0; r == 0 && i < config->resource_count; i++)
        r = secret_hand_on(&resources[i]);
    pid = r == 0 && config->uid_count ? fork() : 1;
    if (pid == 0)
        serve(fd, config, resources);
    if (pid < 0)
        r = reason_set(why, -errno, "the attestation server: %s", strerror(errno));
    else
        helpers_add(pid, "postern-attest");
    for (size_t i = 0; i < config->resource_count; i++)
        secret_free(&resources[i]);
    return r;
}
