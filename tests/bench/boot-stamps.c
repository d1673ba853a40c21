/*
 * Test code, not part of the product: postern-init with marks for QEMU's plugin (plugin/count.c). The production's
 * objects and libraries are linked a second time with these functions around what bench-boot.py leaves out of its
 * account: modules, the secure processor's answers, the exchanges with the broker. The Makefile has the list of what
 * is wrapped.
 */
#include "attest/device.h"
#include "base/clock.h"
#include "init/init.h"
#include "release/failover.h"
#include "tests/bench/first-stamp.h"
#include "tests/bench/mark.h"

/* What others began on account of a function ends before counting goes on. */
#define REST_MS 200u

/* A function as it is, between a mark and its leaving. */
#define BETWEEN(mark, name, parameters, arguments)                                                                          \
    int __real_##name parameters;                                                                                           \
    int __wrap_##name parameters;                                                                                           \
    int __wrap_##name parameters                                                                                            \
    {                                                                                                                       \
        int r;                                                                                                              \
                                                                                                                            \
        MARK(mark);                                                                                                         \
        r = __real_##name arguments;                                                                                        \
        clock_sleep_ms(REST_MS);                                                                                            \
        MARK(MARK_LEAVE);                                                                                                   \
        return r;                                                                                                           \
    }

/* The workload's: with a broker's key nothing else is executed before. */
int __real_execve(const char *path, char *const words[], char *const environment[]);
int __wrap_execve(const char *path, char *const words[], char *const environment[]);
int __wrap_execve(const char *path, char *const words[], char *const environment[])
{
    MARK(MARK_EXEC);
    return __real_execve(path, words, environment);
}

#define STAGE(number, name)                                                                                                 \
    int __real_stage_##name(struct boot *boot);                                                                             \
    int __wrap_stage_##name(struct boot *boot);                                                                             \
    int __wrap_stage_##name(struct boot *boot)                                                                              \
    {                                                                                                                       \
        int r;                                                                                                              \
                                                                                                                            \
        MARK(MARK_STAGE + number);                                                                                          \
        r = __real_stage_##name(boot);                                                                                      \
        MARK(MARK_LEAVE);                                                                                                   \
        return r;                                                                                                           \
    }

STAGE(0, start)
STAGE(1, mounts)
BETWEEN(MARK_MODULES, stage_modules, (struct boot *boot), (boot))
STAGE(3, devices)
STAGE(4, network)
STAGE(5, report)
STAGE(6, expect)
STAGE(7, release)
STAGE(8, volumes)
STAGE(9, root)
STAGE(10, handoff)
BETWEEN(MARK_PROCESSOR, device_get_report,
        (const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
         struct device_report *ret_report, struct reason *why),
        (request, paths, deadline_ms, ret_report, why))
BETWEEN(MARK_RELEASE, release_from_brokers,
        (const struct release_request *request, const struct release_broker *brokers, size_t count, uint64_t deadline_ms,
         struct record *ret_record, struct secret *ret_key, size_t *ret_broker, struct release_result *ret_result,
         struct reason *why),
        (request, brokers, count, deadline_ms, ret_record, ret_key, ret_broker, ret_result, why))
BETWEEN(MARK_RELEASE, release_confirm,
        (const struct release_request *request, const struct release_session *session,
         const struct message_confirmation *confirmation, uint64_t deadline_ms, struct release_result *ret_result,
         struct reason *why),
        (request, session, confirmation, deadline_ms, ret_result, why))
