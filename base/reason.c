/* Sentences for people; the caller controls the format, anybody may control the arguments. */
#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void make_printable(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
}

int reason_set(struct reason *why, int error, const char *format, ...)
{
    if (why) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(why->text, sizeof(why->text), format, arguments);
        va_end(arguments);
        make_printable(why->text);
    }
    return error;
}

void reason_prefix(struct reason *why, const char *prefix)
{
    char text[REASON_MAX_BYTES];

    if (!why || !why->text[0])
        return;
    memcpy(text, why->text, sizeof(text));
    (void)reason_set(why, 0, "%s: %s", prefix, text);
}

const char *reason_text(const struct reason *why, int error)
{
    if (why && why->text[0])
        return why->text;
    return strerror(error < 0 ? -error : error);
}
