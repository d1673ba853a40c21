/* The request log: one JSON line for each request that was answered. */
#pragma once

#include "psp/wire.h"

/*
 * Appends a line with public values: number, kind, VMPL, REPORT_DATA or the selection of a key, and the outcome. Never
 * keys. `fd` may be -1. A line that cannot be written is said on standard error; the answer goes out all the same.
 */
void request_log_write(int fd, uint64_t number, const struct psp_request *request, const struct psp_answer *answer);
