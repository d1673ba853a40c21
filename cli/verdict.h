/*
 * What verifying a report came to: the answer, the checks that led to it, and what the report says, for people and for
 * programs.
 */
#pragma once

#include "attest/policy.h"
#include "cli/evidence.h"
#include "cli/selftest.h"

struct question {
    const char *report;
    const struct selftest *selftest; /* holds report and certificates, and `report` is its file; NULL: files do */
    struct option_list certificates; /* evidence_add() each */
    const char *policy;              /* NULL: none */
    struct option_list manifests;    /* believed when the policy's signers have signed them */
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
                         "root", "manifest", or the name of the check that failed */
    struct reason why;
    time_t at;
    bool parsed; /* the report could be read; it is true only when `verified` */
    struct report report;
    bool verified;
    struct verified result;
    struct policy_decision decision;
};

/* What all verbs that ask have. */
#define VERDICT_ROWS(question)                                                                                         \
    OPTION("at", "TIME", "verify as of 2026-11-22, 2026-11-22T08:00:00Z or @SECONDS (default now)", OPTION_TEXT,       \
           &(question)->at),                                                                                           \
    OPTION("trust-root", "FILE", "trust this root (PEM) in the place of AMD's: a test's", OPTION_TEXT,                 \
           &(question)->trust_root),                                                                                   \
    OPTION("allow-reserved", NULL, "accept reserved bytes that are not zero", OPTION_FLAG,                             \
           &(question)->allow_reserved),                                                                               \
    OPTION("explain", NULL, "print each check: what was wanted, what was found", OPTION_FLAG, &(question)->explain),  \
    OPTION("json", NULL, "print one JSON object", OPTION_FLAG, &(question)->json)

/* Answers; never prints. */
void verdict_reach(const struct question *question, struct verdict *ret_verdict);

/* Prints; returns the exit code. */
int verdict_print(const struct question *question, const struct verdict *verdict);

/* Answers about the launch in a file of `postern host selftest`, and prints; returns the exit code. */
int selftest_verify(const char *path, struct question *question) MUST_CHECK;
