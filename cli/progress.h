/* A progress line on standard error, on a terminal only, once work has taken two seconds. */
#pragma once

#include "base/base.h"

void progress_show(const char *what, uint64_t done, uint64_t total);

/* Clears the line. */
void progress_end(void);
