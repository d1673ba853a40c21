/* Connections; the client controls bytes and timing. */
#include "broker/connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"

/* Input that waits while an answer is made; more stays in the socket. */
#define MAX_WAITING_INPUT_BYTES (64u * 1024)
/* After the last answer: long enough for a client to read it before a reset could take it away. */
#define LINGER_MS 2000

enum state {
    STATE_READING,   /* a request, or nothing yet */
    STATE_COMMITTING, /* its decision waits for the journal */
    STATE_WRITING,   /* its answer is on the way out */
    STATE_LINGERING, /* the last answer is out; input is thrown away */
};

struct connection {
    TAILQ_ENTRY(connection) link;
    struct server *server;
    struct bufferevent *stream;
    enum state state;
    bool begun; /* bytes of the present request have come */
    bool gone;  /* the client left while its decision waited */
    bool close; /* after the answer */
    bool head;
    uint64_t deadline_ms;
    char peer[ENTRY_PEER_BYTES];
    struct http_parser parser;
    struct entry entry;
    struct journal_ticket ticket;
    struct reply reply;
};

static void connection_free(struct connection *connection)
{
    struct server *server = connection->server;

    TAILQ_REMOVE(&server->connections, connection, link);
    server->count--;
    bufferevent_free(connection->stream);
    http_parser_free(&connection->parser);
    reply_free(&connection->reply);
    free(connection);
    if (server->draining && !server->count)
        (void)event_base_loopexit(server->base, NULL);
}

static void send_reply(struct connection *connection)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    reply_write(&connection->reply, connection->entry.request, connection->close, connection->head, &text);
    reply_free(&connection->reply);
    http_parser_reset(&connection->parser);
    if (buffer_error(&text) < 0 || bufferevent_write(connection->stream, text.data, text.size) < 0) {
        connection_free(connection);
        return;
    }
    connection->state = STATE_WRITING;
    connection->deadline_ms = clock_ms() + connection->server->limits.request_ms;
}

/* The journal is through with this decision. */
static void committed(struct journal_ticket *ticket)
{
    struct connection *connection = ticket->owner;

    if (connection->gone) {
        connection_free(connection);
        return;
    }
    if (connection->entry.verdict == VERDICT_STORE)
        kbs_refuse(&connection->entry, &connection->reply);
    send_reply(connection);
}

/* Sends the reply, now or after the commit. */
static void finish(struct connection *connection)
{
    struct server *server = connection->server;

    if (connection->entry.keep != ENTRY_LINE) {
        connection->state = STATE_COMMITTING;
        connection->ticket = (struct journal_ticket){ .entry = &connection->entry, .owner = connection,
                                                      .done = committed };
        journal_add(server->journal, &connection->ticket);
        server_want_commit(server);
        return;
    }
    if (connection->entry.event)
        journal_print(server->journal, &connection->entry);
    send_reply(connection);
}

static void answer(struct connection *connection)
{
    const struct http_message *message = &connection->parser.message;

    connection->close = !message->keep_alive || connection->server->draining;
    connection->head = strcmp(message->method, "HEAD") == 0;
    if (entry_init(&connection->entry, connection->peer) < 0) {
        connection_free(connection);
        return;
    }
    kbs_answer(connection->server->kbs, message, &connection->entry, &connection->reply);
    finish(connection);
}

/* What is not acceptable HTTP ends the connection. */
static void refuse(struct connection *connection, int error)
{
    if (entry_init(&connection->entry, connection->peer) < 0) {
        connection_free(connection);
        return;
    }
    connection->close = true;
    connection->head = false;
    connection->entry.event = "http";
    connection->entry.verdict = error != -EMSGSIZE              ? VERDICT_HTTP_MALFORMED
                                : connection->parser.head_done ? VERDICT_HTTP_TOO_LARGE
                                                               : VERDICT_HTTP_HEAD_TOO_LARGE;
    kbs_refuse(&connection->entry, &connection->reply);
    finish(connection);
}

/* Feeds what has come to the parser, up to the end of one request. */
static void read_request(struct connection *connection)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);

    while (evbuffer_get_length(input)) {
        size_t size = evbuffer_get_contiguous_space(input), used = 0;
        int r;

        if (!connection->begun) {
            connection->begun = true;
            connection->deadline_ms = clock_ms() + connection->server->limits.request_ms;
        }
        r = http_parser_feed(&connection->parser, evbuffer_pullup(input, (ev_ssize_t)size), size, &used);
        (void)evbuffer_drain(input, r < 0 ? size : used);
        if (r < 0)
            refuse(connection, r);
        else if (r == 1)
            answer(connection);
        if (r != 0)
            return;
    }
}

static void on_input(struct bufferevent *stream, void *argument)
{
    struct connection *connection = argument;

    if (connection->state == STATE_LINGERING)
        (void)evbuffer_drain(bufferevent_get_input(stream), SIZE_MAX);
    else if (connection->state == STATE_READING)
        read_request(connection);
}

/* All output is with the kernel. */
static void on_output_done(struct bufferevent *stream, void *argument)
{
    struct connection *connection = argument;

    if (connection->state != STATE_WRITING || evbuffer_get_length(bufferevent_get_output(stream)))
        return;
    if (connection->close) {
        connection->state = STATE_LINGERING;
        connection->deadline_ms = clock_ms() + LINGER_MS;
        (void)SSL_shutdown(bufferevent_openssl_get_ssl(stream));
        ERR_clear_error();
        (void)evbuffer_drain(bufferevent_get_input(stream), SIZE_MAX);
        return;
    }
    connection->state = STATE_READING;
    connection->begun = false;
    connection->deadline_ms = clock_ms() + connection->server->limits.idle_ms;
    read_request(connection);
}

static void on_event(struct bufferevent *stream, short events, void *argument)
{
    struct connection *connection = argument;

    (void)stream;
    if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (connection->state == STATE_COMMITTING)
        connection->gone = true;
    else
        connection_free(connection);
}

static void describe_peer(const struct sockaddr *address, int size, char ret_peer[ENTRY_PEER_BYTES])
{
    char host[48] = "?", port[8] = "?";

    (void)getnameinfo(address, (socklen_t)size, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(ret_peer, ENTRY_PEER_BYTES, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The TLS side of a socket; on failure the socket is closed. */
static struct bufferevent *open_stream(struct server *server, evutil_socket_t fd)
{
    SSL *ssl = SSL_new(server->tls);
    struct bufferevent *stream =
        ssl ? bufferevent_openssl_socket_new(server->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
            : NULL;

    if (!stream) {
        SSL_free(ssl);
        (void)evutil_closesocket(fd);
    }
    return stream;
}

void connection_open(struct server *server, evutil_socket_t fd, const struct sockaddr *address, int address_size)
{
    struct bufferevent *stream = open_stream(server, fd);
    struct connection *connection = stream ? calloc(1, sizeof(*connection)) : NULL;
    const int on = 1;

    if (!connection) {
        if (stream)
            bufferevent_free(stream);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->server = server;
    connection->stream = stream;
    connection->deadline_ms = clock_ms() + server->limits.request_ms;
    describe_peer(address, address_size, connection->peer);
    http_parser_init(&connection->parser, HTTP_REQUEST, SERVER_MAX_BODY_BYTES);
    TAILQ_INSERT_TAIL(&server->connections, connection, link);
    server->count++;
    bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    bufferevent_setcb(stream, on_input, on_output_done, on_event, connection);
    bufferevent_setwatermark(stream, EV_READ, 0, MAX_WAITING_INPUT_BYTES);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE) < 0)
        connection_free(connection);
}

void connections_sweep(struct server *server, uint64_t at_ms)
{
    struct connection *connection = TAILQ_FIRST(&server->connections), *next;

    for (; connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (connection->state != STATE_COMMITTING && at_ms >= connection->deadline_ms)
            connection_free(connection);
    }
}

bool connections_evict(struct server *server)
{
    struct connection *connection, *longest = NULL;

    TAILQ_FOREACH(connection, &server->connections, link) {
        if (connection->state == STATE_COMMITTING || connection->state == STATE_WRITING)
            continue;
        if (connection->state == STATE_LINGERING || !longest)
            longest = connection;
        if (connection->state == STATE_LINGERING)
            break;
    }
    if (!longest)
        return false;
    connection_free(longest);
    return true;
}

void connections_drain(struct server *server)
{
    struct connection *connection = TAILQ_FIRST(&server->connections), *next;

    for (; connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        connection->close = true;
        if (connection->state == STATE_LINGERING || (connection->state == STATE_READING && !connection->begun))
            connection_free(connection);
    }
}

void connections_free(struct server *server)
{
    while (!TAILQ_EMPTY(&server->connections))
        connection_free(TAILQ_FIRST(&server->connections));
}
