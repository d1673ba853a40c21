/*
 * What PID 1 says: the boot record, one JSON line a stage, on the kernel's log (hence on the console) and later in
 * /run/postern/boot.json. The host reads all of it.
 */
#pragma once

#include "base/base.h"
#include "init/refusal.h"
#include "init/supervise.h"

#define CONSOLE_RECORD_PATH "/run/postern/boot.json"

/*
 * Standard input, output and error to /dev/null, so that nothing is ever read from the console, and the kernel's log
 * opened for writing, or the console itself where the kernel has no log for us. Call it once /dev is there; before that
 * lines go to what the kernel opened as standard error. Errors: -errno.
 */
int console_open(void) MUST_CHECK;

/* For the handler of fatal signals: the refusal E-FAULT; `call` is of a SIGSYS. Async-signal-safe. */
void console_fault(int signal, int call);

/* A stage that succeeded: when it began and how long it took. `note` may be NULL. */
void console_stage(const char *stage, uint64_t begin_us, const char *note);

/* The report that the secure processor gave, in lines as long as the kernel's log takes. It is public. */
void console_report(const uint8_t *report, size_t size);

/* A stage that has not ended: what it waits for. */
void console_waiting(const char *stage, uint64_t begin_us, const char *note);

/*
 * A stage that refused. `request_id` may be empty; `status` is that of a workload that cannot be started, or 0 for the
 * code's.
 */
void console_refusal(const char *stage, uint64_t begin_us, enum refusal refusal, const char *detail,
                     const char *request_id, int status);

/* The end of the workload. */
void console_exit(const struct workload_end *end);

/* Writes the last of the lines so far to the host's port (port.h). For a child that may be left behind. */
void console_tell_host(void);

/* The last line: the power goes off next. */
void console_off(void);

/* Writes what was said so far to CONSOLE_RECORD_PATH. Errors: -errno. */
int console_save_record(void) MUST_CHECK;
