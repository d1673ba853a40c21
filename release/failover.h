/*
 * Several brokers for one volume, in the order in which they are tried.
 */
#pragma once

#include "base/key.h"
#include "release/client.h"

struct release_broker {
    struct tls_peer peer;
    struct key_p384 record_key; /* not given: it gives out no records */
};

/*
 * release_until() with one broker after the other; those of `request` are not looked at. Only a broker that cannot be
 * reached, or fails, until its equal share of the time is over hands over to the next: every other answer is final, so
 * that nobody who refuses, or is refused, is passed over. ret_broker: which of them the result is of. Errors: those of
 * release_until(); -ENOTCONN without brokers.
 */
int release_from_brokers(const struct release_request *request, const struct release_broker *brokers, size_t count,
                         uint64_t deadline_ms, struct record *ret_record, struct secret *ret_key, size_t *ret_broker,
                         struct release_result *ret_result, struct reason *why) MUST_CHECK;
