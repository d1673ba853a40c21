/*
 * HTTP messages from the network: the peer controls every byte. No I/O here; llhttp does the grammar, this file the
 * limits and what we refuse beyond the grammar.
 */
#include "base/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static struct http_parser *parser_of(llhttp_t *machine)
{
    return machine->data;
}

static int refuse(struct http_parser *parser, int error)
{
    if (!parser->error)
        parser->error = error;
    return HPE_USER;
}

/* Appends to the text that is being collected in head[], leaving room for its NUL. */
static int collect(struct http_parser *parser, const char *at, size_t size)
{
    if (size >= sizeof(parser->head) - parser->head_used)
        return refuse(parser, -EMSGSIZE);
    memcpy(parser->head + parser->head_used, at, size);
    parser->head_used += size;
    parser->head[parser->head_used] = '\0';
    return 0;
}

/* Ends the text that is being collected; the next one starts behind its NUL. */
static int end_text(struct http_parser *parser)
{
    if (parser->head_used + 1 >= sizeof(parser->head))
        return refuse(parser, -EMSGSIZE);
    parser->head[++parser->head_used] = '\0';
    return 0;
}

static int on_url(llhttp_t *machine, const char *at, size_t size)
{
    struct http_parser *parser = parser_of(machine);
    size_t used = strlen(parser->message.target);

    if (size >= sizeof(parser->message.target) - used)
        return refuse(parser, -EMSGSIZE);
    memcpy(parser->message.target + used, at, size);
    parser->message.target[used + size] = '\0';
    return 0;
}

static int on_header_field(llhttp_t *machine, const char *at, size_t size)
{
    struct http_parser *parser = parser_of(machine);
    struct http_message *message = &parser->message;

    if (parser->head_done)
        return refuse(parser, -EBADMSG); /* a trailer */
    if (!parser->in_name) {
        if (message->header_count == HTTP_MAX_HEADERS)
            return refuse(parser, -EMSGSIZE);
        message->headers[message->header_count++].name = parser->head + parser->head_used;
        parser->in_name = true;
    }
    return collect(parser, at, size);
}

static int on_header_field_complete(llhttp_t *machine)
{
    struct http_parser *parser = parser_of(machine);
    int r = end_text(parser);

    if (!parser->message.header_count)
        return refuse(parser, -EBADMSG);
    parser->in_name = false;
    parser->message.headers[parser->message.header_count - 1].value = parser->head + parser->head_used;
    return r;
}

static int on_header_value(llhttp_t *machine, const char *at, size_t size)
{
    return collect(parser_of(machine), at, size);
}

/* llhttp leaves the white space behind a value in it. */
static int on_header_value_complete(llhttp_t *machine)
{
    struct http_parser *parser = parser_of(machine);
    const char *value = parser->message.headers[parser->message.header_count - 1].value;
    char *end = parser->head + parser->head_used;

    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    parser->head_used = (size_t)(end - parser->head);
    return end_text(parser);
}

/*
 * Whether there is no transfer encoding, or "chunked" alone, once, and llhttp has seen it. It does not see an encoding
 * without a name, as in "Transfer-Encoding:", next to which a length would count.
 */
static bool encoding_is_acceptable(const llhttp_t *machine, const struct http_message *message)
{
    size_t count = 0;

    for (size_t i = 0; i < message->header_count; i++) {
        if (strcasecmp(message->headers[i].name, "Transfer-Encoding") != 0)
            continue;
        if (strcasecmp(message->headers[i].value, "chunked") != 0)
            return false;
        count++;
    }
    return count == (machine->flags & F_CHUNKED ? 1 : 0);
}

static int on_headers_complete(llhttp_t *machine)
{
    struct http_parser *parser = parser_of(machine);
    struct http_message *message = &parser->message;

    parser->head_done = true;
    if (machine->http_major != 1 || machine->http_minor != 1 || machine->upgrade)
        return refuse(parser, -EBADMSG);
    if (!encoding_is_acceptable(machine, message))
        return refuse(parser, -EBADMSG);
    message->keep_alive = llhttp_should_keep_alive(machine) != 0;
    if (parser->side == HTTP_REQUEST) {
        message->method = llhttp_method_name((llhttp_method_t)machine->method);
        return 0;
    }
    message->status = machine->status_code;
    if (message->status < 200 || message->status > 599)
        return refuse(parser, -EBADMSG);
    /* Without a length the end of the connection would end the body, and anybody can end a connection. */
    if (message->status != 204 && message->status != 304 && !(machine->flags & (F_CONTENT_LENGTH | F_CHUNKED)))
        return refuse(parser, -EBADMSG);
    return 0;
}

static int on_body(llhttp_t *machine, const char *at, size_t size)
{
    struct http_parser *parser = parser_of(machine);

    if (size > parser->max_body - parser->message.body.size)
        return refuse(parser, -EMSGSIZE);
    buffer_add(&parser->message.body, at, size);
    return buffer_error(&parser->message.body) ? refuse(parser, -ENOMEM) : 0;
}

static int on_message_complete(llhttp_t *machine)
{
    parser_of(machine)->complete = true;
    return HPE_PAUSED; /* what follows is another message */
}

void http_parser_init(struct http_parser *parser, llhttp_type_t side, size_t max_body)
{
    memset(parser, 0, sizeof(*parser));
    parser->side = side;
    parser->max_body = max_body;
    llhttp_settings_init(&parser->settings);
    parser->settings.on_url = on_url;
    parser->settings.on_header_field = on_header_field;
    parser->settings.on_header_field_complete = on_header_field_complete;
    parser->settings.on_header_value = on_header_value;
    parser->settings.on_header_value_complete = on_header_value_complete;
    parser->settings.on_headers_complete = on_headers_complete;
    parser->settings.on_body = on_body;
    parser->settings.on_message_complete = on_message_complete;
    llhttp_init(&parser->machine, side, &parser->settings);
    parser->machine.data = parser;
}

void http_parser_reset(struct http_parser *parser)
{
    llhttp_type_t side = parser->side;
    size_t max_body = parser->max_body;

    http_parser_free(parser);
    http_parser_init(parser, side, max_body);
}

void http_parser_free(struct http_parser *parser)
{
    buffer_free(&parser->message.body);
}

int http_parser_feed(struct http_parser *parser, const void *data, size_t size, size_t *ret_used)
{
    const char *text = data;
    llhttp_errno_t result;
    size_t used = size;

    if (parser->error)
        return parser->error;
    if (parser->complete) {
        *ret_used = 0;
        return 1;
    }
    result = llhttp_execute(&parser->machine, text, size);
    if (parser->complete && result == HPE_PAUSED)
        used = (size_t)(llhttp_get_error_pos(&parser->machine) - text);
    else if (result != HPE_OK)
        (void)refuse(parser, -EBADMSG);
    parser->fed += used;
    if (parser->fed - parser->message.body.size > HTTP_MAX_OVERHEAD_BYTES)
        (void)refuse(parser, -EMSGSIZE);
    if (parser->error)
        return parser->error;
    *ret_used = used;
    return parser->complete;
}

const char *http_header(const struct http_message *message, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < message->header_count; i++) {
        if (strcasecmp(message->headers[i].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = message->headers[i].value;
    }
    return value;
}
