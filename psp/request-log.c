/* The request log; the values in it are the guest's. */
#include "psp/request-log.h"

#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"

static const char *kind_name(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_REPORT:
        return "report";
    case WIRE_EXTENDED_REPORT:
        return "extended report";
    default:
        return "derived key";
    }
}

void request_log_write(int fd, uint64_t number, const struct psp_request *request, const struct psp_answer *answer)
{
    CLEANUP_BUFFER struct buffer line = BUFFER_EMPTY;
    int r;

    if (fd < 0)
        return;
    buffer_printf(&line, "{\"request\":%llu,\"kind\":\"%s\"", (unsigned long long)number, kind_name(request->kind));
    if (request->kind == WIRE_DERIVED_KEY) {
        struct key_request key = wire_key_request(request);

        buffer_printf(&line, ",\"vmpl\":%u,\"root_key_select\":%u,\"guest_field_select\":%llu", key.vmpl,
                      key.root_key_select, (unsigned long long)key.field_select);
    } else {
        struct report_request report = wire_report_request(request);
        char report_data[HEX_TEXT_BYTES(REPORT_DATA_BYTES)];

        hex_encode(report.report_data, sizeof(report.report_data), report_data);
        buffer_printf(&line, ",\"vmpl\":%u,\"report_data\":\"%s\",\"certificates\":%zu", report.vmpl, report_data,
                      answer->certificates_size);
    }
    buffer_printf(&line, ",\"firmware_error\":%u,\"host_error\":%u,\"status\":%u}\n", answer->firmware_error,
                  answer->host_error, answer->message_size ? get_u32le(answer->message) : 0);
    r = buffer_error(&line);
    if (r == 0)
        r = fd_write_all(fd, line.data, line.size);
    if (r < 0)
        log_error("the request log cannot be written: %s", strerror(-r));
}
