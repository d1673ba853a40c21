/* The two ways to the secure processor; attest/device.h chooses. Kernel and host give the answers. */
#pragma once

#include "attest/device.h"

#define TSM_PROVIDER_MAX_BYTES 64
/* How often a report is asked for anew when somebody else changed the request meanwhile. */
#define TSM_TRIES 3

/*
 * A report by configfs-tsm, whose folder of reports is `folder`: an item of our own is made in it and taken away again.
 * Errors: -ENODEV no such interface, or another provider than sev_guest; -EAGAIN somebody changed the request each
 * time; -EBADMSG an answer that is not what was asked for; -EINVAL a VMPL below the floor; -EBUSY, -errno.
 */
int tsm_get_report(const char *folder, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl,
                   uint64_t deadline_ms, struct device_report *to, struct reason *why) MUST_CHECK;

/* The same with one item, open as a directory, in which nothing has been written yet. */
int tsm_exchange(int item, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl, uint64_t deadline_ms,
                 struct device_report *to, struct reason *why) MUST_CHECK;

/* The name of the provider, without its newline. Errors: -ENODEV when there is none. */
int tsm_get_provider(const char *folder, char ret_provider[TSM_PROVIDER_MAX_BYTES], struct reason *why) MUST_CHECK;

/*
 * The same by the open device. Certificates that do not fit are left out. Errors as device_get_report().
 */
int sev_guest_get_report(int fd, const uint8_t report_data[REPORT_DATA_BYTES], uint32_t vmpl, uint64_t deadline_ms,
                         struct device_report *to, struct reason *why) MUST_CHECK;

int sev_guest_derive_key(int fd, const struct device_key_request *request, uint64_t deadline_ms,
                         struct secret *ret_key, struct reason *why) MUST_CHECK;

/* What a status of the firmware means, in a few words (ABI specification, table of status codes). Never NULL. */
const char *firmware_status_text(uint32_t status);

/* Sees that a report is for this REPORT_DATA. Errors: -EBADMSG. */
int device_check_report_data(const uint8_t report[REPORT_BYTES], const uint8_t report_data[REPORT_DATA_BYTES],
                             struct reason *why) MUST_CHECK;
