/*
 * HTTP/1.1 messages (RFC 9112), read strictly with llhttp and written by hand.
 *
 * One parser for both directions: the guest reads a broker's responses with it, the broker reads its clients'
 * requests. Refused: other versions than 1.1, interim (1xx) responses, upgrades, trailers, transfer encodings other
 * than chunked, responses without a length, too many or too long headers, and whatever llhttp's strict mode refuses.
 */
#pragma once

#include <llhttp.h>

#include "base/base.h"
#include "base/buffer.h"

#define HTTP_MAX_HEADERS 48
#define HTTP_MAX_HEAD_BYTES (16u * 1024) /* names and values, each with a NUL */
#define HTTP_MAX_TARGET_BYTES 512
/* Everything but the body, what is not kept as well: blank lines, white space, reason phrase, sizes of chunks. */
#define HTTP_MAX_OVERHEAD_BYTES (64u * 1024)

struct http_header {
    const char *name;
    const char *value; /* without the white space around it */
};

struct http_message {
    unsigned status;                    /* responses */
    const char *method;                 /* requests: "GET", "POST" … */
    char target[HTTP_MAX_TARGET_BYTES]; /* requests: as received */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    struct buffer body;
    bool keep_alive;
};

/* Not to be copied or moved once initialised: llhttp and the headers point into it. */
struct http_parser {
    llhttp_t machine;
    llhttp_settings_t settings;
    llhttp_type_t side; /* HTTP_REQUEST or HTTP_RESPONSE */
    size_t max_body;
    char head[HTTP_MAX_HEAD_BYTES];
    size_t head_used;
    size_t fed; /* bytes of this message so far */
    bool in_name;
    bool head_done;
    bool complete;
    int error;
    struct http_message message;
};

/* `max_body` bounds the body. The parser is for one message; http_parser_reset() makes it ready for the next. */
void http_parser_init(struct http_parser *parser, llhttp_type_t side, size_t max_body);
void http_parser_reset(struct http_parser *parser);
void http_parser_free(struct http_parser *parser);

/*
 * Feeds bytes as they come. ret_used says how many belong to this message; the rest is the next one's. Returns 1
 * when the message is complete (parser->message is valid until reset or free), and again, with nothing used, when more
 * is fed then; 0 when more is needed.
 * Errors: -EBADMSG for what is not acceptable HTTP, -EMSGSIZE for what is too large, -ENOMEM. Final.
 */
int http_parser_feed(struct http_parser *parser, const void *data, size_t size, size_t *ret_used) MUST_CHECK;

/* The only header of that name (any case). NULL when there is none, or more than one. */
const char *http_header(const struct http_message *message, const char *name);
