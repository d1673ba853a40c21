/*
 * base/: what every other room stands on: bytes, secrets, text, files, JSON, HTTP, TLS.
 *
 * Nothing here knows about SEV-SNP, key release or disks. Whoever calls says who controls the bytes; every function
 * in this room assumes that they are hostile. Nothing here prints or logs.
 *
 * Conventions of the whole house: functions return 0 or a negative errno; out-parameters come last, are called
 * ret_… and stay untouched on failure; sizes are bytes unless the name says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))
#define CLEANUP(function) __attribute__((cleanup(function)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Size of a 4 KiB page, the unit of launch digests, dm-verity blocks and LUKS sectors here. */
#define PAGE_BYTES 4096u
