/* base/http: the same verdict however the bytes are cut, every limit, and the shapes of request smuggling. */
#include "unit.h"

#include "base/http.h"

#define MAX_BODY 1000

/* Everything that a parser said about some bytes. */
struct outcome {
    int result;
    size_t used;
    struct http_parser *parser;
};

/* Feeds copies of at most `step` bytes. The caller ends with drop(). */
static struct outcome feed(llhttp_type_t side, const char *text, size_t size, size_t step)
{
    struct outcome o = { 0, 0, calloc(1, sizeof(struct http_parser)) };

    assert_non_null(o.parser);
    http_parser_init(o.parser, side, MAX_BODY);
    while (o.result == 0 && o.used < size) {
        size_t part = size - o.used < step ? size - o.used : step, used = 0;
        char *copy = exact_copy(text + o.used, part);

        o.result = http_parser_feed(o.parser, copy, part, &used);
        if (o.result == 0)
            assert_int_equal(used, part);
        o.used += o.result < 0 ? 0 : used;
        free(copy);
    }
    return o;
}

static void drop(struct outcome *o)
{
    http_parser_free(o->parser);
    free(o->parser);
}

static void assert_same(const struct outcome *a, const struct outcome *b)
{
    const struct http_message *m = &a->parser->message, *n = &b->parser->message;

    assert_int_equal(a->result, b->result);
    if (a->result != 1)
        return;
    assert_int_equal(a->used, b->used);
    assert_int_equal(m->status, n->status);
    assert_ptr_equal(m->method, n->method);
    assert_string_equal(m->target, n->target);
    assert_int_equal(m->keep_alive, n->keep_alive);
    assert_int_equal(m->header_count, n->header_count);
    for (size_t i = 0; i < m->header_count; i++) {
        assert_string_equal(m->headers[i].name, n->headers[i].name);
        assert_string_equal(m->headers[i].value, n->headers[i].value);
    }
    assert_int_equal(m->body.size, n->body.size);
    assert_memory_equal(buffer_text(&m->body), buffer_text(&n->body), m->body.size);
}

/* At once, byte by byte, and in two parts cut at every place: always the same. Returns what it was. */
static struct outcome parse(llhttp_type_t side, const char *text, size_t size)
{
    struct outcome whole = feed(side, text, size, size);

    for (size_t step = 1; step < size; step = step < 64 ? step + 1 : step * 2) {
        struct outcome parts = feed(side, text, size, step);

        assert_same(&whole, &parts);
        drop(&parts);
    }
    return whole;
}

static void assert_verdict(llhttp_type_t side, const char *text, size_t size, int expected)
{
    struct outcome o = parse(side, text, size);

    if (o.result != expected)
        fail_msg("%s\ngave %d, expected %d", text, o.result, expected);
    drop(&o);
}

#define assert_request(text, expected) assert_verdict(HTTP_REQUEST, text, sizeof(text) - 1, expected)
#define assert_response(text, expected) assert_verdict(HTTP_RESPONSE, text, sizeof(text) - 1, expected)

static void reads_a_request(void **state UNUSED)
{
    static const char text[] = "POST /kbs/v0/auth?x=1 HTTP/1.1\r\nHost: 10.0.2.2:8443\r\nEmpty:\r\n"
                               "Content-Length: 5\r\nX-Two: a\r\nx-two: b\r\n\r\nhello";
    struct outcome o = parse(HTTP_REQUEST, text, strlen(text));
    const struct http_message *m = &o.parser->message;

    assert_int_equal(o.result, 1);
    assert_int_equal(o.used, strlen(text));
    assert_string_equal(m->method, "POST");
    assert_string_equal(m->target, "/kbs/v0/auth?x=1");
    assert_int_equal(m->header_count, 5);
    assert_string_equal(m->headers[1].name, "Empty");
    assert_string_equal(m->headers[1].value, "");
    assert_string_equal(http_header(m, "host"), "10.0.2.2:8443");
    assert_string_equal(http_header(m, "CONTENT-length"), "5");
    assert_null(http_header(m, "X-Two")); /* two of them are none */
    assert_null(http_header(m, "Absent"));
    assert_int_equal(m->body.size, 5);
    assert_memory_equal(m->body.data, "hello", 5);
    assert_true(m->keep_alive);
    drop(&o);
}

static void reads_a_response(void **state UNUSED)
{
    static const char text[] = "HTTP/1.1 401 Not now\r\nContent-Type: application/json\r\nConnection: close\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00a\r\n0123456789\r\n0\r\n\r\n";
    struct outcome o = parse(HTTP_RESPONSE, text, strlen(text));
    const struct http_message *m = &o.parser->message;

    assert_int_equal(o.result, 1);
    assert_int_equal(o.used, strlen(text));
    assert_int_equal(m->status, 401);
    assert_null(m->method);
    assert_string_equal(m->target, "");
    assert_int_equal(m->body.size, 13);
    assert_memory_equal(m->body.data, "abc0123456789", 13);
    assert_false(m->keep_alive);
    drop(&o);
}

/* RFC 9110 section 5.5: white space around a value is not part of it. */
static void strips_values(void **state UNUSED)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: \t b c\t \t\r\nB: \t \r\nC:d \r\nD: e\t\r\nE:f\r\n\r\n";
    static const char *const wanted[] = { "b c", "", "d", "e", "f" };
    struct outcome o = parse(HTTP_REQUEST, text, strlen(text));

    assert_int_equal(o.result, 1);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        assert_string_equal(o.parser->message.headers[i].value, wanted[i]);
    drop(&o);
}
static void leaves_the_second_message(void **state UNUSED)
{
    static const char *const firsts[] = {
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET ",
        "POST /1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "POST /1 HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    };
    static const char second[] = "GET /2 HTTP/1.1\r\nHost: b\r\n\r\n";

    for (size_t i = 0; i < ARRAY_SIZE(firsts); i++) {
        char text[256];
        struct outcome o;
        size_t used = 0;

        (void)snprintf(text, sizeof(text), "%s%s", firsts[i], second);
        o = parse(HTTP_REQUEST, text, strlen(text));
        assert_int_equal(o.result, 1);
        assert_int_equal(o.used, strlen(firsts[i]));
        assert_string_equal(o.parser->message.target, "/1");
        http_parser_reset(o.parser);
        assert_int_equal(http_parser_feed(o.parser, text + o.used, strlen(text) - o.used, &used), 1);
        assert_int_equal(used, strlen(second));
        assert_string_equal(o.parser->message.target, "/2");
        assert_string_equal(http_header(&o.parser->message, "Host"), "b");
        drop(&o);
    }
}

static void needs_more_for_every_part(void **state UNUSED)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    for (size_t size = 0; size < strlen(text); size++) {
        struct outcome o = feed(HTTP_RESPONSE, text, size, SIZE_MAX);

        assert_int_equal(o.result, 0);
        drop(&o);
    }
}

static void refuses_two_lengths(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", -EBADMSG);
}

static void refuses_lengths_that_are_no_numbers(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 0x3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3 3\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 3a\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length:\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", -EBADMSG);
}

static void refuses_other_transfer_encodings(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 1);
}

/* llhttp takes note of an encoding at the first letter of its name: one without a name went unseen. */
static void refuses_encodings_without_a_name(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\nx", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: \t\r\n\r\nx", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding:\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\nx",
                   -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\nx", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", -EBADMSG);
}

/* "chunked" may be the last of several encodings: the body would be what nobody here can read. */
static void refuses_encodings_before_chunked(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: \t chunked\r\n\r\n0\r\n\r\n", 1);
}
static void refuses_trailers(void **state UNUSED)
{
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n", -EBADMSG);
}

static void refuses_lines_that_do_not_end_in_crlf(void **state UNUSED)
{
    assert_request("GET / HTTP/1.1\nA: b\n\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\r\n\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\rA: b\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\nContent-Length: 0\n\n", -EBADMSG);
}

static void refuses_folded_and_broken_headers(void **state UNUSED)
{
    assert_request("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA:\r\n c\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\n A: b\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA : b\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\n: b\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA(: b\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA\0: b\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", -EBADMSG);
}

static void refuses_other_versions_and_odd_first_lines(void **state UNUSED)
{
    assert_request("GET / HTTP/1.0\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/0.9\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/1.2\r\n\r\n", -EBADMSG);
    assert_request("GET / HTTP/2.0\r\n\r\n", -EBADMSG);
    assert_request("GET /\r\n\r\n", -EBADMSG);
    assert_request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -EBADMSG);
    assert_request("FOO / HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("get / HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request(" GET / HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("GET /\x80 HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("GET /\0 HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("GET x HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("CONNECT a:1 HTTP/1.1\r\n\r\n", -EBADMSG);
    assert_request("\x16\x03\x01\x02\x00", -EBADMSG); /* a TLS hello */
    assert_response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("RTSP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("garbage", -EBADMSG);
    assert_response("HTTP/1.1 199 X\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", 1);
    assert_response("HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n", 1);
}

static void takes_no_request_for_a_response(void **state UNUSED)
{
    assert_response("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_request("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
}

static void refuses_upgrades_and_interim_responses(void **state UNUSED)
{
    assert_request("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", -EBADMSG);
    assert_request("POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx", -EBADMSG);
    assert_response("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
    assert_response("HTTP/1.1 103 Hints\r\nContent-Length: 0\r\n\r\n", -EBADMSG);
}

static void refuses_a_response_without_a_length(void **state UNUSED)
{
    assert_response("HTTP/1.1 200 OK\r\n\r\nuntil the end", -EBADMSG);
    assert_response("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", -EBADMSG);
    assert_response("HTTP/1.1 204 None\r\n\r\n", 1);
    assert_response("HTTP/1.1 304 Same\r\n\r\n", 1);
    assert_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1);
    assert_request("GET / HTTP/1.1\r\n\r\n", 1); /* a request without one has no body */
}

/* ---------------------------------------------------------------------------------------------------------- limits */

static void bounds_the_body(void **state UNUSED)
{
    char text[4096];
    int head;

    for (size_t size = MAX_BODY; size <= MAX_BODY + 1; size++) {
        head = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", size);
        memset(text + head, 'x', size);
        assert_verdict(HTTP_REQUEST, text, (size_t)head + size, size > MAX_BODY ? -EMSGSIZE : 1);
        head = snprintf(text, sizeof(text),
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n%0*d\r\n%zx\r\n", 500, 0,
                        size - 500);
        memset(text + head, 'x', size - 500);
        memcpy(text + head + size - 500, "\r\n0\r\n\r\n", 7);
        assert_verdict(HTTP_RESPONSE, text, (size_t)head + size - 500 + 7, size > MAX_BODY ? -EMSGSIZE : 1);
    }
}

/* A body may be larger than everything around it may be. */
static void takes_a_large_body(void **state UNUSED)
{
    static struct http_parser parser;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    size_t used = 0;

    buffer_printf(&text, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n%0*d", 3 * HTTP_MAX_OVERHEAD_BYTES,
                  (int)(3 * HTTP_MAX_OVERHEAD_BYTES), 0);
    http_parser_init(&parser, HTTP_RESPONSE, 3 * HTTP_MAX_OVERHEAD_BYTES);
    assert_int_equal(http_parser_feed(&parser, text.data, text.size - 1, &used), 0);
    assert_int_equal(http_parser_feed(&parser, text.data + text.size - 1, 1, &used), 1);
    assert_int_equal(parser.message.body.size, 3 * HTTP_MAX_OVERHEAD_BYTES);
    http_parser_free(&parser);
}

static void bounds_the_target(void **state UNUSED)
{
    for (size_t length = HTTP_MAX_TARGET_BYTES - 1; length <= HTTP_MAX_TARGET_BYTES; length++) {
        char text[1024];
        int size = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\n\r\n", (int)length - 1, 0);

        assert_verdict(HTTP_REQUEST, text, (size_t)size, length >= HTTP_MAX_TARGET_BYTES ? -EMSGSIZE : 1);
    }
}

static void bounds_the_number_of_headers(void **state UNUSED)
{
    for (size_t count = HTTP_MAX_HEADERS; count <= HTTP_MAX_HEADERS + 1; count++) {
        char text[2048];
        size_t size = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");

        for (size_t i = 0; i < count; i++)
            size += (size_t)snprintf(text + size, sizeof(text) - size, "A%zu: b\r\n", i);
        size += (size_t)snprintf(text + size, sizeof(text) - size, "\r\n");
        assert_verdict(HTTP_REQUEST, text, size, count > HTTP_MAX_HEADERS ? -EMSGSIZE : 1);
    }
}

/* Names and values share a room; each text is followed by a NUL in it. */
static void bounds_names_and_values(void **state UNUSED)
{
    static char text[2 * HTTP_MAX_HEAD_BYTES], names[101];

    for (size_t name = 1; name <= 100; name += 99) {
        for (size_t total = HTTP_MAX_HEAD_BYTES - 4; total <= HTTP_MAX_HEAD_BYTES + 1; total++) {
            size_t value = total - name - 2, size;
            struct outcome whole, parts;

            memset(names, 'n', name);
            names[name] = '\0';
            size = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s:%0*d\r\n\r\n", names, (int)value, 0);
            whole = feed(HTTP_REQUEST, text, size, size);
            parts = feed(HTTP_REQUEST, text, size, 1);
            assert_same(&whole, &parts);
            assert_int_equal(whole.result, total < HTTP_MAX_HEAD_BYTES ? 1 : -EMSGSIZE);
            if (whole.result == 1)
                assert_int_equal(strlen(whole.parser->message.headers[0].value), value);
            drop(&whole);
            drop(&parts);
        }
    }
}

/* A message may not go on for ever in the places where nothing is kept. */
static void bounds_what_it_does_not_keep(void **state UNUSED)
{
    static const struct {
        llhttp_type_t side;
        const char *before, *again, *after;
    } cases[] = {
        { HTTP_REQUEST, "", "\r\n", "GET / HTTP/1.1\r\n\r\n" },
        { HTTP_REQUEST, "GET / HTTP/1.1\r\nA:", " ", "b\r\n\r\n" },
        { HTTP_REQUEST, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "0", "1\r\nx\r\n0\r\n\r\n" },
        { HTTP_RESPONSE, "HTTP/1.1 200 ", "reason ", "\r\nContent-Length: 0\r\n\r\n" },
        { HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "e", "\r\nx\r\n0\r\n\r\n" },
        { HTTP_RESPONSE, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;e=", "v", "\r\nx\r\n0\r\n\r\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t total = 100; total < 200000; total += 99900) {
            CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
            struct outcome whole, parts;

            buffer_add_text(&text, cases[i].before);
            while (text.size < total)
                buffer_add_text(&text, cases[i].again);
            buffer_add_text(&text, cases[i].after);
            whole = feed(cases[i].side, buffer_text(&text), text.size, SIZE_MAX);
            parts = feed(cases[i].side, buffer_text(&text), text.size, 1);
            if (whole.result != (total > 100 ? -EMSGSIZE : 1))
                fail_msg("case %zu with %zu bytes: %d", i, total, whole.result);
            assert_same(&whole, &parts);
            drop(&whole);
            drop(&parts);
        }
    }
}
/* What follows a complete message is another one, also when it comes in other bytes. */
static void takes_nothing_after_the_end(void **state UNUSED)
{
    static const char text[] = "GET /1 HTTP/1.1\r\n\r\n";
    struct outcome o = feed(HTTP_REQUEST, text, strlen(text), SIZE_MAX);
    size_t used = 77;

    assert_int_equal(o.result, 1);
    assert_int_equal(http_parser_feed(o.parser, "GET /2 HTTP/1.1\r\n\r\n", 19, &used), 1);
    assert_int_equal(used, 0);
    assert_string_equal(o.parser->message.target, "/1");
    drop(&o);
}
static void stays_refused(void **state UNUSED)
{
    struct outcome o = feed(HTTP_RESPONSE, "garbage", 7, 7);
    size_t used = 77;

    assert_int_equal(o.result, -EBADMSG);
    assert_int_equal(http_parser_feed(o.parser, "HTTP/1.1 204 None\r\n\r\n", 21, &used), -EBADMSG);
    assert_int_equal(used, 77);
    http_parser_reset(o.parser);
    assert_int_equal(http_parser_feed(o.parser, "HTTP/1.1 204 None\r\n\r\n", 21, &used), 1);
    assert_int_equal(used, 21);
    drop(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(reads_a_response),
        cmocka_unit_test(leaves_the_second_message),
        cmocka_unit_test(needs_more_for_every_part),
        cmocka_unit_test(refuses_two_lengths),
        cmocka_unit_test(refuses_lengths_that_are_no_numbers),
        cmocka_unit_test(refuses_other_transfer_encodings),
        cmocka_unit_test(refuses_trailers),
        cmocka_unit_test(refuses_lines_that_do_not_end_in_crlf),
        cmocka_unit_test(refuses_folded_and_broken_headers),
        cmocka_unit_test(refuses_other_versions_and_odd_first_lines),
        cmocka_unit_test(takes_no_request_for_a_response),
        cmocka_unit_test(refuses_upgrades_and_interim_responses),
        cmocka_unit_test(refuses_a_response_without_a_length),
        cmocka_unit_test(bounds_the_body),
        cmocka_unit_test(takes_a_large_body),
        cmocka_unit_test(bounds_the_target),
        cmocka_unit_test(bounds_the_number_of_headers),
        cmocka_unit_test(bounds_names_and_values),
        cmocka_unit_test(takes_nothing_after_the_end),
        cmocka_unit_test(refuses_encodings_before_chunked),
        cmocka_unit_test(refuses_encodings_without_a_name),
        cmocka_unit_test(strips_values),
        cmocka_unit_test(bounds_what_it_does_not_keep),
        cmocka_unit_test(stays_refused),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
