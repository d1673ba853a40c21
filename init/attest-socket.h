/*
 * Evidence for the workload, without a device in its hands: a Unix socket with a small HTTP API after
 * confidential-containers' api-server-rest. What the caller gives is hashed under a domain label and the report
 * carries a purpose tag (attest/purpose.h): no such report obtains a volume key. Beside it the configured resources,
 * which PID 1 had from the broker with the volumes' keys.
 */
#pragma once

#include "attest/cert-table.h"
#include "attest/device.h"
#include "init/config.h"
#include "base/reason.h"

#define ATTEST_SOCKET_PATH "/run/postern/attest.sock"
#define ATTEST_LABEL "evidence"
/* What the firmware stands: some reports at once, then one every two seconds. */
#define ATTEST_BURST 4u
#define ATTEST_REFILL_MS 2000u

/* Reports that may still be had. */
struct attest_budget {
    unsigned left;
    uint64_t refilled_ms;
};

/* Takes one, when there is one; `now_ms` never goes back. */
bool attest_budget_take(struct attest_budget *budget, uint64_t now_ms);

/*
 * Starts the server as a child that has no capabilities and no descriptors but its own; nothing when the configuration
 * does not ask for it. The resources, in the order of the configuration, are the child's alone afterwards. The socket
 * is there when this returns. Errors: -errno, with a sentence.
 */
int attest_socket_start(const struct config_attestation *config, struct secret *resources,
                        struct reason *why) MUST_CHECK;

/*
 * Answers one connection, from its user's check to its end; for tests. `paths` as device_get_report()'s. Never fails: a
 * caller that goes away is its own affair.
 */
void attest_socket_answer(int connection, const struct config_attestation *config, const struct secret *resources,
                          const struct device_paths *paths, struct attest_budget *budget);
