/* Looks at what the kernel made of router advertisements: its own tables in /proc/net, in columns of fixed width. */
#include "init/router.h"

#include <string.h>

#include "base/file.h"

#define TABLE_MAX_BYTES 65536
#define ADDRESS_DIGITS 32
/* if_inet6: address, index, prefix length, scope, flags, name */
#define SCOPE_AT 39
#define FLAGS_AT 42
/* ipv6_route: destination, its length, source, its length, next hop, … */
#define LENGTH_AT 33
#define NEXT_HOP_AT 72
#define LEAST_LINE 80

static const char zeros[ADDRESS_DIGITS + 1] = "00000000000000000000000000000000";

/* "00" is global, "40" site-local; "20" is the link's own. Bit 6 of the flags: its uniqueness is still looked at. */
static bool is_address(const char *line, size_t size)
{
    return size > FLAGS_AT + 2 && (memcmp(line + SCOPE_AT, "00", 2) == 0 || memcmp(line + SCOPE_AT, "40", 2) == 0) &&
           !memchr("4567cdef", line[FLAGS_AT], 8);
}

static bool is_default_route(const char *line, size_t size)
{
    return size >= LEAST_LINE + ADDRESS_DIGITS && memcmp(line, zeros, ADDRESS_DIGITS) == 0 &&
           memcmp(line + LENGTH_AT, "00", 2) == 0 && memcmp(line + NEXT_HOP_AT, zeros, ADDRESS_DIGITS) != 0;
}

/* Whether a line that ends in the interface's name is such a one. */
static bool any_line(const char *path, const char *interface, bool (*is)(const char *line, size_t size))
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0, name_size = strlen(interface);

    if (file_read(path, TABLE_MAX_BYTES, &text, &size, NULL) < 0)
        return false;
    for (const char *line = (const char *)text, *end; *line; line = *end ? end + 1 : end) {
        size_t length;

        end = strchrnul(line, '\n');
        length = (size_t)(end - line);
        if (length > name_size && line[length - name_size - 1] == ' ' &&
            memcmp(end - name_size, interface, name_size) == 0 && is(line, length))
            return true;
    }
    return false;
}

bool router_has_answered(const char *interface)
{
    return any_line("/proc/net/if_inet6", interface, is_address) &&
           any_line("/proc/net/ipv6_route", interface, is_default_route);
}
