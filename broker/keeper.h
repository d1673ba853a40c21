/*
 * The process that decides: it holds keys, sessions and store, and answers the front's questions (link.h). It speaks
 * with nobody else on the network.
 *
 * Questions that have come while the last commit waited for the disk share the next transaction; their answers leave
 * together after it.
 */
#pragma once

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/base.h"
#include "base/reason.h"
#include "broker/broker.h"
#include "broker/journal.h"

struct admin;

struct keeper {
    struct broker *broker;
    struct journal *journal;
    const char *evidence_directory; /* each attestation's body is kept there; NULL: none is */
    struct event_base *base;
    struct bufferevent *link;
    struct event *commit, *later, *tick, *ready, *signals[3];
    struct message_attestation *attestation; /* of the question being read */
    struct admin *admin; /* admin.h; the owner's */
    int control;   /* to the front (front.h) */
    int ready_fd;  /* told once the front listens; -1: nobody */
    bool draining;
    bool lost; /* the front went away by itself */
    int (*reload)(struct keeper *keeper, struct reason *why);
    void *context; /* of reload() */
    uint64_t verdicts[VERDICTS];
    uint64_t commits;
};

/* Prepares; `link` and `control` are taken over. Errors: -ENOMEM. */
int keeper_open(struct keeper *keeper, int link, int control) MUST_CHECK;

/* Serves until the front has ended. */
void keeper_run(struct keeper *keeper);

/* Asks the front to finish, as SIGTERM does. */
void keeper_drain(struct keeper *keeper, const char *cause);

/* Reads keys and roots again, as SIGHUP does; 0, or what stands in `why`, and all is as it was. */
int keeper_reload(struct keeper *keeper, struct reason *why) MUST_CHECK;

void keeper_free(struct keeper *keeper);
