/*
 * The front's event loop: a listening socket, a bounded number of connections that each have to make progress, and the
 * link to the keeper.
 */
#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/reason.h"
#include "broker/journal.h"
#include "broker/kbs.h"
#include "broker/limit.h"

/* Answers in flight get so long after SIGTERM. */
#define SERVER_DRAIN_MS 5000
/* Room for a report and the largest certificate table that a guest device gives, each byte as ",255". */
#define SERVER_MAX_BODY_BYTES (96u * 1024)

struct server_limits {
    unsigned connections;
    uint64_t request_ms; /* from connecting to the first byte, and from a request's first byte to its last */
    uint64_t idle_ms;    /* between requests; a guest waits for its processor there */
    struct limit_settings rates;
};

struct connection;
struct front_settings;

struct server {
    struct event_base *base;
    struct evconnlistener *listener, *metrics;
    struct event *tick;
    struct bufferevent *link;
    SSL_CTX *tls;
    struct kbs *kbs;
    struct limit *limit;
    struct journal journal; /* for printing alone */
    struct server_limits limits;
    TAILQ_HEAD(connection_list, connection) connections; /* oldest first */
    size_t count;
    uint64_t ticked_ms; /* when the last tick ran */
    uint64_t lost_ms;   /* that ticks were late, all together */
    bool draining;
    uint64_t drain_deadline_ms;
    uint64_t verdicts[VERDICTS], accepted, limited, evicted;
};

/* Prepares; nothing is accepted before server_listen(). Takes listeners and link over. Errors: -ENOMEM, -EIO. */
int server_open(struct server *server, const struct front_settings *settings) MUST_CHECK;

/* TLS 1.3 with the key and certificate of these descriptors. Errors: -EBADMSG, -ENOMEM; the old ones stay then. */
int server_set_tls(struct server *server, int key, int certificate) MUST_CHECK;

void server_listen(struct server *server);

/* Serves until server_drain() and the answers in flight are out, or the keeper is gone. */
void server_run(struct server *server);

void server_drain(struct server *server);

void server_free(struct server *server);

/*
 * Milliseconds for deadlines of clients. It stands still while the loop is behind its own ticks: a client is not sent
 * away for time that the broker took, or else a crowd that is too large for a slow machine would never be served.
 */
uint64_t server_clock(const struct server *server);

/* Puts a question to the keeper; connection_answered() gets what comes back. Errors: -ENOMEM. */
int server_ask(struct server *server, const struct link_question *question) MUST_CHECK;
