/* broker/request-parse.c: paths and cookies. The first line is the target, the rest the Cookie header. */
#include <stdlib.h>
#include <string.h>

#include "broker/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = malloc(size + 1), *cookies = "";
    uint8_t session[NONCE_SESSION_BYTES];
    const char *resource = NULL;
    enum route route;

    if (!target)
        abort();
    memcpy(target, data, size);
    target[size] = '\0';
    if (strchr(target, '\n')) {
        cookies = strchr(target, '\n') + 1;
        cookies[-1] = '\0';
    }
    route = request_route(target, &resource);
    if (route == ROUTE_RESOURCE || route == ROUTE_CONFIRM) {
        if (!request_resource_valid(resource) || strlen(resource) > RELEASE_MAX_RESOURCE_BYTES ||
            strspn(resource, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./") != strlen(resource))
            abort();
    } else if (resource) {
        abort();
    }
    (void)request_session(cookies, session);
    free(target);
    return 0;
}
