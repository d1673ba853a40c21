/*
 * /dev/sev-guest by CUSE, with the ioctls of linux/sev-guest.h as the kernel's own driver answers them
 * (drivers/virt/coco/sev-guest/sev-guest.c of Linux 6.12). The caller of the ioctl controls every structure.
 *
 * CUSE hands over no memory by itself: an ioctl without the data it needs is answered with the list of places to copy
 * from and to, and comes again with the bytes: first the request's head, then the request, then, when it turns out that
 * there are certificates to write, once more. Results go to the places in their order, as many bytes as there are.
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse3/cuse_lowlevel.h>
#include <linux/sev-guest.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "psp/shim/shim.h"

/* What the driver leaves in exitinfo2 when a request never came to the firmware (SEV_RET_NO_FW_CALL), */
#define NOT_CALLED UINT64_MAX
/* and when it refused the ioctl before trying. */
#define REFUSED_EARLY 0xffu

#define HEAD_BYTES sizeof(struct snp_guest_request_ioctl)
#define EXTENDED_BYTES sizeof(struct snp_ext_report_req)
#define OUT_MAX_BYTES (HEAD_BYTES + EXTENDED_BYTES + sizeof(struct snp_report_resp) + CERT_TABLE_MAX_BYTES)

/* One ioctl, as far as it has been handed over. */
struct call {
    struct snp_guest_request_ioctl head;
    struct snp_ext_report_req extended; /* a report request is the start of it */
    enum wire_kind kind;
    size_t request_bytes;  /* of the caller's request structure */
    size_t response_bytes; /* of the caller's response structure */
    size_t certificates_bytes;
};

static int line = -1;
static struct reason *failure; /* where libfuse's own messages go */

/* False for an ioctl that the device does not have. */
static bool start_call(unsigned int command, struct call *call)
{
    switch (command) {
    case SNP_GET_REPORT:
        *call = (struct call){ .kind = WIRE_REPORT, .request_bytes = sizeof(struct snp_report_req) };
        call->response_bytes = sizeof(struct snp_report_resp);
        return true;
    case SNP_GET_EXT_REPORT:
        *call = (struct call){ .kind = WIRE_EXTENDED_REPORT, .request_bytes = sizeof(struct snp_ext_report_req) };
        call->response_bytes = sizeof(struct snp_report_resp);
        return true;
    case SNP_GET_DERIVED_KEY:
        *call = (struct call){ .kind = WIRE_DERIVED_KEY, .request_bytes = sizeof(struct snp_derived_key_req) };
        call->response_bytes = sizeof(struct snp_derived_key_resp);
        return true;
    default:
        return false;
    }
}

/* An address in the caller's memory, as a number: iovec wants it as a pointer and nobody here follows it. */
static struct iovec place(uint64_t address, size_t size)
{
    struct iovec iov = { .iov_len = size };

    memcpy(&iov.iov_base, &address, sizeof(iov.iov_base));
    return iov;
}

/* The driver's refusal of an ioctl that is wrong in itself: the code goes out with the negative result. */
static void refuse(fuse_req_t request, struct call *call)
{
    call->head.exitinfo2 = REFUSED_EARLY;
    (void)fuse_reply_ioctl(request, -EINVAL, &call->head, HEAD_BYTES);
}

/* What a call without an error writes to its places. */
static size_t result_bytes(const struct call *call)
{
    return HEAD_BYTES + call->request_bytes + call->response_bytes + call->certificates_bytes;
}

/* Where certificates go: nowhere unless both are given. False when the driver would refuse them. */
static bool take_certificates_place(struct call *call)
{
    const struct snp_ext_report_req *extended = &call->extended;

    if (call->kind != WIRE_EXTENDED_REPORT || !extended->certs_len || !extended->certs_address)
        return true;
    call->certificates_bytes = extended->certs_len;
    return extended->certs_len <= CERT_TABLE_MAX_BYTES && extended->certs_len % PAGE_BYTES == 0;
}

/* Asks to be called again with so many of the places to read, in their order, and with as many as known to write. */
static void retry(fuse_req_t request, const void *argument, const struct call *call, size_t in_count, size_t out_count)
{
    struct iovec places[4];
    uint64_t head;

    memcpy(&head, &argument, sizeof(head));
    places[0] = place(head, HEAD_BYTES);
    places[1] = place(call->head.req_data, call->request_bytes);
    places[2] = place(call->head.resp_data, call->response_bytes);
    places[3] = place(call->extended.certs_address, call->certificates_bytes);
    (void)fuse_reply_ioctl_retry(request, places, in_count, places, out_count);
}

static void fill_request(const struct call *call, const void *request_data, struct psp_request *ret_request)
{
    size_t size = call->kind == WIRE_DERIVED_KEY ? KEY_REQUEST_BYTES : REPORT_REQUEST_BYTES;

    *ret_request = (struct psp_request){
        .kind = call->kind,
        .message_version = call->head.msg_version,
        .certificates_room = (uint32_t)call->certificates_bytes,
        .message_size = size,
    };
    memcpy(ret_request->message, request_data, size);
}

/* The results in the order of the places: head, request, response, certificates. */
static void complete(fuse_req_t request, struct call *call, const void *request_data)
{
    static struct psp_answer answer;
    static uint8_t out[OUT_MAX_BYTES];
    struct psp_request forwarded;
    uint8_t *response = out + HEAD_BYTES + call->request_bytes;
    int r;

    fill_request(call, request_data, &forwarded);
    memset(out, 0, sizeof(out));
    r = line_exchange(line, &forwarded, &answer);
    if (r == 0 && !answer.firmware_error && !answer.host_error) {
        memcpy(out, &call->head, HEAD_BYTES);
        memcpy(out + HEAD_BYTES, request_data, call->request_bytes);
        memcpy(response, answer.message, answer.message_size);
        memcpy(response + call->response_bytes, answer.certificates, answer.certificates_size);
        (void)fuse_reply_ioctl(request, 0, out, result_bytes(call));
    } else {
        call->head.exitinfo2 = r < 0 ? NOT_CALLED : (uint64_t)answer.host_error << 32 | answer.firmware_error;
        if (r == 0 && answer.host_error == HOST_INVALID_LENGTH)
            call->extended.certs_len = answer.certificates_needed;
        memcpy(out, &call->head, HEAD_BYTES);
        memcpy(out + HEAD_BYTES, request_data, call->request_bytes);
        if (call->kind == WIRE_EXTENDED_REPORT)
            memcpy(out + HEAD_BYTES, &call->extended, EXTENDED_BYTES);
        (void)fuse_reply_ioctl(request, -EIO, out, HEAD_BYTES + call->request_bytes);
    }
    explicit_bzero(&answer, sizeof(answer));
    explicit_bzero(out, sizeof(out));
}

static void handle_ioctl(fuse_req_t request, int command, void *argument, struct fuse_file_info *file,
                         unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
    struct call call;
    const uint8_t *bytes = in;

    (void)file;
    if (flags & FUSE_IOCTL_COMPAT || !start_call((unsigned int)command, &call)) {
        (void)fuse_reply_err(request, ENOTTY);
        return;
    }
    if (in_size < HEAD_BYTES) {
        retry(request, argument, &call, 1, 1);
        return;
    }
    memcpy(&call.head, bytes, HEAD_BYTES);
    if (!call.head.msg_version || !call.head.req_data || !call.head.resp_data) {
        refuse(request, &call);
        return;
    }
    if (in_size < HEAD_BYTES + call.request_bytes) {
        retry(request, argument, &call, 2, 3);
        return;
    }
    if (call.kind == WIRE_EXTENDED_REPORT)
        memcpy(&call.extended, bytes + HEAD_BYTES, EXTENDED_BYTES);
    if (!take_certificates_place(&call))
        refuse(request, &call);
    else if (out_size < result_bytes(&call))
        retry(request, argument, &call, 2, 4);
    else
        complete(request, &call, bytes + HEAD_BYTES);
}

static void handle_open(fuse_req_t request, struct fuse_file_info *file)
{
    (void)fuse_reply_open(request, file);
}

static void keep_message(enum fuse_log_level level, const char *format, va_list arguments)
{
    char text[REASON_MAX_BYTES];

    (void)level;
    (void)vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    (void)reason_set(failure, -EIO, "%s", text);
}

int device_serve(int line_fd, struct reason *why)
{
    static const struct cuse_lowlevel_ops operations = { .open = handle_open, .ioctl = handle_ioctl };
    const char *information[] = { "DEVNAME=sev-guest" };
    const struct cuse_info device = { .dev_info_argc = 1,
                                      .dev_info_argv = information,
                                      .flags = CUSE_UNRESTRICTED_IOCTL };
    char name[] = "psp-shim", foreground[] = "-f", one_thread[] = "-s";
    char *arguments[] = { name, foreground, one_thread, NULL };
    int r;

    line = line_fd;
    failure = why;
    fuse_set_log_func(keep_message);
    (void)reason_set(why, -EIO, "the device's server ended");
    r = cuse_lowlevel_main(3, arguments, &device, &operations, NULL);
    return r ? -EIO : 0;
}
