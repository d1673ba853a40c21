/* HTTP responses (RFC 9112), written by hand; everything in them is ours. */
#include "broker/reply.h"

#include <string.h>

static const char *phrase(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

/* As HTTP writes times (RFC 9110, 5.6.7). */
static void write_time(const char *before, time_t time, struct buffer *to)
{
    char text[40] = "";
    struct tm parts;

    if (gmtime_r(&time, &parts))
        (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buffer_printf(to, "%s%s\r\n", before, text);
}

/* Name, value and Expires alone, as Trustee's does; clients echo the first and ignore the second. */
static void write_cookie(const struct reply *reply, struct buffer *to)
{
    buffer_printf(to, "Set-Cookie: " RELEASE_COOKIE "=%s", reply->session);
    write_time("; Expires=", reply->session_expires, to);
}

void reply_write(const struct reply *reply, const char *request, bool close, bool head, struct buffer *to)
{
    buffer_printf(to, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nx-request-id: %s\r\n",
                  reply->status, phrase(reply->status), reply->text ? "text/plain; version=0.0.4" : "application/json",
                  reply->body.size, request);
    write_time("Date: ", time(NULL), to);
    if (reply->session[0])
        write_cookie(reply, to);
    if (reply->retry_after_s)
        buffer_printf(to, "Retry-After: %u\r\n", reply->retry_after_s);
    if (reply->allow)
        buffer_printf(to, "Allow: %s\r\n", reply->allow);
    buffer_printf(to, "Connection: %s\r\n\r\n", close ? "close" : "keep-alive");
    if (!head)
        buffer_add(to, reply->body.data, reply->body.size);
}

void reply_free(struct reply *reply)
{
    buffer_free(&reply->body);
    *reply = (struct reply){ .body = BUFFER_EMPTY };
}
