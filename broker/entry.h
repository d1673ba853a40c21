/*
 * One thing that happened, as the log tells it: a JSON object on one line, the same on standard error and in the store.
 * Nothing in it is secret. Texts from outside are printable ASCII by the time they are here.
 *
 *     time, request, peer, event, outcome, reason, trust, then as far as they apply: resource, version, generation,
 *     epoch, live (other launches that hold a lease of it), measurement, report_id, chip_id, report (SHA-384 of its
 *     signed part), policy (SHA-256 of its document), checks [{check, passed, wanted, found}], detail
 */
#pragma once

#include <time.h>

#include "attest/policy.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "broker/session.h"
#include "broker/verdict.h"

#define ENTRY_REQUEST_BYTES 17
#define ENTRY_PEER_BYTES 64

/* Which kind of row an event becomes. */
enum entry_keep {
    ENTRY_LINE,    /* none: a line alone */
    ENTRY_REFUSED, /* bounded: anybody can cause it */
    ENTRY_LOG,     /* kept */
};

struct entry {
    struct timespec time;
    char request[ENTRY_REQUEST_BYTES]; /* 16 hexadecimal digits; the client gets it too */
    char peer[ENTRY_PEER_BYTES];
    const char *event; /* "http", "auth", "attest", "release", "confirm"; NULL: not worth a line */
    enum verdict verdict;
    enum entry_keep keep;
    char resource[RELEASE_MAX_RESOURCE_BYTES + 1]; /* empty: none */
    uint64_t version;                              /* of the volume; 0: none */
    uint64_t generation, epoch;                    /* of the release; 0: none */
    unsigned live;                                 /* with a generation */
    bool has_report;                               /* the next four come from verified evidence */
    uint8_t measurement[MEASUREMENT_BYTES];
    uint8_t report_id[REPORT_ID_BYTES];
    uint8_t chip_id[CHIP_ID_BYTES];
    uint8_t report_digest[SHA384_BYTES];
    bool has_policy;
    uint8_t policy_digest[SHA256_BYTES];
    struct policy_decision decision;
    struct reason detail; /* empty: none */
};

/* An entry with the present time and a request id of its own. Errors: -EIO when there is no randomness. */
int entry_init(struct entry *entry, const char *peer) MUST_CHECK;

/* Its time, in milliseconds since 1970. */
uint64_t entry_ms(const struct entry *entry);

void entry_take_report(struct entry *entry, const struct report *report, const uint8_t digest[SHA384_BYTES]);

/* Appends the object, without a newline. `trust` is trust_word(). */
void entry_write(const struct entry *entry, const char *trust, struct buffer *to);

/* Appends {"time":…,"event":EVENT,"trust":…,"detail":…} for what concerns no request. */
void entry_write_note(const char *event, const char *trust, const char *detail, struct buffer *to);

/* Appends {"time":…,"request":…,"event":EVENT,"uid":…,"resource":…,"detail":…} for what an operator changed. */
void entry_write_change(const struct entry *entry, const char *event, unsigned uid, const char *resource,
                        const char *detail, struct buffer *to);

/* "amd-root", or "software-root" when the trusted root is a software secure processor's. */
const char *trust_word(bool software);
