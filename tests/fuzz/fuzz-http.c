/*
 * base/http-parse.c. The first byte says which side and how large a body may be, the second where the bytes are cut.
 * However they are cut, the outcome is the same; what is accepted is within the limits and fit to be used.
 */
#include "base/http.h"
#include "fuzz.h"

/* Feeds `size` bytes, at most `step` at a time; 1, 0 or negative as http_parser_feed(), and how much was used. */
static int feed(struct http_parser *parser, const uint8_t *data, size_t size, size_t step, size_t *ret_used)
{
    size_t done = 0;
    int r = 0;

    while (r == 0 && done < size) {
        size_t part = size - done < step ? size - done : step, used = 0;
        uint8_t *copy = fuzz_copy(data + done, part, 0);

        r = http_parser_feed(parser, copy, part, &used);
        REQUIRE(used <= part && (r != 0 || used == part));
        done += used;
        free(copy);
    }
    *ret_used = done;
    return r;
}

static void check_message(struct http_parser *parser, size_t max_body)
{
    const struct http_message *m = &parser->message;
    size_t used = 1;

    REQUIRE(m->body.size <= max_body && m->header_count <= HTTP_MAX_HEADERS);
    REQUIRE(strlen(m->target) < HTTP_MAX_TARGET_BYTES);
    REQUIRE(parser->side == HTTP_RESPONSE ? m->status >= 200 && m->status <= 599 : m->method && m->target[0]);
    for (size_t i = 0; i < m->header_count; i++) {
        const char *value = m->headers[i].value;
        size_t length = strlen(value);

        REQUIRE(m->headers[i].name[0] && !strpbrk(m->headers[i].name, " \t\r\n:"));
        REQUIRE(!strpbrk(value, "\r\n"));
        REQUIRE(!length || (!strchr(" \t", value[0]) && !strchr(" \t", value[length - 1])));
        REQUIRE(value >= parser->head && value + length < parser->head + sizeof(parser->head));
    }
    REQUIRE(!http_header(m, "Transfer-Encoding") || !http_header(m, "Content-Length"));
    REQUIRE(http_parser_feed(parser, "GET / HTTP/1.1\r\n\r\n", 18, &used) == 1 && used == 0);
}

static void compare(const struct http_message *a, const struct http_message *b)
{
    REQUIRE(a->status == b->status && a->method == b->method && a->keep_alive == b->keep_alive);
    REQUIRE(strcmp(a->target, b->target) == 0 && a->header_count == b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        REQUIRE(strcmp(a->headers[i].name, b->headers[i].name) == 0);
        REQUIRE(strcmp(a->headers[i].value, b->headers[i].value) == 0);
    }
    REQUIRE(a->body.size == b->body.size && memcmp(buffer_text(&a->body), buffer_text(&b->body), a->body.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_parser whole, parts;
    llhttp_type_t side;
    size_t max_body, step, used_whole, used_parts;
    int r_whole, r_parts;

    if (size < 2)
        return 0;
    side = data[0] & 1 ? HTTP_RESPONSE : HTTP_REQUEST;
    max_body = (size_t)data[0] >> 1;
    step = data[1] ? data[1] : 1;
    http_parser_init(&whole, side, max_body);
    http_parser_init(&parts, side, max_body);
    r_whole = feed(&whole, data + 2, size - 2, SIZE_MAX, &used_whole);
    r_parts = feed(&parts, data + 2, size - 2, step, &used_parts);
    /* Of two things that are wrong, which one is met first may depend on the cut. */
    REQUIRE(r_whole == r_parts || (r_whole < 0 && r_parts < 0));
    if (r_whole == 1) {
        REQUIRE(used_whole == used_parts);
        compare(&whole.message, &parts.message);
        check_message(&whole, max_body);
    }
    http_parser_free(&whole);
    http_parser_free(&parts);
    return 0;
}
