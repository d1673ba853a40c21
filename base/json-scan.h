/* The pass over raw JSON text that json.c makes before json-c sees it. */
#pragma once

#include "base/base.h"

/*
 * Counts the members of all objects in ret_members. Errors: -EBADMSG, with a few words in *ret_what (which is
 * meaningful after a failure alone). Accepts texts that are not JSON: json-c has the last word on grammar.
 */
int json_scan(const char *text, size_t size, size_t max_depth, size_t *ret_members, const char **ret_what) MUST_CHECK;
