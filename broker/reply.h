/* An HTTP response, before it is written. */
#pragma once

#include <time.h>

#include "base/base.h"
#include "base/buffer.h"
#include "release/release.h"

struct reply {
    unsigned status;
    struct buffer body; /* JSON */
    bool text;          /* or text, for Prometheus */
    char session[RELEASE_SESSION_TEXT_BYTES]; /* for Set-Cookie; empty: none */
    time_t session_expires;
    unsigned retry_after_s; /* 0: not said */
    const char *allow;      /* with 405: the methods; NULL otherwise */
};

/*
 * Appends the whole response. `request` is the request id; `close`: the connection ends after it; `head`: without the
 * body, as HEAD wants it.
 */
void reply_write(const struct reply *reply, const char *request, bool close, bool head, struct buffer *to);

/* Forgets everything; ready for the next. */
void reply_free(struct reply *reply);
