/*
 * Volume keys on their way to dm-crypt: a logon key in this thread's keyring, there for as long as the table is being
 * loaded (keyrings(7)). dm-crypt keeps its own expanded copy and none of the raw key.
 */
#pragma once

#include "base/base.h"
#include "base/secret.h"

/* dm-crypt wants "prefix:name" for logon keys. */
#define KEYRING_PREFIX "postern:"

/* Errors: -errno of add_key(2). */
int keyring_add(const char *description, const struct secret *key, int32_t *ret_serial) MUST_CHECK;

/* Revokes and unlinks; the payload is freed by the kernel. Errors: -errno. */
int keyring_drop(int32_t serial) MUST_CHECK;
