/*
 * The cage of the process that faces the network: no new privileges, and a list of system calls (seccomp) in which
 * opening files, making sockets, starting programs and executable memory do not occur. A call outside of it ends the
 * process, and with it the broker.
 */
#pragma once

#include "base/base.h"

/*
 * From here on nothing else is possible. In builds with sanitizers, whose run-time calls what it likes, nothing
 * happens. Errors: -errno.
 */
int sandbox_enter(void) MUST_CHECK;
