/*
 * Test code, not part of the product: postern-init with a clock in its hand. The production's objects and libraries are
 * linked a second time with these functions around what bench-boot.py leaves out of its account: modules, the secure
 * processor's answers, the broker's. The workload gets the sums in its environment, as nanoseconds of the time stamp
 * counter: "STAMPS=FIRST MODULES PROCESSOR BROKER", FIRST at the program's first instruction. The Makefile has the list of
 * what is wrapped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "attest/device.h"
#include "base/tls.h"
#include "init/init.h"
#include "init/workload.h"
#include "tests/bench/first-stamp.h"

static uint64_t modules_ns, processor_ns, broker_ns;

int __real_stage_modules(struct boot *boot);
int __wrap_stage_modules(struct boot *boot);
int __wrap_stage_modules(struct boot *boot)
{
    uint64_t begin = __rdtsc();
    int r = __real_stage_modules(boot);

    modules_ns += __rdtsc() - begin;
    return r;
}

int __real_device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                             struct device_report *ret_report, struct reason *why);
int __wrap_device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                             struct device_report *ret_report, struct reason *why);
int __wrap_device_get_report(const struct device_request *request, const struct device_paths *paths, uint64_t deadline_ms,
                             struct device_report *ret_report, struct reason *why)
{
    uint64_t begin = __rdtsc();
    int r = __real_device_get_report(request, paths, deadline_ms, ret_report, why);

    processor_ns += __rdtsc() - begin;
    return r;
}

int __real_tls_client_connect(const struct tls_peer *peer, uint64_t deadline_ms, struct tls_client **ret_client,
                              struct reason *why);
int __wrap_tls_client_connect(const struct tls_peer *peer, uint64_t deadline_ms, struct tls_client **ret_client,
                              struct reason *why);
int __wrap_tls_client_connect(const struct tls_peer *peer, uint64_t deadline_ms, struct tls_client **ret_client,
                              struct reason *why)
{
    uint64_t begin = __rdtsc();
    int r = __real_tls_client_connect(peer, deadline_ms, ret_client, why);

    broker_ns += __rdtsc() - begin;
    return r;
}

int __real_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why);
int __wrap_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why);
int __wrap_tls_client_exchange(struct tls_client *client, const struct buffer *request, uint64_t deadline_ms,
                               struct http_parser *parser, struct reason *why)
{
    uint64_t begin = __rdtsc();
    int r = __real_tls_client_exchange(client, request, deadline_ms, parser, why);

    broker_ns += __rdtsc() - begin;
    return r;
}

int __real_workload_start(const struct config_workload *workload, int network, pid_t *ret_pid,
                          struct workload_failure *ret_failure);
int __wrap_workload_start(const struct config_workload *workload, int network, pid_t *ret_pid,
                          struct workload_failure *ret_failure);
int __wrap_workload_start(const struct config_workload *workload, int network, pid_t *ret_pid,
                          struct workload_failure *ret_failure)
{
    char **env = (char **)(uintptr_t)workload->env; /* not constant where it comes from */

    free(env[0]);
    if (asprintf(&env[0], "STAMPS=%llu %llu %llu %llu", (unsigned long long)first_stamp_ns(),
                 (unsigned long long)modules_ns, (unsigned long long)processor_ns, (unsigned long long)broker_ns) < 0)
        env[0] = NULL;
    return __real_workload_start(workload, network, ret_pid, ret_failure);
}
