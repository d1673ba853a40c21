/*
 * What analyzers, which look at one file at a time, cannot know of others (clang 19, gcc 14): behind a call that failed
 * errno is a positive number, and reason_set() gives back the error that it was given. For tests/lint/test-static.py
 * alone.
 */
#include <errno.h>

#include "base/reason.h"

#undef errno
#define errno                                                                                                          \
    (*({                                                                                                               \
        int *errno_at = __errno_location();                                                                            \
        if (*errno_at <= 0)                                                                                            \
            __builtin_unreachable();                                                                                   \
        errno_at;                                                                                                      \
    }))
#define reason_set(why, error, ...)                                                                                    \
    ({                                                                                                                 \
        const int error_set = (error);                                                                                 \
        (void)(reason_set)((why), error_set, __VA_ARGS__);                                                             \
        error_set;                                                                                                     \
    })
