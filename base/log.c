/* Lines on standard error; parts of them may come from anybody, so they are made printable. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

static const char *name;
static bool quiet;

void log_set_name(const char *new_name)
{
    name = new_name;
}

void log_set_quiet(bool new_quiet)
{
    quiet = new_quiet;
}

double log_elapsed(void)
{
    static struct timespec first;
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    if (!first.tv_sec && !first.tv_nsec)
        first = at;
    return (double)(at.tv_sec - first.tv_sec) + (double)(at.tv_nsec - first.tv_nsec) / 1e9;
}

/* The name may be argv[0], which whoever starts the program chooses: it may not fill the line. */
static void PRINTF_LIKE(1, 0) line(const char *format, va_list arguments)
{
    char text[1024];
    int used = snprintf(text, sizeof(text), "%.64s: ", name ? name : program_invocation_short_name);
    size_t length;

    (void)vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, arguments);
    length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            text[i] = '?';
    text[length++] = '\n';
    if (fd_write_all(STDERR_FILENO, text, length) < 0)
        return; /* nowhere left to say so */
}

void log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line(format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;

    if (quiet)
        return;
    va_start(arguments, format);
    line(format, arguments);
    va_end(arguments);
}
