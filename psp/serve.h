/* The loop of `postern-psp serve`: one connection at a time, whose other end is a guest's serial line. */
#pragma once

#include "psp/firmware.h"

/*
 * Blocks SIGTERM and SIGINT and gives a descriptor that tells of them: before anything is made that the end of the
 * program has to take away. Errors: -errno.
 */
int serve_catch_signals(int *ret_signal_fd, struct reason *why) MUST_CHECK;

/*
 * Answers requests until one of those signals. The descriptors stay the caller's; `log_fd` takes a JSON line for each
 * request, or is -1. Returns 0 after a signal. Errors: -errno.
 */
int serve(const struct chip *chip, const struct launch *launch, int listen_fd, int signal_fd, int log_fd,
          struct reason *why) MUST_CHECK;
