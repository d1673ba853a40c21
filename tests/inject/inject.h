/*
 * One call that fails, of all that are made while `armed`: each allocation of the process, of libraries too, and each
 * system call that the program's link line wraps (Makefile, INJECT_REAL).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Shared by all processes of a run. */
struct injecting {
    bool armed;
    int allocations, calls;         /* so far */
    int fail_allocation, fail_call; /* which one; 0: none */
    bool injected;
    char name[64];      /* of the call */
    const void *caller; /* of the allocation */
};

/* NULL until inject_begin(); what a program shares besides stands behind it. */
extern struct injecting *injecting;

/* Shared memory of that size, which starts with what is above. NULL when there is none. */
void *inject_begin(size_t size);

/* No more, or again from the first call on; which one fails stays. */
void inject_reset(void);

/* Counts a call, and says whether it is the one; errno is EIO then. For what a program wraps by itself. */
bool inject_fails(const char *name);

/* REAL: goes on to the kernel, and fails with -1; REAL_OR: with something else. QUIET: says that it worked. `given` are the parameters, `passed` their names. */
#define REAL(type, name, given, passed) REAL_OR((type)-1, type, name, given, passed)
#define REAL_OR(failure, type, name, given, passed)                                                                    \
    type __real_##name given;                                                                                          \
    type __wrap_##name given;                                                                                          \
    type __wrap_##name given                                                                                           \
    {                                                                                                                  \
        return inject_fails(#name) ? failure : __real_##name passed;                                                   \
    }
#define QUIET(name, given)                                                                                             \
    int __wrap_##name given;                                                                                           \
    int __wrap_##name given                                                                                            \
    {                                                                                                                  \
        return inject_fails(#name) ? -1 : 0;                                                                           \
    }
