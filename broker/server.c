/* Listening, TLS, the loop, signals. */
#include "broker/server.h"

#include <errno.h>
#include <openssl/err.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "broker/connection.h"

#define BACKLOG 1024
/* Files that are not connections: the store, its log and index, the listener, epoll, signals, saved evidence. */
#define OTHER_FILES 64

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *argument)
{
    struct server *server = argument;

    (void)listener;
    if (server->count >= server->limits.connections && !connections_evict(server)) {
        (void)evutil_closesocket(fd);
        return;
    }
    connection_open(server, fd, address, size);
}

/* Out of files, most likely of the whole machine's: the tick tries again. */
static void on_accept_error(struct evconnlistener *listener, void *argument)
{
    struct server *server = argument;

    journal_note(server->journal, "listen", "connections cannot be accepted: %s", strerror(errno));
    (void)evconnlistener_disable(listener);
}

static void on_commit(evutil_socket_t fd, short events, void *argument)
{
    struct server *server = argument;

    (void)fd;
    (void)events;
    journal_commit(server->journal);
}

void server_want_commit(struct server *server)
{
    event_active(server->commit, EV_TIMEOUT, 1);
}

/* Once a second: whatever time has run out for. */
static void on_tick(evutil_socket_t fd, short events, void *argument)
{
    struct server *server = argument;
    uint64_t at = clock_ms();

    (void)fd;
    (void)events;
    sessions_expire(&server->kbs->broker->sessions, at);
    connections_sweep(server, at);
    if (server->listener)
        (void)evconnlistener_enable(server->listener);
    if (server->draining && at >= server->drain_deadline_ms)
        (void)event_base_loopexit(server->base, NULL);
}

static void on_signal(evutil_socket_t number, short events, void *argument)
{
    struct server *server = argument;

    (void)events;
    if (server->draining)
        return;
    journal_note(server->journal, "stop", "signal %d: finishing the answers in flight", (int)number);
    server->draining = true;
    server->drain_deadline_ms = clock_ms() + SERVER_DRAIN_MS;
    evconnlistener_free(server->listener);
    server->listener = NULL;
    connections_drain(server);
    if (!server->count)
        (void)event_base_loopexit(server->base, NULL);
}

/* TLS 1.3 and nothing that outlives a connection: no tickets, no resumption, no early data. */
static int open_tls(struct server *server, const struct keys *keys)
{
    server->tls = SSL_CTX_new(TLS_server_method());
    if (!server->tls)
        return -ENOMEM;
    (void)SSL_CTX_set_session_cache_mode(server->tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(server->tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_mode(server->tls, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(server->tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(server->tls, 0) != 1 ||
        SSL_CTX_use_certificate(server->tls, keys->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(server->tls, keys->tls) != 1) {
        ERR_clear_error();
        return -ENOMEM;
    }
    return 0;
}

/* As many files as connections may need. */
static int allow_files(unsigned connections, struct reason *why)
{
    rlim_t needed = (rlim_t)connections + OTHER_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur >= needed)
        return 0;
    if (limit.rlim_max < needed)
        return reason_set(why, -EMFILE,
                          "%u connections need %llu open files, this process may have %llu: lower --max-connections or "
                          "raise the limit",
                          connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int open_listener(struct server *server, const struct endpoint *listen, struct reason *why)
{
    struct sockaddr_storage address = listen->address;

    server->listener = evconnlistener_new_bind(server->base, on_accept, server,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                               BACKLOG, (struct sockaddr *)&address, (int)listen->address_size);
    if (!server->listener)
        return reason_set(why, -errno, "%s: cannot be listened on: %s", listen->authority, strerror(errno));
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return 0;
}

static int open_events(struct server *server)
{
    static const int numbers[] = { SIGTERM, SIGINT };
    const struct timeval second = { .tv_sec = 1 };

    server->commit = event_new(server->base, -1, 0, on_commit, server);
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        server->signals[i] = evsignal_new(server->base, numbers[i], on_signal, server);
        if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    return !server->commit || !server->tick || event_add(server->tick, &second) < 0 ? -ENOMEM : 0;
}

int server_open(struct server *server, const struct kbs *kbs, struct journal *journal, const struct endpoint *listen,
                const struct server_limits *limits, struct reason *why)
{
    int r;

    *server = (struct server){ .kbs = kbs, .journal = journal, .limits = *limits };
    TAILQ_INIT(&server->connections);
    r = allow_files(limits->connections, why);
    if (r < 0)
        return r;
    /* A client that leaves, or a full disk, is an error of one write and not the end of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    server->base = event_base_new();
    r = server->base ? open_tls(server, &kbs->broker->keys) : -ENOMEM;
    if (r == 0)
        r = open_events(server);
    if (r == 0)
        r = open_listener(server, listen, why);
    if (r < 0)
        server_free(server);
    return r;
}

void server_run(struct server *server)
{
    (void)event_base_dispatch(server->base);
    journal_commit(server->journal);
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

void server_free(struct server *server)
{
    connections_free(server);
    if (server->listener)
        evconnlistener_free(server->listener);
    free_event(&server->commit);
    free_event(&server->tick);
    free_event(&server->signals[0]);
    free_event(&server->signals[1]);
    if (server->base) {
        /* Bufferevents are let go in a turn of the loop after the one that freed them. */
        (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
        event_base_free(server->base);
    }
    SSL_CTX_free(server->tls);
    *server = (struct server){ .count = 0 };
}
