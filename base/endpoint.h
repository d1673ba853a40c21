/*
 * Where to connect: "https://ADDRESS:PORT" with a literal address, or with a name and the address beside it. Nothing is
 * looked up: a name service is the host's, and a static program has none.
 */
#pragma once

#include <sys/socket.h>

#include "base/base.h"

#define ENDPOINT_MAX_TEXT 80

struct endpoint {
    struct sockaddr_storage address;
    socklen_t address_size;
    char authority[ENDPOINT_MAX_TEXT]; /* "10.0.2.2:8443", "[fd00::2]:8443" or "NAME:8443", for the Host header */
    char name[ENDPOINT_MAX_TEXT];      /* for the TLS handshake (RFC 6066, section 3); "": none was given */
};

/* "10.0.2.2:8443" or "[fd00::2]:8443", port 1 to 65535. Errors: -EBADMSG. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint) MUST_CHECK;

/*
 * The same behind "https://", with nothing or one "/" after it. With an `address`, "10.0.2.2" or "fd00::2", the URL has
 * a name in its place: small letters, digits, dots and hyphens, with a letter among them. Errors: -EBADMSG.
 */
int endpoint_parse_url(const char *url, const char *address, struct endpoint *ret_endpoint) MUST_CHECK;
