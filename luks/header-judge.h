/* Between header-parse.c and header-json-parse.c: one examination, field by field. Its input is the host's. */
#pragma once

#include "luks/header.h"

struct header_examination {
    const struct header_sink *sink; /* may be NULL */
    unsigned copy;
    enum header_code code; /* of the first refusal */
    struct reason why;
};

/* Reports a field, and keeps it when it is the first that is not `good`. Gives `good` back. */
bool header_judge(struct header_examination *e, const char *name, const char *found, const char *allowed, bool good,
                  enum header_code code);

/* The JSON area of one copy: HEADER_JSON_BYTES. Errors: -ENOMEM; refusals are in the examination. */
int header_judge_json(struct header_examination *e, const uint8_t *area, struct header *header) MUST_CHECK;
