/*
 * Where to connect: "https://ADDRESS:PORT" with a literal address. No names, hence no resolver: a name service is the
 * host's, and a static program has none.
 */
#pragma once

#include <sys/socket.h>

#include "base/base.h"

#define ENDPOINT_MAX_TEXT 80

struct endpoint {
    struct sockaddr_storage address;
    socklen_t address_size;
    char authority[ENDPOINT_MAX_TEXT]; /* "10.0.2.2:8443" or "[fd00::2]:8443", for the Host header */
};

/* "10.0.2.2:8443" or "[fd00::2]:8443", port 1 to 65535. Errors: -EBADMSG. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint) MUST_CHECK;

/* The same behind "https://", with nothing or one "/" after it. Errors: -EBADMSG. */
int endpoint_parse_url(const char *url, struct endpoint *ret_endpoint) MUST_CHECK;
