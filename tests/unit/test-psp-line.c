/* The shim's end of the serial line, with a socket in its place and a script at the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "psp/frame.h"
#include "psp/shim/shim.h"

enum deed { ANSWER, ANSWER_BADLY, ANSWER_OTHERS, REFUSE, NOISE, SPOIL, NOTHING, HANG_UP };

/* What the other end does about the first, second … request that arrives. */
struct script {
    int fd;
    const enum deed *deeds;
    size_t count;
    size_t requests; /* that arrived */
};

static void send_frame(int fd, uint8_t kind, uint32_t id, const void *payload, size_t size, size_t spoilt_byte)
{
    uint8_t *frame = malloc(WIRE_FRAME_BYTES(size));

    if (!frame)
        abort();
    frame_encode(kind, id, payload, size, frame);
    if (spoilt_byte)
        frame[spoilt_byte] ^= 1;
    if (fd_write_all(fd, frame, WIRE_FRAME_BYTES(size)) < 0)
        abort();
    free(frame);
}

static void do_deed(int fd, enum deed deed, const struct frame *request)
{
    static struct psp_answer answer;
    static uint8_t payload[WIRE_ANSWER_MAX_BYTES];
    size_t size;

    answer = (struct psp_answer){ .message_size = REPORT_RESPONSE_BYTES };
    memset(answer.message, 0x42, REPORT_RESPONSE_BYTES);
    size = wire_encode_answer(&answer, payload);
    switch (deed) {
    case ANSWER:
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id, payload, size, 0);
        break;
    case ANSWER_BADLY:
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id, payload, size - 1, 0);
        break;
    case ANSWER_OTHERS:
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id + 1, "other", 5, 0);
        send_frame(fd, WIRE_ERROR, request->id - 1, "other", 5, 0);
        send_frame(fd, WIRE_ANSWER | WIRE_DERIVED_KEY, request->id, "other", 5, 0);
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id, payload, size, 0);
        break;
    case REFUSE:
        send_frame(fd, WIRE_ERROR, request->id, "no", 2, 0);
        break;
    case NOISE:
        if (fd_write_all(fd, "noise\x9bPS\x9b", 9) < 0)
            abort();
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id, payload, size, 0);
        break;
    case SPOIL:
        send_frame(fd, WIRE_ANSWER | WIRE_REPORT, request->id, payload, size, 500);
        break;
    default:
        break;
    }
}

static void *other_end(void *argument)
{
    struct script *script = argument;
    uint8_t in[1000];
    size_t size = 0;

    for (;;) {
        struct frame_scan scan = frame_scan(in, size, WIRE_REQUEST_MAX_BYTES);
        ssize_t got;

        if (scan.found == FRAME_WHOLE) {
            enum deed deed = script->requests < script->count ? script->deeds[script->requests] : NOTHING;

            script->requests++;
            do_deed(script->fd, deed, &scan.frame);
            if (deed == HANG_UP)
                (void)shutdown(script->fd, SHUT_RDWR);
        }
        memmove(in, in + scan.used, size - scan.used);
        size -= scan.used;
        if (scan.found != FRAME_NONE)
            continue;
        got = read(script->fd, in + size, sizeof(in) - size);
        if (got <= 0)
            return NULL;
        size += (size_t)got;
    }
}

/* One exchange against a script; returns its result, and how many requests were sent. */
static int exchange(const enum deed *deeds, size_t count, size_t *ret_requests)
{
    static struct psp_answer answer;
    struct psp_request request = { .kind = WIRE_REPORT, .message_version = 1, .message_size = REPORT_REQUEST_BYTES };
    struct script script = { .deeds = deeds, .count = count };
    pthread_t thread;
    int fds[2], r;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    script.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, other_end, &script), 0);
    memset(&answer, 0, sizeof(answer));
    r = line_exchange(fds[0], &request, &answer);
    (void)close(fds[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)close(fds[1]);
    if (r == 0)
        assert_int_equal(answer.message[REPORT_RESPONSE_BYTES - 1], 0x42);
    *ret_requests = script.requests;
    return r;
}

static void answered_at_once(void **state)
{
    static const enum deed deeds[] = { ANSWER, NOISE, ANSWER_OTHERS };
    size_t requests;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
        assert_int_equal(exchange(&deeds[i], 1, &requests), 0);
        assert_int_equal(requests, 1);
    }
}

static void refused_and_asked_again(void **state)
{
    static const enum deed deeds[] = { REFUSE, REFUSE, ANSWER };
    size_t requests;

    (void)state;
    assert_int_equal(exchange(deeds, ARRAY_SIZE(deeds), &requests), 0);
    assert_int_equal(requests, 3);
}

static void refused_for_good(void **state)
{
    static const enum deed deeds[] = { REFUSE, REFUSE, REFUSE, REFUSE, ANSWER };
    size_t requests;

    (void)state;
    assert_int_equal(exchange(deeds, ARRAY_SIZE(deeds), &requests), -EPROTO);
    assert_int_equal(requests, 4);
}

static void spoilt_answer_is_asked_for_again(void **state)
{
    static const enum deed deeds[] = { SPOIL, ANSWER };
    uint64_t start = clock_ms();
    size_t requests;

    (void)state;
    assert_int_equal(exchange(deeds, ARRAY_SIZE(deeds), &requests), 0);
    assert_int_equal(requests, 2);
    assert_in_range(clock_ms() - start, 4900, 9000);
}

static void answer_that_is_none(void **state)
{
    static const enum deed deeds[] = { ANSWER_BADLY };
    size_t requests;

    (void)state;
    assert_int_equal(exchange(deeds, 1, &requests), -EBADMSG);
    assert_int_equal(requests, 1);
}

static void nobody_there(void **state)
{
    static const enum deed hang_up[] = { HANG_UP };
    uint64_t start = clock_ms();
    size_t requests;

    (void)state;
    assert_int_equal(exchange(hang_up, 1, &requests), -EIO);
    assert_in_range(clock_ms() - start, 0, 4000);
    start = clock_ms();
    assert_int_equal(exchange(NULL, 0, &requests), -ETIMEDOUT);
    assert_int_equal(requests, 4);
    assert_in_range(clock_ms() - start, 19000, 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_at_once),    cmocka_unit_test(refused_and_asked_again),
        cmocka_unit_test(refused_for_good),    cmocka_unit_test(spoilt_answer_is_asked_for_again),
        cmocka_unit_test(answer_that_is_none), cmocka_unit_test(nobody_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
