/*
 * What verifying a report came to: the answer, the checks that led to it, and what the report says, for people and for
 * programs.
 */
#pragma once

#include "attest/policy.h"
#include "cli/evidence.h"

struct question {
    const char *report;
    struct option_list certificates; /* evidence_add() each */
    const char *policy;              /* NULL: none */
    const char *trust_root;          /* NULL: AMD's */
    const char *at;
    const char *product;             /* NULL: any; the processor model that is expected */
    bool allow_reserved;
    bool has_measurement, has_host_data, has_report_data;
    uint8_t measurement[MEASUREMENT_BYTES], host_data[HOST_DATA_BYTES], report_data[REPORT_DATA_BYTES];
    bool explain, json;
};

struct verdict {
    int exit_code;
    const char *code; /* stable: "good", "input", "report", "certificates", "chain", "revoked", "chip", "signature",
                         "root", or the name of the check that failed */
    struct reason why;
    time_t at;
    bool parsed; /* the report could be read; it is true only when `verified` */
    struct report report;
    bool verified;
    struct verified result;
    struct policy_decision decision;
};

/* Answers; never prints. */
void verdict_reach(const struct question *question, struct verdict *ret_verdict);

/* Prints; returns the exit code. */
int verdict_print(const struct question *question, const struct verdict *verdict);
