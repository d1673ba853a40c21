/* What a node has and lacks for SEV-SNP guests: a finding for each point, with what to do. */
#pragma once

#include "base/buffer.h"
#include "base/reason.h"

#define HOST_MAX_FINDINGS 24
#define HOST_TEXT_BYTES 256

enum host_outcome {
    HOST_GOOD,
    HOST_WARNING, /* guests start; something should be known */
    HOST_LACKING, /* no guest starts */
};

struct host_finding {
    const char *name; /* "processor", stable: programs look for it */
    enum host_outcome outcome;
    char found[HOST_TEXT_BYTES];
    char advice[HOST_TEXT_BYTES]; /* empty when it is good */
};

struct host_needs {
    const char *root;     /* "" for this machine, or a folder with what was recorded on another */
    const char *qemu;     /* program to ask for its version */
    uint64_t memory_mib;  /* of the guest */
    uint64_t guests;      /* that run at the same time */
};

struct host_report {
    struct host_finding findings[HOST_MAX_FINDINGS];
    size_t count;
};

/* Looks at every point; what cannot be read is a finding, too. */
void host_look(const struct host_needs *needs, struct host_report *ret_report);

/* Whether SNP guests can start: no point is lacking. */
bool host_ready(const struct host_report *report);

/* The findings, a line or two each, and whether guests can start, on standard output. */
void host_print(const struct host_report *report, bool colour);

/* The findings as a JSON array. */
void host_write_checks(const struct host_report *report, struct buffer *to);
