/* The command line of postern-psp, checked. */
#pragma once

#include "attest/product.h"
#include "base/reason.h"
#include "psp/firmware.h"

struct init_options {
    const char *directory;
    enum product product;
};

struct serve_options {
    const char *directory;
    const char *socket_path; /* or NULL */
    int listen_fd;           /* or -1 */
    const char *request_log; /* or NULL */
    struct launch launch;    /* without its report id */
};

/*
 * `argv` starts with the verb. Returns 0, or 1 when --help was asked for. Errors: -EINVAL, with the sentence in `why`.
 * Text is borrowed from argv; a directory's trailing slashes are taken off in place.
 */
int options_parse_init(int argc, char **argv, struct init_options *ret_options, struct reason *why) MUST_CHECK;
int options_parse_serve(int argc, char **argv, struct serve_options *ret_options, struct reason *why) MUST_CHECK;
