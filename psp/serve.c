/* Requests from the guest: everything that arrives is answered or logged, nothing that arrives stops the program. */
#include "psp/serve.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "psp/frame.h"
#include "psp/request-log.h"

#define IN_BYTES 4096u
#define OUT_BYTES WIRE_FRAME_BYTES(WIRE_ANSWER_MAX_BYTES)

struct server {
    const struct chip *chip;
    const struct launch *launch;
    int listen_fd, signal_fd, log_fd;
    int connection; /* or -1 */
    uint64_t requests;
    size_t noise; /* bytes that were skipped and are not yet in the log */
    size_t in_size, out_size, out_done;
    struct psp_answer answer;
    uint8_t in[IN_BYTES];
    uint8_t payload[WIRE_ANSWER_MAX_BYTES];
    uint8_t out[OUT_BYTES]; /* the answer on its way; nothing is read before it has left */
};

/* One line for all of it: firmware that takes the line for a console writes it byte by byte. */
static void log_noise(struct server *s)
{
    if (s->noise)
        log_info("%zu bytes that belong to no request were skipped", s->noise);
    s->noise = 0;
}

static void disconnect(struct server *s)
{
    log_noise(s);
    fd_close(&s->connection);
    s->in_size = 0;
    s->out_size = 0;
    s->out_done = 0;
    OPENSSL_cleanse(s->out, sizeof(s->out));
}

static void put_frame(struct server *s, uint8_t kind, uint32_t id, const void *payload, size_t size)
{
    frame_encode(kind, id, payload, size, s->out);
    s->out_size = WIRE_FRAME_BYTES(size);
    s->out_done = 0;
}

static void put_error(struct server *s, uint32_t id, const char *sentence)
{
    size_t size = strlen(sentence);

    log_error("request refused: %s", sentence);
    put_frame(s, WIRE_ERROR, id, sentence, size < WIRE_ERROR_MAX_BYTES ? size : WIRE_ERROR_MAX_BYTES);
}

static void answer_request(struct server *s, const struct frame *frame)
{
    struct psp_request request;
    struct reason why = { "" };
    size_t size;
    int r = wire_parse_request(frame->kind, frame->payload, frame->size, &request, &why);

    if (r == 0)
        r = firmware_answer(s->chip, s->launch, &request, &s->answer, &why);
    if (r < 0) {
        put_error(s, frame->id, reason_text(&why, r));
        return;
    }
    if (s->requests < s->launch->injection_count)
        injection_apply(&s->launch->injections[s->requests], &s->answer);
    request_log_write(s->log_fd, ++s->requests, &request, &s->answer);
    size = wire_encode_answer(&s->answer, s->payload);
    put_frame(s, frame->kind | WIRE_ANSWER, frame->id, s->payload, size);
    OPENSSL_cleanse(&s->answer, sizeof(s->answer));
    OPENSSL_cleanse(s->payload, size);
}

/* Frames that have arrived, as long as no answer is on its way. */
static void take_frames(struct server *s)
{
    while (!s->out_size) {
        struct frame_scan scan = frame_scan(s->in, s->in_size, WIRE_REQUEST_MAX_BYTES);

        s->noise += scan.skipped;
        if (scan.found != FRAME_NONE)
            log_noise(s);
        if (scan.found == FRAME_WHOLE)
            answer_request(s, &scan.frame);
        else if (scan.found == FRAME_REFUSED)
            put_error(s, scan.frame.id, scan.refusal);
        memmove(s->in, s->in + scan.used, s->in_size - scan.used);
        s->in_size -= scan.used;
        if (scan.found == FRAME_NONE)
            return;
    }
}

static void receive(struct server *s)
{
    ssize_t got = recv(s->connection, s->in + s->in_size, sizeof(s->in) - s->in_size, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (s->in_size)
            log_error("the connection ended in the middle of a request, %zu bytes were dropped", s->in_size);
        disconnect(s);
        return;
    }
    s->in_size += (size_t)got;
    take_frames(s);
}

static void transmit(struct server *s)
{
    ssize_t sent =
        send(s->connection, s->out + s->out_done, s->out_size - s->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0) {
        log_error("disconnected, an answer could not be sent: %s", strerror(errno));
        disconnect(s);
        return;
    }
    s->out_done += (size_t)sent;
    if (s->out_done < s->out_size)
        return;
    OPENSSL_cleanse(s->out, s->out_size);
    s->out_size = 0;
    take_frames(s);
}

/* Whether nobody is at the other end any more: an answer would reach nobody, so what else was sent does not matter. */
static bool peer_gone(int connection)
{
    struct pollfd polled = { .fd = connection };

    return poll(&polled, 1, 0) == 1 && polled.revents & POLLHUP;
}

static void accept_connection(struct server *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return; /* whoever it was has gone */
    if (s->connection >= 0 && peer_gone(s->connection))
        disconnect(s);
    if (s->connection >= 0) {
        log_error("a second connection was refused: this launch has one guest, and its line is in use");
        fd_close(&fd);
        return;
    }
    s->connection = fd;
}

static int loop(struct server *s, struct reason *why)
{
    for (;;) {
        struct pollfd polled[] = {
            { .fd = s->signal_fd, .events = POLLIN },
            { .fd = s->connection, .events = s->out_size ? POLLOUT : POLLIN },
            { .fd = s->listen_fd, .events = POLLIN },
        };

        if (poll(polled, ARRAY_SIZE(polled), -1) < 0) {
            if (errno == EINTR)
                continue;
            return reason_set(why, -errno, "waiting for requests failed: %s", strerror(errno));
        }
        if (polled[0].revents)
            return 0;
        if (polled[1].revents && s->out_size)
            transmit(s);
        else if (polled[1].revents)
            receive(s);
        if (polled[2].revents)
            accept_connection(s);
    }
}

int serve_catch_signals(int *ret_signal_fd, struct reason *why)
{
    sigset_t signals;
    int fd = -1;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) == 0)
        fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return reason_set(why, -errno, "signals cannot be waited for: %s", strerror(errno));
    *ret_signal_fd = fd;
    return 0;
}

int serve(const struct chip *chip, const struct launch *launch, int listen_fd, int signal_fd, int log_fd,
          struct reason *why)
{
    CLEANUP_FREE struct server *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->chip = chip;
    s->launch = launch;
    s->listen_fd = listen_fd;
    s->signal_fd = signal_fd;
    s->log_fd = log_fd;
    s->connection = -1;
    r = loop(s, why);
    disconnect(s);
    log_info("ends after %llu requests", (unsigned long long)s->requests);
    return r;
}
