/*
 * The ACPI tables that the host gave this guest: unmeasured, and their code runs in the kernel before PID 1. Shown in
 * the boot record, so that launches which should be alike can be compared; nothing is decided by them
 * (docs/threats.md).
 */
#pragma once

#include "base/base.h"

#define ACPI_DIGEST_BYTES 32

/*
 * SHA-256 over all tables in the order of their names: name with its NUL, size as 64 bits little-endian, contents.
 * Errors: -errno when there are none to read; -E2BIG for more tables, -EFBIG for larger ones than any machine has.
 */
int acpi_digest(const char *directory, uint8_t ret_digest[ACPI_DIGEST_BYTES], unsigned *ret_count) MUST_CHECK;

#define ACPI_TABLES "/sys/firmware/acpi/tables"
