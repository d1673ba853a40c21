/*
 * Runs a command and says what it cost: microseconds of processor and of wall clock, KiB at its largest. Small itself:
 * Linux counts the memory of the process that starts another one as that one's, until it has started.
 *
 * usage: cost COMMAND…      its output is thrown away
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(long seconds, long fraction)
{
    return seconds * 1000000LL + fraction;
}

int main(int argc, char **argv)
{
    struct timespec from, to;
    struct rusage usage;
    int status = 0, nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t child;

    if (argc < 2 || nowhere < 0)
        return 1;
    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    child = fork();
    if (child == 0) {
        (void)dup2(nowhere, 1);
        (void)execv(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return 1;
    (void)clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld %lld %ld\n",
           microseconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
           microseconds(to.tv_sec - from.tv_sec, (to.tv_nsec - from.tv_nsec) / 1000), usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
