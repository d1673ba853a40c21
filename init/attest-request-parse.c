/* Requests on the attestation socket: the workload controls every byte. Pure. */
#include "init/attest-request.h"

#include <string.h>

#include "base/encode.h"

#define PARAMETER "runtime_data="

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~*", c));
}

/* The parameter's value, which ends the target. False: a character that has to be escaped, half an escape. */
static bool decode(const char *text, struct attest_request *to)
{
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;

        if (*text == '%') {
            if (hex_decode(text + 1, strnlen(text + 1, 2), &byte, 1) < 0)
                return false;
            text += 2;
        } else if (*text == '+') {
            byte = ' ';
        } else if (!is_unreserved(*text)) {
            return false;
        }
        if (to->size == sizeof(to->data))
            return false;
        to->data[to->size++] = byte;
    }
    return true;
}

static unsigned refuse(struct reason *why, unsigned status, const char *sentence)
{
    (void)reason_set(why, 0, "%s", sentence);
    return status;
}

unsigned attest_request_read(const struct http_message *message, struct attest_request *ret_request,
                             struct reason *why)
{
    size_t path = strlen(ATTEST_EVIDENCE_PATH), prefix = strlen(ATTEST_RESOURCE_PATH);
    bool resource = strncmp(message->target, ATTEST_RESOURCE_PATH, prefix) == 0 && message->target[prefix];
    struct attest_request request = { .size = 0 };
    const char *query;

    if (!resource && (strncmp(message->target, ATTEST_EVIDENCE_PATH, path) != 0 ||
                      (message->target[path] && message->target[path] != '?')))
        return refuse(why, 404, "there is " ATTEST_EVIDENCE_PATH "?runtime_data=…, " ATTEST_RESOURCE_PATH
                                "REPOSITORY/TYPE/TAG and nothing else");
    if (strcmp(message->method, "GET") != 0)
        return refuse(why, 405, "expected the method GET");
    if (resource) {
        memcpy(request.resource, message->target + prefix, strlen(message->target + prefix));
        *ret_request = request;
        return 200;
    }
    query = message->target + path + (message->target[path] == '?');
    if (strncmp(query, PARAMETER, strlen(PARAMETER)) != 0)
        return refuse(why, 400, "expected one parameter, runtime_data");
    if (!decode(query + strlen(PARAMETER), &request))
        return refuse(why, 400, "runtime_data: expected letters, digits, -._~* and everything else as %XX, and no "
                                "other parameter behind it");
    if (!request.size)
        return refuse(why, 400, "runtime_data is empty: give what the evidence is to be bound to, as a nonce");
    *ret_request = request;
    return 200;
}
