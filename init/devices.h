/*
 * Disks by what measured configuration calls them: a serial number, or the PCI function that they hang on. The host
 * assigns both; it gains nothing by lying.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/*
 * Opens the one disk with this serial, or at this place ("pci-0000:00:05.0"), for reading, and for writing too unless
 * `read_only`. Waits for it until `deadline_ms` (clock_ms()). Errors: -ENODEV none, -ENOTUNIQ several, -errno.
 */
int devices_open_disk(const char *device, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why)
    MUST_CHECK;

/*
 * The text at the start of such a disk, up to the zeros behind it: a disk has whole sectors. With a NUL behind; the
 * caller frees. Of a longer one `max` + 1 bytes are read. Errors: those of devices_open_disk(), -ENOMEM.
 */
int devices_read_text(const char *device, uint64_t deadline_ms, size_t max, char **ret_text, size_t *ret_size,
                      struct reason *why) MUST_CHECK;
