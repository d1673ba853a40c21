/*
 * init/attest-request-parse.c, behind the HTTP parser as on the socket. What is accepted is one GET, of a resource or
 * with data of at least one byte; encoding the data again gives a request that is read as the same.
 */
#include "fuzz.h"
#include "init/attest-request.h"

static void check_round_trip(const struct attest_request *first)
{
    static const char digits[] = "0123456789abcdef";
    struct http_message message = { .method = "GET" };
    struct attest_request second;
    size_t used = strlen(ATTEST_EVIDENCE_PATH "?runtime_data=");

    if (used + 3 * first->size >= sizeof(message.target))
        return;
    memcpy(message.target, ATTEST_EVIDENCE_PATH "?runtime_data=", used);
    for (size_t i = 0; i < first->size; i++) {
        message.target[used++] = '%';
        message.target[used++] = digits[first->data[i] >> 4];
        message.target[used++] = digits[first->data[i] & 15];
    }
    REQUIRE(attest_request_read(&message, &second, NULL) == 200);
    REQUIRE(second.size == first->size && memcmp(second.data, first->data, first->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_parser parser;
    struct attest_request request;
    struct reason why = { "" };
    size_t used = 0;

    http_parser_init(&parser, HTTP_REQUEST, 0);
    if (http_parser_feed(&parser, data, size, &used) == 1) {
        unsigned status = attest_request_read(&parser.message, &request, &why);

        REQUIRE(status == 200 || status == 400 || status == 404 || status == 405);
        REQUIRE((status == 200) == !why.text[0]);
        if (status == 200) {
            REQUIRE(strcmp(parser.message.method, "GET") == 0);
            REQUIRE(!request.size != !request.resource[0] && request.size <= sizeof(request.data));
            if (request.size)
                check_round_trip(&request);
            else
                REQUIRE(strcmp(parser.message.target + strlen(ATTEST_RESOURCE_PATH), request.resource) == 0);
        }
    }
    http_parser_free(&parser);
    return 0;
}
