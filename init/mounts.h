/* The kernel's file systems. */
#pragma once

#include "base/reason.h"

/* /dev, which the console needs before anything else. Errors: -errno. */
int mounts_dev(struct reason *why) MUST_CHECK;

/* The links in /dev that workloads expect: fd, stdin, stdout, stderr, ptmx. Errors: -errno. */
int mounts_link_dev(void) MUST_CHECK;
