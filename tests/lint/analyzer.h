/*
 * What clang's analyzer does not know of errno (LLVM 19): behind a call that failed it is a positive number, so that
 * -errno is an error. For tests/lint/test-static.py alone.
 */
#include <errno.h>
#undef errno
#define errno (*({ int *errno_at = __errno_location(); __builtin_assume(*errno_at > 0); errno_at; }))
