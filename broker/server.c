/* Listening, TLS, the loop, the link. */
#include "broker/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cursor.h"
#include "broker/connection.h"
#include "broker/front.h"
#include "broker/keys.h"

#define LISTEN_FLAGS (LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED)
#define LINK_READ_BYTES (1u << 20)
#define TICK_MS 1000
#define TICK_TOLERANCE_MS 200

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *argument)
{
    struct server *server = argument;
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    uint8_t source[LIMIT_KEY_BYTES];

    limit_key(address, source);
    if (listener == server->listener && !limit_take(server->limit, source, clock_ms())) {
        server->limited++;
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        (void)evutil_closesocket(fd);
        return;
    }
    if (server->count >= server->limits.connections) {
        server->evicted++;
        if (!connections_evict(server)) {
            (void)evutil_closesocket(fd);
            return;
        }
    }
    server->accepted++;
    connection_open(server, fd, address, size, listener == server->listener ? KBS_TLS : KBS_METRICS);
}

/* Out of files, most likely of the whole machine's: the tick tries again. */
static void on_accept_error(struct evconnlistener *listener, void *argument)
{
    struct server *server = argument;

    journal_note(&server->journal, "listen", "connections cannot be accepted: %s", strerror(errno));
    (void)evconnlistener_disable(listener);
}

uint64_t server_clock(const struct server *server)
{
    return clock_ms() - server->lost_ms;
}

static void note_lateness(struct server *server, uint64_t at)
{
    uint64_t due = server->ticked_ms + TICK_MS + TICK_TOLERANCE_MS;

    if (at > due)
        server->lost_ms += at - due;
    server->ticked_ms = at;
}

/* Once a second: whatever time has run out for. */
static void on_tick(evutil_socket_t fd, short events, void *argument)
{
    struct server *server = argument;
    uint64_t at = clock_ms();

    (void)fd;
    (void)events;
    note_lateness(server, at);
    connections_sweep(server);
    if (server->tls)
        server_listen(server);
    if (server->draining && at >= server->drain_deadline_ms)
        (void)event_base_loopexit(server->base, NULL);
}

void server_listen(struct server *server)
{
    if (server->listener)
        (void)evconnlistener_enable(server->listener);
    if (server->metrics)
        (void)evconnlistener_enable(server->metrics);
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    server->drain_deadline_ms = clock_ms() + SERVER_DRAIN_MS;
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->metrics)
        evconnlistener_free(server->metrics);
    server->listener = server->metrics = NULL;
    connections_drain(server);
    if (!server->count)
        (void)event_base_loopexit(server->base, NULL);
}

/* TLS 1.3 and nothing that outlives a connection: no tickets, no resumption, no early data. */
static SSL_CTX *make_tls(EVP_PKEY *key, X509 *certificate)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (!tls)
        return NULL;
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(tls, 0) != 1 ||
        SSL_CTX_use_certificate(tls, certificate) != 1 || SSL_CTX_use_PrivateKey(tls, key) != 1) {
        ERR_clear_error();
        SSL_CTX_free(tls);
        return NULL;
    }
    return tls;
}

int server_set_tls(struct server *server, int key_fd, int certificate_fd)
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    struct reason why = { "" };
    SSL_CTX *tls;
    int r = keys_read_tls(key_fd, certificate_fd, &key, &certificate, &why);

    if (r < 0) {
        journal_note(&server->journal, "reload", "%s", reason_text(&why, r));
        return r;
    }
    tls = make_tls(key, certificate);
    EVP_PKEY_free(key);
    X509_free(certificate);
    if (!tls)
        return -ENOMEM;
    SSL_CTX_free(server->tls);
    server->tls = tls;
    return 0;
}

int server_ask(struct server *server, const struct link_question *question)
{
    CLEANUP_BUFFER struct buffer frame = BUFFER_EMPTY;

    link_write_question(question, &frame);
    if (buffer_error(&frame) < 0 || frame.size > LINK_MAX_BYTES ||
        bufferevent_write(server->link, frame.data, frame.size) < 0)
        return -ENOMEM;
    return 0;
}

static void on_answers(struct bufferevent *stream, void *argument)
{
    struct server *server = argument;
    struct evbuffer *input = bufferevent_get_input(stream);

    for (;;) {
        uint8_t head[LINK_FRAME_BYTES];
        struct link_answer answer;
        size_t size;

        if (evbuffer_copyout(input, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
            return;
        size = get_u32le(head);
        if (size <= LINK_MAX_BYTES && evbuffer_get_length(input) < sizeof(head) + size)
            return;
        (void)evbuffer_drain(input, sizeof(head));
        if (size > LINK_MAX_BYTES || link_parse_answer(evbuffer_pullup(input, (ev_ssize_t)size), size, &answer) < 0) {
            (void)event_base_loopbreak(server->base);
            return;
        }
        connection_answered(&answer);
        (void)evbuffer_drain(input, size);
    }
}

static void on_link_event(struct bufferevent *stream, short events, void *argument)
{
    struct server *server = argument;

    (void)stream;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        (void)event_base_loopbreak(server->base);
}

static struct evconnlistener *open_listener(struct server *server, int fd)
{
    struct evconnlistener *listener;

    if (fd < 0)
        return NULL;
    (void)evutil_make_socket_nonblocking(fd);
    listener = evconnlistener_new(server->base, on_accept, server, LISTEN_FLAGS, 0, fd);
    if (listener)
        evconnlistener_set_error_cb(listener, on_accept_error);
    return listener;
}

static int open_link(struct server *server, int fd)
{
    (void)evutil_make_socket_nonblocking(fd);
    server->link = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!server->link)
        return -ENOMEM;
    (void)bufferevent_set_max_single_read(server->link, LINK_READ_BYTES);
    bufferevent_setcb(server->link, on_answers, NULL, on_link_event, server);
    return bufferevent_enable(server->link, EV_READ | EV_WRITE) < 0 ? -ENOMEM : 0;
}

int server_open(struct server *server, const struct front_settings *settings)
{
    const struct timeval second = { .tv_sec = 1 };

    *server = (struct server){ .limits = settings->limits, .ticked_ms = clock_ms() };
    TAILQ_INIT(&server->connections);
    journal_init(&server->journal, NULL, settings->trust);
    server->kbs = calloc(1, sizeof(*server->kbs));
    server->limit = calloc(1, sizeof(*server->limit));
    server->base = event_base_new();
    if (!server->base || !server->kbs || !server->limit)
        return -ENOMEM;
    server->kbs->keep_evidence = settings->keep_evidence;
    if (limit_init(server->limit, &settings->limits.rates) < 0)
        return -EIO;
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    if (!server->tick || event_add(server->tick, &second) < 0 || open_link(server, settings->link) < 0)
        return -ENOMEM;
    server->listener = open_listener(server, settings->listener);
    server->metrics = open_listener(server, settings->metrics);
    return server->listener && (server->metrics || settings->metrics < 0) ? 0 : -ENOMEM;
}

void server_run(struct server *server)
{
    (void)event_base_dispatch(server->base);
}

void server_free(struct server *server)
{
    connections_free(server);
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->metrics)
        evconnlistener_free(server->metrics);
    if (server->tick)
        event_free(server->tick);
    if (server->link)
        bufferevent_free(server->link);
    if (server->base) {
        /* Bufferevents are let go in a turn of the loop after the one that freed them. */
        (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
        event_base_free(server->base);
    }
    SSL_CTX_free(server->tls);
    free(server->kbs);
    free(server->limit);
    *server = (struct server){ .count = 0 };
}
