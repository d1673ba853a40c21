/*
 * Why something failed, in one sentence for a person.
 *
 * A function that can refuse its input takes a `struct reason *` (NULL when nobody will read it), fills it and
 * returns a negative errno. Text that comes from the input is made printable first: reasons end up on terminals.
 */
#pragma once

#include "base/base.h"

#define REASON_MAX_BYTES 320

struct reason {
    char text[REASON_MAX_BYTES];
};

/*
 * Writes the sentence and returns `error` (a negative errno), so that a refusal is one statement:
 *     return reason_set(why, -EBADMSG, "%s: footer is %u bytes, expected at least 18", name, length);
 * Bytes outside printable ASCII become '?'. Longer text is cut.
 */
int reason_set(struct reason *why, int error, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the sentence that is there. */
void reason_prefix(struct reason *why, const char *prefix);

/* The sentence, or the errno's own text when none was set. Never NULL. */
const char *reason_text(const struct reason *why, int error);
