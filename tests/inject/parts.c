/*
 * Parts of PID 1's way that are looked at by themselves, each in a folder whose configuration leads there: stage
 * network; the hand-over to a program that becomes PID 1; a workload that is started again; a volume that moves to
 * another key, and the child that moves it.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/console.h"
#include "init/init.h"
#include "luks/rotation.h"
#include "tests/inject/guest.h"
#include "tests/inject/leaks.h"

#define FASTER 50u
#define CHUNKS 2u /* and a half */

#pragma GCC diagnostic ignored "-Wunused-parameter"

static void arm_from(enum part part)
{
    guest->injecting.armed = guest->injecting.armed || guest->part == part;
}

int __real_stage_network(struct boot *boot);
int __wrap_stage_network(struct boot *boot);
int __wrap_stage_network(struct boot *boot)
{
    int r;

    arm_from(NETWORK);
    r = __real_stage_network(boot);
    guest->injecting.armed = guest->part == WHOLE;
    return r;
}

int __real_stage_handoff(struct boot *boot);
int __wrap_stage_handoff(struct boot *boot);
int __wrap_stage_handoff(struct boot *boot)
{
    arm_from(HANDOFF);
    if (guest->part == RESTART)
        guest->fast_from_ms = clock_ms();
    return __real_stage_handoff(boot);
}

/* ---- a workload that is started again */

void __real_console_exit(const struct workload_end *end);
void __wrap_console_exit(const struct workload_end *end);
void __wrap_console_exit(const struct workload_end *end)
{
    arm_from(RESTART);
    __real_console_exit(end);
}

/* ---- pauses, which are short once the clock goes fast */

uint64_t __real_clock_ms(void);
uint64_t __wrap_clock_ms(void);
uint64_t __wrap_clock_ms(void)
{
    uint64_t now = __real_clock_ms(), from = guest ? guest->fast_from_ms : 0;

    return from ? from + (now - from) * FASTER : now;
}

int __wrap_clock_left_ms(uint64_t deadline_ms);
int __wrap_clock_left_ms(uint64_t deadline_ms)
{
    uint64_t now = __wrap_clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0;

    return (int)(guest && guest->fast_from_ms ? (left + FASTER - 1) / FASTER : left);
}

void __real_clock_sleep_ms(unsigned ms);
void __wrap_clock_sleep_ms(unsigned ms);
void __wrap_clock_sleep_ms(unsigned ms)
{
    __real_clock_sleep_ms(guest && guest->fast_from_ms ? ms / FASTER + 1 : ms);
}

/* ---- a volume that moves */

QUIET(dm_join_suspend, (const struct dm_join *join, struct reason *why))
QUIET(dm_join_change, (const struct dm_join *join, struct reason *why))
QUIET(dm_join_resume, (const struct dm_join *join, struct reason *why))

static int memory_file(uint64_t size)
{
    int fd = memfd_create("", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        abort();
    return fd;
}

/* Not in memory that can be written. */
static const uint8_t moving_key[] = "authenticates notes on the disk.";

/* As stage volumes would have left it. */
static struct rotation *begin_move(void)
{
    const uint64_t place = HEADER_DATA_OFFSET_BYTES - ROTATION_ROOM_BYTES;
    struct rotation *rotation = calloc(1, sizeof(*rotation));
    void *chunk = NULL;

    if (!rotation || posix_memalign(&chunk, ROTATION_SLOT_BYTES, ROTATION_CHUNK_BYTES) != 0)
        abort();
    *rotation = (struct rotation){ .name = "moving", .length = CHUNKS * ROTATION_CHUNK_BYTES + ROTATION_CHUNK_BYTES / 2,
                                   .log_place = place, .disk = memory_file(HEADER_DATA_OFFSET_BYTES),
                                   .log = memory_file(ROTATION_CHUNK_BYTES), .chunk = chunk };
    rotation->before = memory_file(rotation->length);
    rotation->after = memory_file(rotation->length);
    rotation->join.name = rotation->name;
    if (secret_copy(moving_key, ROTATION_KEY_BYTES, &rotation->key) < 0)
        abort();
    watched_add(&guest->watched, rotation->key.bytes);
    return rotation;
}

/* Goes on when the child has ended. */
int __real_rotations_start(struct boot *boot);
int __wrap_rotations_start(struct boot *boot);
int __wrap_rotations_start(struct boot *boot)
{
    siginfo_t child = { .si_pid = 0 };
    int r;

    if (guest->part != ROTATION)
        return __real_rotations_start(boot);
    boot->volumes[0].rotation = begin_move();
    guest->fast_from_ms = clock_ms();
    guest->injecting.armed = true;
    r = __real_rotations_start(boot);
    (void)waitid(P_ALL, 0, &child, WEXITED | WNOWAIT);
    guest->injecting.armed = false;
    guest->child_broke = child.si_pid && (child.si_code != CLD_EXITED || child.si_status != 0);
    return r;
}

void __real_rotation_free(struct rotation *rotation);
void __wrap_rotation_free(struct rotation *rotation);
void __wrap_rotation_free(struct rotation *rotation)
{
    __real_rotation_free(rotation);
    guest->secret_left = guest->secret_left || (getpid() != 1 && watched_is_left(&guest->watched));
}
