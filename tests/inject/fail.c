/* Allocations and system calls that do what they always do, but for the one that is to fail. */
#include "tests/inject/inject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "tests/inject/leaks.h"

struct injecting *injecting;

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);

void *inject_begin(size_t size)
{
    void *made = __real_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    injecting = made == MAP_FAILED ? NULL : made;
    return injecting;
}

void inject_reset(void)
{
    injecting->armed = injecting->injected = false;
    injecting->allocations = injecting->calls = 0;
    injecting->caller = NULL;
    injecting->name[0] = '\0';
}

bool inject_fails(const char *name)
{
    if (!injecting || !injecting->armed || ++injecting->calls != injecting->fail_call)
        return false;
    injecting->injected = true;
    (void)snprintf(injecting->name, sizeof(injecting->name), "%s", name);
    errno = EIO;
    return true;
}

/* ---- allocations */

/*
 * In a program of shared libraries our functions come before the C library's; in a static one the link line wraps them.
 */
#ifdef INJECT_STATIC
#define OURS(name) __wrap_##name
#define THEIRS(name) __real_##name
#define THEIR_MEMALIGN memalign
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t size);
void __wrap_free(void *block);
#else
#define OURS(name) name
#define THEIRS(name) __libc_##name
#define THEIR_MEMALIGN __libc_memalign
#endif

void *THEIRS(malloc)(size_t size);
void *THEIRS(calloc)(size_t count, size_t size);
void *THEIRS(realloc)(void *old, size_t size);
void *THEIR_MEMALIGN(size_t alignment, size_t size);
void THEIRS(free)(void *block);

static bool fails_to_allocate(const void *caller)
{
    if (!injecting || !injecting->armed || ++injecting->allocations != injecting->fail_allocation)
        return false;
    injecting->injected = true;
    injecting->caller = caller;
    return true;
}

void *OURS(malloc)(size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : THEIRS(malloc)(size);

    leaks_note_block(block, size, caller);
    return block;
}

void *OURS(calloc)(size_t count, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : THEIRS(calloc)(count, size);

    leaks_note_block(block, block ? count * size : 0, caller);
    return block;
}

void *OURS(realloc)(void *old, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : THEIRS(realloc)(old, size);

    if (block || (old && !size))
        leaks_forget_block(old);
    leaks_note_block(block, size, caller);
    return block;
}

int OURS(posix_memalign)(void **ret_block, size_t alignment, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *block = fails_to_allocate(caller) ? NULL : THEIR_MEMALIGN(alignment, size);

    leaks_note_block(block, size, caller);
    *ret_block = block ? block : *ret_block;
    return block ? 0 : ENOMEM;
}

void OURS(free)(void *block)
{
    leaks_forget_block(block);
    THEIRS(free)(block);
}

/* ---- system calls */

REAL(pid_t, fork, (void), ())
REAL(int, clone, (int (*child)(void *), void *stack, int flags, void *argument, ...), (child, stack, flags, argument))
REAL(int, pipe2, (int *ends, int flags), (ends, flags))
REAL(ssize_t, read, (int fd, void *to, size_t size), (fd, to, size))
REAL(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
REAL(int, dup2, (int from, int to), (from, to))
REAL(int, chdir, (const char *path), (path))
REAL(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
REAL(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout))
REAL(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old))
REAL(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old), (number, action, old))
REAL(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
REAL(pid_t, setsid, (void), ())
REAL(int, close_range, (unsigned from, unsigned to, int flags), (from, to, flags))
REAL(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), (resource, limit))
REAL(int, execve, (const char *path, char *const *args, char *const *env), (path, args, env))
REAL(int, socket, (int family, int type, int protocol), (family, type, protocol))
REAL(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
REAL(ssize_t, recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
REAL(int, clock_gettime, (clockid_t clock, struct timespec *to), (clock, to))
REAL(int, fsync, (int fd), (fd))
REAL(int, rename, (const char *from, const char *to), (from, to))
REAL(int, mlock, (const void *at, size_t size), (at, size))
REAL(int, mprotect, (void *at, size_t size, int protection), (at, size, protection))
REAL(int, madvise, (void *at, size_t size, int advice), (at, size, advice))
REAL(int, chmod, (const char *path, mode_t mode), (path, mode))
REAL(int, lstat, (const char *path, struct stat *to), (path, to))
REAL(int, clearenv, (void), ())
REAL(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
REAL(int, getsockopt, (int fd, int level, int name, void *to, socklen_t *size), (fd, level, name, to, size))
REAL(int, setsockopt, (int fd, int level, int name, const void *from, socklen_t size), (fd, level, name, from, size))
REAL(int, access, (const char *path, int mode), (path, mode))
REAL(int, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
REAL(int, listen, (int fd, int backlog), (fd, backlog))
REAL(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags))
REAL(int, dup3, (int from, int to, int flags), (from, to, flags))
REAL(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
REAL(int, fchmod, (int fd, mode_t mode), (fd, mode))
REAL(int, ftruncate, (int fd, off_t size), (fd, size))
REAL(int, kill, (pid_t pid, int number), (pid, number))
REAL(int, memfd_create, (const char *name, unsigned flags), (name, flags))
REAL(int, rmdir, (const char *path), (path))
REAL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
REAL(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size))
REAL_OR(NULL, DIR *, opendir, (const char *path), (path))
REAL_OR(NULL, DIR *, fdopendir, (int fd), (fd))
REAL_OR(NULL, struct dirent *, readdir, (DIR *folder), (folder))
REAL(ssize_t, getrandom, (void *to, size_t size, unsigned flags), (to, size, flags))
REAL_OR(0, unsigned, if_nametoindex, (const char *name), (name))
REAL(ssize_t, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
REAL(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))

/* Of a parent there is no other failure. */
pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
    if (!inject_fails("waitpid"))
        return __real_waitpid(pid, status, options);
    errno = EINTR;
    return -1;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapping = inject_fails("mmap") ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);

    leaks_note_mapping(mapping == MAP_FAILED ? 0 : (long)size);
    return mapping;
}

/* Never fails for what was mapped. */
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    leaks_note_mapping(-(long)size);
    return __real_munmap(at, size);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return inject_fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
    va_list args;
    long value;

    va_start(args, command);
    value = va_arg(args, long);
    va_end(args);
    return inject_fails("fcntl") ? -1 : __real_fcntl(fd, command, value);
}
