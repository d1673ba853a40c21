/* All that is looked at is this process's own memory. */
#include "tests/inject/watched.h"

#include <stdlib.h>
#include <string.h>

#include "tests/inject/leaks.h"

void watched_add(struct watched *watched, const uint8_t *secret)
{
    uint8_t *to;

    if (watched->count == WATCHED_MOST)
        abort();
    to = watched->inverted[watched->count];
    for (size_t i = 0; i < WATCHED_BYTES; i++)
        to[i] = (uint8_t)~secret[i];
    for (size_t k = 0; k < watched->count; k++)
        if (memcmp(watched->inverted[k], to, WATCHED_BYTES) == 0)
            return;
    watched->count++;
}

static bool holds(const uint8_t *at, size_t size, const uint8_t inverted[WATCHED_BYTES])
{
    for (size_t i = 0; i + WATCHED_BYTES <= size; i++) {
        size_t k = 0;

        while (k < WATCHED_BYTES && at[i + k] == (uint8_t)~inverted[k])
            k++;
        if (k == WATCHED_BYTES)
            return true;
    }
    return false;
}

bool watched_is_left(const struct watched *watched)
{
    unsigned long from, to;
    bool found = false;

    for (const char *line = leaks_read_maps(); *line; line = strchr(line, '\n') + 1)
        for (size_t i = 0; leaks_is_writable(line, &from, &to) && i < watched->count; i++)
            found = found || holds((const uint8_t *)from, to - from, watched->inverted[i]);
    return found;
}
