/* Progress for people; programs that read standard error never see it. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define QUIET_MS 2000u
#define PAUSE_MS 200u

static uint64_t began_ms, shown_ms;

void progress_show(const char *what, uint64_t done, uint64_t total)
{
    uint64_t at = clock_ms();

    if (!began_ms)
        began_ms = at;
    if (at - began_ms < QUIET_MS || at - shown_ms < PAUSE_MS || !total || !isatty(STDERR_FILENO))
        return;
    shown_ms = at;
    fprintf(stderr, "\r%s %3u %%", what, (unsigned)(done * 100 / total));
}

void progress_end(void)
{
    if (shown_ms)
        fprintf(stderr, "\r\033[K");
    began_ms = shown_ms = 0;
}
