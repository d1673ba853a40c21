/*
 * The server: one listening socket, one event loop, a bounded number of connections that each have to make progress.
 */
#pragma once

#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/endpoint.h"
#include "base/reason.h"
#include "broker/journal.h"
#include "broker/kbs.h"

/* Answers in flight get so long after SIGTERM. */
#define SERVER_DRAIN_MS 5000
/* Room for a report and the largest certificate table that a guest device gives, each byte as ",255". */
#define SERVER_MAX_BODY_BYTES (96u * 1024)

struct server_limits {
    unsigned connections;
    uint64_t request_ms; /* from connecting to the first byte, and from a request's first byte to its last */
    uint64_t idle_ms;    /* between requests; a guest waits for its processor there */
};

struct connection;

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *commit, *tick, *signals[2];
    SSL_CTX *tls;
    const struct kbs *kbs;
    struct journal *journal;
    struct server_limits limits;
    TAILQ_HEAD(connection_list, connection) connections; /* oldest first */
    size_t count;
    bool draining;
    uint64_t drain_deadline_ms;
};

/*
 * Binds and prepares; nothing is accepted before server_run(). `kbs` and `journal` outlive the server.
 * Errors: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and the like for the address; -EMFILE when the process may not have that
 * many files; -ENOMEM.
 */
int server_open(struct server *server, const struct kbs *kbs, struct journal *journal, const struct endpoint *listen,
                const struct server_limits *limits, struct reason *why) MUST_CHECK;

/* Serves until SIGTERM or SIGINT and the answers in flight are out. */
void server_run(struct server *server);

void server_free(struct server *server);

/* Asks for a commit at the end of this turn of the loop. */
void server_want_commit(struct server *server);
