/*
 * Test code: PID 1 before the one that is counted (bench-boot.py). Rests until the kernel has ended what it began at
 * its start, its tests of its own algorithms above all, which would run beside what follows.
 */
#include <unistd.h>

#define REST_S 2
#define NEXT "/usr/lib/postern/counted-init"

int main(int argc, char **argv)
{
    (void)argc;
    (void)sleep(REST_S);
    (void)execv(NEXT, argv);
    return 1;
}
