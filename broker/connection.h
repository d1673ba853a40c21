/*
 * One client: TLS, then HTTP requests one after the other, each answered before the next is read.
 *
 * Time is bounded by deadlines that bytes do not extend, so dribbling helps nobody.
 */
#pragma once

#include <event2/util.h>
#include <sys/socket.h>

#include "base/base.h"
#include "broker/server.h"

/* Takes the socket over, whatever happens. */
void connection_open(struct server *server, evutil_socket_t fd, const struct sockaddr *address, int address_size,
                     enum kbs_place place);

/* The keeper's answer to a question of one of the connections; its ticket names which. */
void connection_answered(const struct link_answer *answer);

/* Closes those whose time is up. */
void connections_sweep(struct server *server);

/* Closes the one that has kept us waiting longest, a stranger's if there is one; false when every one waits for us. */
bool connections_evict(struct server *server);

/* Closes those that are in no request; the others end after their answer. */
void connections_drain(struct server *server);

/* Closes all. */
void connections_free(struct server *server);
