/* Between the two files that read policies. */
#pragma once

#include "attest/policy.h"
#include "base/json.h"

/*
 * Opens an array and makes room for its elements: 1, or 0 when there is none. `ret_room` may already hold the room of a
 * failed reading: the document's owner frees what is there. Errors: -ENOMEM.
 */
int policy_open_list(struct json_reader *reader, const char *name, size_t max, size_t element_size,
                     struct json_reader *ret_array, size_t *ret_count, void **ret_room) MUST_CHECK;

/* What a report says of launch and platform. Errors: -ENOMEM; others go into the reader's status. */
int policy_read_common(struct json_reader *reader, struct policy *policy) MUST_CHECK;
