/*
 * psp/wire-parse.c. The first byte says which message the rest is read as; what is accepted has to encode to the same
 * bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "psp/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(uint8_t kind, const uint8_t *data, size_t size)
{
    uint8_t payload[WIRE_REQUEST_MAX_BYTES];
    struct psp_request request;

    if (wire_parse_request(kind, data, size, &request, NULL) < 0)
        return;
    (void)wire_report_request(&request);
    (void)wire_key_request(&request);
    if (wire_encode_request(&request, payload) != size || memcmp(payload, data, size) != 0)
        abort();
}

static void try_answer(enum wire_kind kind, const uint8_t *data, size_t size)
{
    static uint8_t payload[WIRE_ANSWER_MAX_BYTES];
    static struct psp_answer answer;

    if (wire_parse_answer(kind, data, size, &answer, NULL) < 0)
        return;
    if (wire_encode_answer(&answer, payload) != size || memcmp(payload, data, size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & WIRE_ANSWER)
        try_answer((enum wire_kind)(data[0] & 3 ? data[0] & 3 : 1), data + 1, size - 1);
    else
        try_request(data[0], data + 1, size - 1);
    return 0;
}
