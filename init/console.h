/*
 * What PID 1 says: the boot record, one JSON line a stage, on the kernel's log (hence on the console) and later in
 * /run/postern/boot.json. The host reads all of it.
 */
#pragma once

#include "base/base.h"
#include "init/refusal.h"

#define CONSOLE_RECORD_PATH "/run/postern/boot.json"

/*
 * Standard input, output and error to /dev/null, so that nothing is ever read from the console, and the kernel's log
 * opened for writing. Call it once /dev is there. Errors: -errno.
 */
int console_open(void) MUST_CHECK;

/* A stage that succeeded: when it began and how long it took. `note` may be NULL. */
void console_stage(const char *stage, uint64_t begin_us, const char *note);

/* A stage that has not ended: what it waits for. */
void console_waiting(const char *stage, uint64_t begin_us, const char *note);

/* A stage that refused. `request_id` may be empty. */
void console_refusal(const char *stage, uint64_t begin_us, enum refusal refusal, const char *detail,
                     const char *request_id);

/* The end of the workload: its exit status, or 128 and the signal that ended it. */
void console_exit(int status);

/* Writes what was said so far to CONSOLE_RECORD_PATH. Errors: -errno. */
int console_save_record(void) MUST_CHECK;
