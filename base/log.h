/*
 * One line for each thing that happened, for programs that run on a host (postern, postern-broker, postern-psp).
 * PID 1 has its own, init/console.h. Libraries do not log.
 */
#pragma once

#include "base/base.h"

/* Seconds since the first call, for progress lines. */
double log_elapsed(void);

/*
 * "name: message" on standard error, in one write. Bytes outside printable ASCII become '?'; lines are cut at 1 KiB,
 * names at 64 bytes.
 */
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);
void log_info(const char *format, ...) PRINTF_LIKE(1, 2);

/* The name that stands before each line; program_invocation_short_name otherwise. */
void log_set_name(const char *name);

/* Leaves information lines out; errors stay. */
void log_set_quiet(bool quiet);
