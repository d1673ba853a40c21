/* The serial line: the host holds the other end; the firmware and the kernel may have written to it before. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "psp/frame.h"
#include "psp/shim/shim.h"

#define LINE_PATH "/dev/ttyS1"
/* An answer takes milliseconds, and seconds when an emulated guest competes for the host's processors. */
#define TRY_MS 5000
#define TRIES 4
#define IN_BYTES (2 * WIRE_FRAME_BYTES(WIRE_ANSWER_MAX_BYTES))

int line_open(int *ret_fd, struct reason *why)
{
    CLEANUP_FD int fd = open(LINE_PATH, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    struct termios settings;

    if (fd < 0 || tcgetattr(fd, &settings) < 0)
        return reason_set(why, -errno, LINE_PATH ": %s: the guest needs a second serial line, connected to postern-psp",
                          strerror(errno));
    cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cflag &= ~(tcflag_t)(HUPCL | CRTSCTS);
    if (cfsetspeed(&settings, B115200) < 0 || tcsetattr(fd, TCSANOW, &settings) < 0 || tcflush(fd, TCIOFLUSH) < 0)
        return reason_set(why, -errno, LINE_PATH ": cannot be made a raw line: %s", strerror(errno));
    *ret_fd = fd_take(&fd);
    return 0;
}

/* Waits for `events` until the deadline. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd polled = { .fd = fd, .events = events };
    int r = poll(&polled, 1, clock_left_ms(deadline_ms));

    if (r < 0)
        return errno == EINTR ? 0 : -errno;
    return r == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int fd, const uint8_t *data, size_t size, uint64_t deadline_ms)
{
    while (size) {
        ssize_t sent = write(fd, data, size);
        int r;

        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
            continue;
        }
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        r = wait_for(fd, POLLOUT, deadline_ms);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What a frame means for the request with that id: 0 nothing, 1 its answer, or an error. */
static int take_frame(const struct frame *frame, const struct psp_request *request, uint32_t id,
                      struct psp_answer *ret_answer)
{
    int r;

    if (frame->id != id)
        return 0;
    if (frame->kind == WIRE_ERROR)
        return -EPROTO;
    if (frame->kind != (request->kind | WIRE_ANSWER))
        return 0;
    r = wire_parse_answer(request->kind, frame->payload, frame->size, ret_answer, NULL);
    return r < 0 ? r : 1;
}

/* Reads until the answer is there. Frames of earlier requests and refused ones are passed over. */
static int receive_answer(int fd, const struct psp_request *request, uint32_t id, uint64_t deadline_ms,
                          uint8_t in[IN_BYTES], struct psp_answer *ret_answer)
{
    size_t size = 0;

    for (;;) {
        struct frame_scan scan = frame_scan(in, size, WIRE_ANSWER_MAX_BYTES);
        ssize_t got;
        int r;

        if (scan.found == FRAME_WHOLE) {
            r = take_frame(&scan.frame, request, id, ret_answer);
            if (r != 0)
                return r < 0 ? r : 0;
        }
        memmove(in, in + scan.used, size - scan.used);
        size -= scan.used;
        if (scan.found != FRAME_NONE)
            continue;
        got = read(fd, in + size, IN_BYTES - size);
        if (got > 0) {
            size += (size_t)got;
            continue;
        }
        if (got == 0)
            return -EIO; /* a line that is raw and local does not end */
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        r = wait_for(fd, POLLIN, deadline_ms);
        if (r < 0)
            return r;
    }
}

int line_exchange(int fd, const struct psp_request *request, struct psp_answer *ret_answer)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static uint8_t in[IN_BYTES];
    uint8_t payload[WIRE_REQUEST_MAX_BYTES], frame[WIRE_FRAME_BYTES(WIRE_REQUEST_MAX_BYTES)];
    size_t size = wire_encode_request(request, payload);
    uint32_t id;
    int r = -ETIMEDOUT;

    /* Random, so that an answer to a guest that ran here before is never taken for ours. */
    if (getrandom(&id, sizeof(id), 0) != sizeof(id))
        return -EIO;
    frame_encode((uint8_t)request->kind, id, payload, size, frame);
    (void)pthread_mutex_lock(&one_at_a_time);
    for (int tries = 0; tries < TRIES && r != 0; tries++) {
        uint64_t deadline_ms = clock_ms() + TRY_MS;

        r = send_all(fd, frame, WIRE_FRAME_BYTES(size), deadline_ms);
        if (r == 0)
            r = receive_answer(fd, request, id, deadline_ms, in, ret_answer);
        if (r < 0 && r != -ETIMEDOUT && r != -EPROTO)
            break;
    }
    explicit_bzero(in, sizeof(in)); /* answers may hold a derived key */
    (void)pthread_mutex_unlock(&one_at_a_time);
    return r;
}
