/*
 * Writing decisions down: releases and confirmations before anybody hears of them.
 *
 * Rows of one turn of the event loop share one transaction: each is inserted when its decision falls, and at the end
 * of the turn one commit, which waits for the disk, makes all of them good. Only then are the lines printed and the
 * answers sent. When the commit fails there is no row and no answer but a failure.
 */
#pragma once

#include <sys/queue.h>

#include "base/base.h"
#include "broker/entry.h"
#include "broker/store.h"

/* So many share a transaction at the most. */
#define JOURNAL_MAX_BATCH 64

/* A decision that waits for its commit; lives inside whatever waits. */
struct journal_ticket {
    STAILQ_ENTRY(journal_ticket) next;
    struct entry *entry; /* its verdict becomes VERDICT_STORE when it could not be written */
    void *owner;
    bool answered; /* nobody waits for it */
    void (*done)(struct journal_ticket *ticket);
};

struct journal {
    struct store *store;
    const char *trust;
    STAILQ_HEAD(journal_queue, journal_ticket) waiting, later;
    size_t count, later_count;
    bool open; /* a transaction */
    int error; /* of it */
    struct reason why;
    bool healthy; /* whether the last commit succeeded */
};

void journal_init(struct journal *journal, struct store *store, const char *trust);

/*
 * Opens the transaction that the next decision belongs to, unless it is open. Errors: those of store_open(); the
 * decision is then VERDICT_STORE, and is added all the same.
 */
int journal_begin(struct journal *journal) MUST_CHECK;

/* The open transaction will not be committed: a decision could not be written in full. */
void journal_spoil(struct journal *journal, int error, const struct reason *why);

/* Takes a decision in. Its done() is called once, from journal_commit(); and perhaps from here. */
void journal_add(struct journal *journal, struct journal_ticket *ticket);

/*
 * The same for what nothing waits for: an attestation, or a refusal that gives nothing away. Its row joins the next
 * transaction, which the caller sees to within moments; when that cannot be committed the row is lost, and a line says
 * so.
 */
void journal_add_later(struct journal *journal, struct journal_ticket *ticket);

/* Commits, prints the lines, calls every done(). Nothing when nothing waits. */
void journal_commit(struct journal *journal);

/* Prints the line of an entry that is not kept, or of what concerns no request. */
void journal_print(const struct journal *journal, const struct entry *entry);
void journal_note(const struct journal *journal, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
