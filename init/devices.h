/* Disks by the serial number that measured configuration names. The host assigns serials; it gains nothing by lying. */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/*
 * Opens the one virtio disk with this serial for reading, and for writing too unless `read_only`. Waits for it until
 * `deadline_ms` (clock_ms()). Errors: -ENODEV none, -ENOTUNIQ several, -errno.
 */
int devices_open_disk(const char *serial, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why)
    MUST_CHECK;
