/* The listening socket of postern-psp. */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/*
 * A listening Unix socket at `path`, mode 0600. A socket that nobody listens on any more is replaced; anything else
 * that is there is left alone. Errors: -EADDRINUSE, -ENAMETOOLONG, -errno.
 */
int listen_on_path(const char *path, int *ret_fd, struct reason *why) MUST_CHECK;

/* Sees that an inherited descriptor is a listening stream socket. Errors: -EBADF, -EINVAL. */
int listen_check_fd(int fd, struct reason *why) MUST_CHECK;
