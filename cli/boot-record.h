/*
 * A guest's boot record, out of its console: one JSON object a line behind "postern: " (docs/boot-record.md). The
 * guest's image wrote it, the host carried it: it is shown, nothing is decided by it but exit codes.
 */
#pragma once

#include "attest/attest.h"
#include "base/base.h"
#include "base/buffer.h"

#define BOOT_RECORD_MAX_STAGES 24

struct boot_record_stage {
    char name[24];
    uint64_t at_us; /* since the guest's kernel started */
    uint64_t us;
    bool refused;
};

/* Before the guest's kernel: only the host can tell. Behind this mark, in a console that `postern launch` saved. */
#define BOOT_RECORD_HOST_MARK "postern-launch: "

struct boot_record {
    uint64_t firmware_us; /* from QEMU's start to the kernel's; 0: nobody said */
    struct boot_record_stage stages[BOOT_RECORD_MAX_STAGES];
    size_t count;
    bool handed_off;
    bool own_init; /* the workload became PID 1: nobody is left to say how it ended */
    bool refused;
    uint8_t report[REPORT_BYTES]; /* of which the guest has said so much: whole, or nothing to go by */
    size_t report_size;
    uint64_t report_part; /* the last one */
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

/* Looks at a whole saved console. */
void boot_record_add_all(struct boot_record *record, const char *text, size_t size);

/*
 * Sets firmware_us, once there is a first stage, from when its line arrived: microseconds since QEMU was started.
 * The line came a little later than the stage ended, so this is rather too long than too short.
 */
void boot_record_note_arrival(struct boot_record *record, uint64_t arrived_us);

/* The line that says so in a saved console, with its newline; nothing when firmware_us is not known. */
void boot_record_write_host(const struct boot_record *record, struct buffer *to);

/*
 * What is drawn: firmware, kernel and the stages, each with its begin in microseconds since the first of them.
 * Returns how many rows there are, at most BOOT_RECORD_MAX_ROWS; 0 when there is nothing that can be drawn.
 */
#define BOOT_RECORD_MAX_ROWS (BOOT_RECORD_MAX_STAGES + 2)

struct boot_record_row {
    const char *name; /* lives as long as the record */
    uint64_t begin_us, us;
    bool refused;
};

size_t boot_record_rows(const struct boot_record *record, struct boot_record_row ret_rows[BOOT_RECORD_MAX_ROWS],
                        uint64_t *ret_total_us);

/* The rows as a drawing to scale, a line each, for a person. */
void boot_record_draw(const struct boot_record *record, struct buffer *to);

/* The same as an SVG 1.1 image. Names out of the console are escaped. */
void boot_record_draw_svg(const struct boot_record *record, struct buffer *to);
