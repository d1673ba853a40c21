/*
 * configfs-tsm: takes requests from our kernel module (psp/tsm-module/) and asks postern-psp, with the results that the
 * kernel's own provider would give (sev_report_new() of Linux 6.12). The module's user controls the request.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"
#include "psp/shim/shim.h"

#define REQUEST_BYTES (8 + REPORT_DATA_BYTES)
#define ANSWER_HEAD_BYTES 16u
/* Room for a report that says it is longer than any is. */
#define OUTBLOB_MAX_BYTES (REPORT_BYTES + 64u)
#define MESSAGE_VERSION 1

struct tsm {
    int device, line;
    struct psp_answer answer;
    uint8_t out[ANSWER_HEAD_BYTES + OUTBLOB_MAX_BYTES + CERT_TABLE_MAX_BYTES];
};

/* Asks as extended request; what the host has no room for is left out, as by attest/device-ioctl.c. */
static int ask(struct tsm *t, const uint8_t *request)
{
    struct psp_request forwarded = { .kind = WIRE_EXTENDED_REPORT,
                                     .message_version = MESSAGE_VERSION,
                                     .certificates_room = CERT_TABLE_MAX_BYTES,
                                     .message_size = REPORT_REQUEST_BYTES };
    uint32_t status;

    memcpy(forwarded.message, request + 8, REPORT_DATA_BYTES);
    memcpy(forwarded.message + REPORT_DATA_BYTES, request + 4, 4);
    if (line_exchange(t->line, &forwarded, &t->answer) < 0 || t->answer.firmware_error)
        return EIO;
    if (t->answer.host_error)
        return t->answer.host_error == HOST_INVALID_LENGTH ? ENOSPC : t->answer.host_error == HOST_BUSY ? EBUSY : EIO;
    status = get_u32le(t->answer.message);
    if (status == FIRMWARE_INVALID_PARAM || status == FIRMWARE_INVALID_KEY)
        return EINVAL;
    return status ? ENXIO : 0;
}

/* Where the table's end says that it ends; the kernel's provider trusts the host with that, within the room. */
static uint32_t table_bytes(const struct psp_answer *answer)
{
    uint64_t size = 0;

    for (size_t at = 0; at + 24 <= answer->certificates_size && !all_zero(answer->certificates + at, 24); at += 24) {
        const uint8_t *entry = answer->certificates + at;
        uint64_t end = (uint64_t)get_u32le(entry + 16) + get_u32le(entry + 20);

        size = end > size ? end : size;
    }
    return size < answer->certificates_size ? (uint32_t)size : (uint32_t)answer->certificates_size;
}

static size_t make_answer(struct tsm *t, const uint8_t *request, int error)
{
    uint32_t outblob = 0, auxblob = 0;

    memset(t->out, 0, sizeof(t->out));
    if (!error) {
        outblob = get_u32le(t->answer.message + 4);
        outblob = outblob < OUTBLOB_MAX_BYTES ? outblob : OUTBLOB_MAX_BYTES;
        auxblob = table_bytes(&t->answer);
        memcpy(t->out + ANSWER_HEAD_BYTES, t->answer.message + REPORT_RESPONSE_HEAD_BYTES,
               outblob < REPORT_BYTES ? outblob : REPORT_BYTES);
        memcpy(t->out + ANSWER_HEAD_BYTES + outblob, t->answer.certificates, auxblob);
    }
    memcpy(t->out, request, 4);
    put_u32le(t->out + 4, (uint32_t)error);
    put_u32le(t->out + 8, outblob);
    put_u32le(t->out + 12, auxblob);
    return ANSWER_HEAD_BYTES + outblob + auxblob;
}

static void *run(void *argument)
{
    struct tsm *t = argument;
    uint8_t request[REQUEST_BYTES];

    for (;;) {
        ssize_t got = read(t->device, request, sizeof(request));
        size_t size;

        if (got != sizeof(request)) {
            if (got < 0 && (errno == EINTR || errno == EAGAIN))
                continue;
            return NULL;
        }
        size = make_answer(t, request, ask(t, request));
        /* A refused answer was for a request that nobody waits for any more. */
        (void)!write(t->device, t->out, size);
    }
}

int tsm_start(int line_fd, struct reason *why)
{
    struct tsm *t = calloc(1, sizeof(*t));
    pthread_t thread;

    if (!t)
        return -ENOMEM;
    t->line = line_fd;
    t->device = open(TSM_DEVICE, O_RDWR | O_CLOEXEC);
    if (t->device < 0) {
        int r = reason_set(why, -errno, TSM_DEVICE ": %s", strerror(errno));

        free(t);
        return r;
    }
    /* It runs as long as the process does. */
    if (pthread_create(&thread, NULL, run, t) != 0) {
        fd_close(&t->device);
        free(t);
        return reason_set(why, -EAGAIN, "the thread that serves configfs-tsm cannot be started");
    }
    (void)pthread_detach(thread);
    return 0;
}
