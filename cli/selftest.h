/*
 * The file of `postern host selftest`: one launch of a release, with everything by which others can verify it. Whoever
 * made the file controls every byte; what counts of it is what the report's signature covers.
 */
#pragma once

#include "cli/boot-record.h"
#include "cli/host.h"
#include "measure/measure.h"

#define SELFTEST_MAX_BYTES (512u * 1024)
#define SELFTEST_VERSION 1u

struct selftest {
    bool software; /* postern-psp was the processor */
    uint64_t vcpus, features;
    char vcpu_type[48];
    uint8_t predicted[LAUNCH_DIGEST_BYTES]; /* of the manifest's row */
    uint8_t report[REPORT_BYTES];
    char *certificates; /* PEM: chain and revocation list; NULL: none */
    struct boot_record record;
};

/* The caller calls selftest_free(), whatever the result. Errors: -EBADMSG, -E2BIG, -ENOMEM, with a sentence. */
int selftest_parse(const void *text, size_t size, struct selftest *ret_selftest, struct reason *why) MUST_CHECK;

/*
 * The text of the file: `host` are findings on the machine, NULL for none; `console` is what the guest said, of which
 * the lines of its boot record are kept. Errors are those of the buffer.
 */
void selftest_write(const struct selftest *selftest, const struct host_report *host, const char *console, size_t size,
                    struct buffer *to);

void selftest_free(struct selftest *selftest);
