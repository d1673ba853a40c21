/* The verbs of postern-psp; docs/man/postern-psp.1. */
#pragma once

#include "base/command.h"

/* The system refused something: a socket, a file, memory that can be locked. */
#define PSP_EXIT_SYSTEM 2

extern const struct command verb_init;
extern const struct command verb_serve;

/* Memory for keys, or a sentence and false. */
bool verb_lock_memory(void) MUST_CHECK;
