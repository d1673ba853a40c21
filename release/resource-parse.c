/* Names of resources: from measured configuration, a command line, or init-data that the host chose. Pure. */
#include "release/resource.h"

#include <errno.h>
#include <string.h>

#define SCHEME "kbs"
#define AUTHORITY_AND_SLASH ":///"
#define DEFAULT_PLUGIN "resource"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* Three parts; a part starts with a character of a word and may have dots behind it. */
static bool path_is_good(const char *path, size_t size)
{
    size_t parts = 1;
    bool at_start = true;

    for (size_t i = 0; i < size; i++) {
        if (path[i] == '/' && !at_start) {
            parts++;
            at_start = true;
        } else if (is_word(path[i]) || (path[i] == '.' && !at_start)) {
            at_start = false;
        } else {
            return false;
        }
    }
    return parts == 3 && !at_start;
}

/* "+PLUGIN" in small letters, digits and dashes, or nothing; how many bytes it is long. */
static int take_plugin(const char *text, size_t size, struct resource *to, size_t *ret_used)
{
    size_t length = 0;

    *ret_used = 0;
    memcpy(to->plugin, DEFAULT_PLUGIN, sizeof(DEFAULT_PLUGIN));
    if (!size || text[0] != '+')
        return 0;
    for (; 1 + length < size && text[1 + length] != ':'; length++) {
        char c = text[1 + length];

        if (length == RESOURCE_MAX_PLUGIN_BYTES || !is_word(c) || c == '_' || (c >= 'A' && c <= 'Z'))
            return -EBADMSG;
        to->plugin[length] = c;
    }
    to->plugin[length] = '\0';
    *ret_used = 1 + length;
    return length ? 0 : -EBADMSG;
}

int resource_parse(const char *text, size_t size, struct resource *ret_resource)
{
    struct resource resource;
    size_t used = 0, rest = size;
    const char *at = text;

    memset(&resource, 0, sizeof(resource));
    memcpy(resource.plugin, DEFAULT_PLUGIN, sizeof(DEFAULT_PLUGIN));
    if (size > strlen(SCHEME) && memcmp(text, SCHEME, strlen(SCHEME)) == 0 &&
        (text[strlen(SCHEME)] == '+' || text[strlen(SCHEME)] == ':')) {
        at += strlen(SCHEME);
        rest -= strlen(SCHEME);
        if (take_plugin(at, rest, &resource, &used) < 0)
            return -EBADMSG;
        at += used;
        rest -= used;
        if (rest < strlen(AUTHORITY_AND_SLASH) || memcmp(at, AUTHORITY_AND_SLASH, strlen(AUTHORITY_AND_SLASH)) != 0)
            return -EBADMSG;
        at += strlen(AUTHORITY_AND_SLASH);
        rest -= strlen(AUTHORITY_AND_SLASH);
    }
    if (rest > RELEASE_MAX_RESOURCE_BYTES || !path_is_good(at, rest))
        return -EBADMSG;
    memcpy(resource.path, at, rest);
    *ret_resource = resource;
    return 0;
}
