/* Connections; the client controls bytes and timing. */
#include "broker/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "broker/metrics.h"

/* Input that waits while an answer is made; more stays in the socket. */
#define MAX_WAITING_INPUT_BYTES (64u * 1024)
/* After the last answer: long enough for a client to read it before a reset could take it away. */
#define LINGER_MS 2000

enum state {
    STATE_READING,   /* a request, or nothing yet */
    STATE_ASKING,    /* the keeper has a question of it */
    STATE_WRITING,   /* its answer is on the way out */
    STATE_LINGERING, /* the last answer is out; input is thrown away */
};

struct connection {
    TAILQ_ENTRY(connection) link;
    struct server *server;
    struct bufferevent *stream;
    SSL *ssl; /* the stream's; NULL: plain */
    enum state state;
    bool begun; /* bytes of the present request have come */
    bool gone;  /* the client left while the keeper was asked */
    bool close; /* after the answer */
    bool head;
    uint64_t deadline_ms;
    char peer[ENTRY_PEER_BYTES];
    struct http_parser parser;
    uint8_t source[LIMIT_KEY_BYTES];
    enum kbs_place place;
    enum link_kind asked;
    char request[ENTRY_REQUEST_BYTES];
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

    reply_write(&connection->reply, connection->request, connection->close, connection->head, &text);
    reply_free(&connection->reply);
    http_parser_reset(&connection->parser);
    if (buffer_error(&text) < 0 || bufferevent_write(connection->stream, text.data, text.size) < 0) {
        connection_free(connection);
        return;
    }
    connection->state = STATE_WRITING;
    connection->deadline_ms = server_clock(connection->server) + connection->server->limits.request_ms;
}

void connection_answered(const struct link_answer *answer)
{
    /* The keeper repeats what it was given; a connection that asks is not freed before it is answered. */
    struct connection *connection = (struct connection *)(uintptr_t)answer->ticket;

    if (connection->gone) {
        connection_free(connection);
        return;
    }
    if (connection->asked == LINK_ATTEST && answer->verdict == VERDICT_OK)
        limit_note_known(connection->server->limit, connection->source, clock_ms());
    memcpy(connection->request, answer->request, sizeof(connection->request));
    reply_free(&connection->reply);
    kbs_take(connection->asked, answer, &connection->reply);
    if (connection->asked == LINK_METRICS)
        metrics_write_front(connection->server, &connection->reply.body);
    send_reply(connection);
}

/* An answer of our own. */
static void refuse(struct connection *connection, struct entry *entry)
{
    struct server *server = connection->server;

    server->verdicts[entry->verdict]++;
    kbs_refuse(entry, &connection->reply);
    memcpy(connection->request, entry->request, sizeof(connection->request));
    if (entry->verdict != VERDICT_RATE_LIMITED)
        journal_print(&server->journal, entry);
    send_reply(connection);
}

static void ask(struct connection *connection, struct link_question *question)
{
    question->ticket = (uint64_t)(uintptr_t)connection;
    memcpy(question->peer, connection->peer, sizeof(question->peer));
    connection->asked = question->kind;
    connection->state = STATE_ASKING;
    if (server_ask(connection->server, question) < 0)
        connection_free(connection);
}

static void answer(struct connection *connection)
{
    const struct http_message *message = &connection->parser.message;
    struct server *server = connection->server;
    struct link_question question;
    struct entry entry;

    connection->close = !message->keep_alive || server->draining;
    connection->head = strcmp(message->method, "HEAD") == 0;
    if (entry_init(&entry, connection->peer) < 0) {
        connection_free(connection);
        return;
    }
    if (connection->place == KBS_TLS && !limit_take(server->limit, connection->source, clock_ms())) {
        entry.event = "http";
        entry.verdict = VERDICT_RATE_LIMITED;
        connection->close = true;
        refuse(connection, &entry);
    } else if (kbs_read(server->kbs, connection->place, message, &entry, &connection->reply, &question)) {
        ask(connection, &question);
    } else {
        refuse(connection, &entry);
    }
}

/* What is not acceptable HTTP ends the connection. */
static void refuse_message(struct connection *connection, int error)
{
    struct entry entry;

    if (entry_init(&entry, connection->peer) < 0) {
        connection_free(connection);
        return;
    }
    connection->close = true;
    connection->head = false;
    entry.event = "http";
    entry.verdict = error != -EMSGSIZE              ? VERDICT_HTTP_MALFORMED
                    : connection->parser.head_done ? VERDICT_HTTP_TOO_LARGE
                                                   : VERDICT_HTTP_HEAD_TOO_LARGE;
    refuse(connection, &entry);
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
            connection->deadline_ms = server_clock(connection->server) + connection->server->limits.request_ms;
        }
        r = http_parser_feed(&connection->parser, evbuffer_pullup(input, (ev_ssize_t)size), size, &used);
        (void)evbuffer_drain(input, r < 0 ? size : used);
        if (r < 0)
            refuse_message(connection, r);
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
        connection->deadline_ms = server_clock(connection->server) + LINGER_MS;
        if (connection->ssl)
            (void)SSL_shutdown(connection->ssl);
        else
            (void)shutdown(bufferevent_getfd(stream), SHUT_WR);
        ERR_clear_error();
        (void)evbuffer_drain(bufferevent_get_input(stream), SIZE_MAX);
        return;
    }
    connection->state = STATE_READING;
    connection->begun = false;
    connection->deadline_ms = server_clock(connection->server) + connection->server->limits.idle_ms;
    read_request(connection);
}

static void on_event(struct bufferevent *stream, short events, void *argument)
{
    struct connection *connection = argument;

    (void)stream;
    if (!(events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (connection->state == STATE_ASKING)
        connection->gone = true;
    else
        connection_free(connection);
}

/* By hand: the C library's way may want to look interfaces up, which the sandbox does not let it. */
static void describe_peer(const struct sockaddr *address, char ret_peer[ENTRY_PEER_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    if (address->sa_family == AF_INET6) {
        memcpy(&six, address, sizeof(six));
        (void)inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof(host));
        (void)snprintf(ret_peer, ENTRY_PEER_BYTES, "[%s]:%u", host, ntohs(six.sin6_port));
    } else {
        memcpy(&four, address, sizeof(four));
        (void)inet_ntop(AF_INET, &four.sin_addr, host, sizeof(host));
        (void)snprintf(ret_peer, ENTRY_PEER_BYTES, "%s:%u", host, ntohs(four.sin_port));
    }
}

/* The stream over a socket, with its TLS side or plain; on failure the socket is closed. */
static struct bufferevent *open_stream(struct server *server, evutil_socket_t fd, SSL *ssl)
{
    const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    struct bufferevent *stream =
        ssl ? bufferevent_openssl_socket_new(server->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, options)
            : bufferevent_socket_new(server->base, fd, options);

    if (!stream) {
        SSL_free(ssl);
        (void)evutil_closesocket(fd);
    }
    return stream;
}

void connection_open(struct server *server, evutil_socket_t fd, const struct sockaddr *address, int address_size,
                     enum kbs_place place)
{
    SSL *ssl = place == KBS_TLS ? SSL_new(server->tls) : NULL;
    struct bufferevent *stream;
    struct connection *connection;
    const int on = 1;

    (void)address_size;
    if (place == KBS_TLS && !ssl) {
        (void)evutil_closesocket(fd);
        return;
    }
    stream = open_stream(server, fd, ssl);
    connection = stream ? calloc(1, sizeof(*connection)) : NULL;
    if (!connection) {
        if (stream)
            bufferevent_free(stream);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->server = server;
    connection->stream = stream;
    connection->ssl = ssl;
    connection->place = place;
    connection->deadline_ms = server_clock(server) + server->limits.request_ms;
    describe_peer(address, connection->peer);
    limit_key(address, connection->source);
    http_parser_init(&connection->parser, HTTP_REQUEST, SERVER_MAX_BODY_BYTES);
    TAILQ_INSERT_TAIL(&server->connections, connection, link);
    server->count++;
    if (ssl)
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    bufferevent_setcb(stream, on_input, on_output_done, on_event, connection);
    bufferevent_setwatermark(stream, EV_READ, 0, MAX_WAITING_INPUT_BYTES);
    if (bufferevent_enable(stream, EV_READ | EV_WRITE) < 0)
        connection_free(connection);
}

void connections_sweep(struct server *server)
{
    uint64_t at_ms = server_clock(server);
    struct connection *connection = TAILQ_FIRST(&server->connections), *next;

    for (; connection; connection = next) {
        next = TAILQ_NEXT(connection, link);
        if (connection->state != STATE_ASKING && at_ms >= connection->deadline_ms)
            connection_free(connection);
    }
}

bool connections_evict(struct server *server)
{
    struct connection *connection, *longest = NULL, *stranger = NULL;
    uint64_t at = clock_ms();

    TAILQ_FOREACH(connection, &server->connections, link) {
        if (connection->state == STATE_ASKING || connection->state == STATE_WRITING)
            continue;
        if (!longest)
            longest = connection;
        if (connection->state == STATE_LINGERING || !limit_is_known(server->limit, connection->source, at)) {
            stranger = connection;
            break;
        }
    }
    if (!longest)
        return false;
    connection_free(stranger ? stranger : longest);
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
