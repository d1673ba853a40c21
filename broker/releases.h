/*
 * Who has got what: one row for each volume (its version) and launch (its REPORT_ID). A launch gets a volume once;
 * asking again with the same key it gets the same.
 */
#pragma once

#include "attest/report.h"
#include "base/base.h"
#include "base/reason.h"
#include "broker/entry.h"
#include "broker/session.h"
#include "broker/store.h"
#include "release/record.h"

struct release_row {
    uint8_t key[GUEST_KEY_NAME_BYTES];
    enum record_state state;
    uint64_t generation;
    uint64_t epoch;
    bool confirmed;
};

/* 1 and the row, or 0 when that launch has not got it. Errors: those of store_open(). */
int release_find(struct store *store, uint64_t version, const uint8_t report_id[REPORT_ID_BYTES],
                 struct release_row *ret_row, struct reason *why) MUST_CHECK;

/* Adds a row; the entry gives version, launch, request id and time. */
int release_add(struct store *store, const struct entry *entry, const struct release_row *row, struct reason *why)
    MUST_CHECK;

/* The launch has confirmed its epoch, or shown that it still lives. */
int release_confirm(struct store *store, const struct entry *entry, struct reason *why) MUST_CHECK;

/* It asked again. */
int release_renew(struct store *store, const struct entry *entry, struct reason *why) MUST_CHECK;

/* How many other launches have got it, and were heard of within the lease (milliseconds); 100 stands for more. */
int release_count_live(struct store *store, const struct entry *entry, uint64_t lease_ms, unsigned *ret_count,
                       struct reason *why) MUST_CHECK;
