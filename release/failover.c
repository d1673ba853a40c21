/* Fail-over between brokers; which of them there are is measured, or signed by a measured key. */
#include "release/failover.h"

#include <errno.h>

#include "base/clock.h"

int release_from_brokers(const struct release_request *request, const struct release_broker *brokers, size_t count,
                         uint64_t deadline_ms, struct record *ret_record, struct secret *ret_key, size_t *ret_broker,
                         struct release_result *ret_result, struct reason *why)
{
    int r = -ENOTCONN;

    *ret_result = (struct release_result){ .outcome = RELEASE_TRANSPORT };
    for (size_t i = 0; i < count && r < 0 && ret_result->outcome == RELEASE_TRANSPORT; i++) {
        struct release_request one = *request;
        uint64_t share_ms = (uint64_t)clock_left_ms(deadline_ms) / (count - i);
        CLEANUP_KEY EVP_PKEY *key = brokers[i].record_key.given ? key_p384_load(&brokers[i].record_key) : NULL;

        *ret_broker = i;
        one.broker = brokers[i].peer;
        one.record_key = key;
        r = release_until(&one, clock_ms() + share_ms, ret_record, ret_key, ret_result, why);
    }
    return r;
}
