/* What happens when PID 1 itself fails. */
#pragma once

#include "base/base.h"

/*
 * From now on SIGSEGV and the like, raised by a fault or sent by a process that may, wipe all secrets, leave one line
 * (E-FAULT) and turn the machine off; all other signals are blocked, since the kernel delivers to PID 1 only those that
 * it handles, and are read from a descriptor later. Errors: -errno.
 */
int fault_set_signals(void) MUST_CHECK;
