/*
 * A guest's boot record, out of its console: one JSON object a line behind "postern: " (docs/boot-record.md). The
 * guest's image wrote it, the host carried it: it is shown, nothing is decided by it but exit codes.
 */
#pragma once

#include "base/base.h"
#include "base/buffer.h"

#define BOOT_RECORD_MAX_STAGES 24

struct boot_record_stage {
    char name[24];
    uint64_t at_us; /* since the guest's kernel started */
    uint64_t us;
    bool refused;
};

struct boot_record {
    struct boot_record_stage stages[BOOT_RECORD_MAX_STAGES];
    size_t count;
    bool handed_off;
    bool own_init; /* the workload became PID 1: nobody is left to say how it ended */
    bool refused;
    char code[40];
    char detail[320];
    char request[48];
    bool ended;
    int status; /* of the workload, when `ended` */
};

/*
 * Looks at one console line (without its newline); anything that is no record line is passed over. Returns whether it
 * was one.
 */
bool boot_record_add(struct boot_record *record, const char *line, size_t size);

/* The stages as a drawing to scale, a line each, for a person. */
void boot_record_draw(const struct boot_record *record, struct buffer *to);
