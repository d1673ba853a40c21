/* What of a request decides where it goes: method, path, cookie. Pure. */
#pragma once

#include "base/base.h"
#include "broker/nonce.h"
#include "release/release.h"

enum route {
    ROUTE_NONE,   /* no such path */
    ROUTE_PLUGIN, /* below the prefix, of a plugin that is not there */
    ROUTE_AUTH,
    ROUTE_ATTEST,
    ROUTE_RESOURCE,
    ROUTE_CONFIRM,
    ROUTE_HEALTH,
    ROUTE_METRICS,
};

/*
 * The route of a request's target as it was received; nothing is decoded. For ROUTE_RESOURCE and ROUTE_CONFIRM
 * *ret_resource is the name inside `target`; it is valid (request_resource_valid()).
 */
enum route request_route(const char *target, const char **ret_resource);

/*
 * Whether this is "repository/type/tag" as the protocol spells resources, each part [A-Za-z0-9_-]+[A-Za-z0-9_.-]*, of
 * at most RELEASE_MAX_RESOURCE_BYTES.
 */
bool request_resource_valid(const char *resource);

/*
 * The session of a Cookie header (RFC 6265 section 4.2): one kbs-session-id of 32 lower-case hexadecimal digits among
 * whatever else is there. false when there is none, or more than one.
 */
bool request_session(const char *cookies, uint8_t ret_session[NONCE_SESSION_BYTES]);
