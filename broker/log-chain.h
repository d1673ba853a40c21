/*
 * The log of decisions: rows that are chained by hashes, so that none can be changed, put in or taken out afterwards
 * without its being seen.
 *
 * Row N's hash is SHA-256 over the hash of row N-1 (32 zero bytes before the first), N (64 bits, little-endian), the
 * length of the line (32 bits, little-endian) and the line. Numbers have no gaps. Whoever can write the store can write
 * a whole chain of his own, or cut off its end: keep the head that `log verify` prints elsewhere.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "broker/store.h"
#include "measure/measure.h"

/* Appends a row to the caller's transaction. Errors: those of store_open(). */
int log_chain_add(struct store *store, uint64_t time_ms, const char *request, const void *line, size_t size,
                  struct reason *why) MUST_CHECK;

/* The hash of a row after the one with `previous`. Errors: -ENOMEM. */
int log_chain_hash(const uint8_t previous[SHA256_BYTES], uint64_t id, const void *line, size_t size,
                   uint8_t ret_hash[SHA256_BYTES]) MUST_CHECK;
