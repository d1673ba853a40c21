/* Paths and cookies; the client controls every character. Pure. */
#include "broker/request.h"

#include <string.h>

#include "base/encode.h"

/* [A-Za-z0-9_-]+[A-Za-z0-9_.-]*: its length, or 0. */
static size_t part_length(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

    return text[0] == '.' ? 0 : strspn(text, allowed);
}

bool request_resource_valid(const char *resource)
{
    const char *at = resource;

    if (strlen(resource) > RELEASE_MAX_RESOURCE_BYTES)
        return false;
    for (int part = 0; part < 3; part++) {
        size_t size = part_length(at);

        if (!size || at[size] != (part < 2 ? '/' : '\0'))
            return false;
        at += size + 1;
    }
    return true;
}

/* The rest of `text` behind `start`, or NULL. */
static const char *behind(const char *text, const char *start)
{
    size_t size = strlen(start);

    return strncmp(text, start, size) == 0 ? text + size : NULL;
}

enum route request_route(const char *target, const char **ret_resource)
{
    const char *rest, *resource;
    enum route route = ROUTE_RESOURCE;

    if (strcmp(target, "/healthz") == 0)
        return ROUTE_HEALTH;
    if (strcmp(target, "/metrics") == 0)
        return ROUTE_METRICS;
    rest = behind(target, RELEASE_PREFIX "/");
    if (!rest || !*rest)
        return ROUTE_NONE;
    if (strcmp(rest, "auth") == 0)
        return ROUTE_AUTH;
    if (strcmp(rest, "attest") == 0)
        return ROUTE_ATTEST;
    resource = behind(rest, "resource/");
    if (!resource) {
        resource = behind(rest, "postern/confirm/");
        route = ROUTE_CONFIRM;
    }
    if (!resource)
        return strchr(rest, '/') && *rest != '/' ? ROUTE_PLUGIN : ROUTE_NONE;
    if (!request_resource_valid(resource))
        return ROUTE_NONE;
    *ret_resource = resource;
    return route;
}

/* One "name=value" of `size` characters. */
static bool take_session(const char *pair, size_t size, uint8_t ret_session[NONCE_SESSION_BYTES])
{
    static const char name[] = RELEASE_COOKIE "=";
    const char *value = pair + sizeof(name) - 1;

    return size == sizeof(name) - 1 + RELEASE_SESSION_TEXT_BYTES - 1 && memcmp(pair, name, sizeof(name) - 1) == 0 &&
           strspn(value, "0123456789abcdef") >= RELEASE_SESSION_TEXT_BYTES - 1 &&
           hex_decode(value, RELEASE_SESSION_TEXT_BYTES - 1, ret_session, NONCE_SESSION_BYTES) == 0;
}

bool request_session(const char *cookies, uint8_t ret_session[NONCE_SESSION_BYTES])
{
    uint8_t session[NONCE_SESSION_BYTES];
    unsigned found = 0;

    for (const char *at = cookies; *at;) {
        size_t size;

        at += strspn(at, " ;");
        size = strcspn(at, " ;");
        if (take_session(at, size, session))
            found++;
        at += size;
    }
    if (found != 1)
        return false;
    memcpy(ret_session, session, NONCE_SESSION_BYTES);
    return true;
}
