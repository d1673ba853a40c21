/* Limits are measured; the counters come from the kernel. */
#include "init/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encode.h"
#include "base/file.h"

#define ROOT "/sys/fs/cgroup"
#define GROUP ROOT "/workload"
#define COUNTERS_PATH "/proc/vmstat"
#define COUNTERS_MAX_BYTES 16384

static int set(const char *path, const char *value, struct reason *why)
{
    int r = file_poke(path, value);

    return r < 0 ? reason_set(why, r, "%s: cannot be set to %s: %s", path, value, strerror(-r)) : 0;
}

static int set_number(const char *path, uint64_t value, struct reason *why)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return set(path, text, why);
}

static int set_limits(const struct workload_resources *limits, struct reason *why)
{
    char text[48];
    int r = 0;

    if (limits->memory_bytes) {
        r = set_number(GROUP "/memory.max", limits->memory_bytes, why);
        if (r == 0)
            r = file_poke(GROUP "/memory.swap.max", "0") == -EACCES ? -EACCES : 0; /* no such file without swap */
    }
    if (r == 0 && limits->cpu_quota_us) {
        (void)snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)limits->cpu_quota_us,
                       (unsigned long long)limits->cpu_period_us);
        r = set(GROUP "/cpu.max", text, why);
    }
    if (r == 0 && limits->pids)
        r = set_number(GROUP "/pids.max", limits->pids, why);
    return r;
}

/* Only what is asked for: each controller costs the kernel something at every turn. */
int cgroup_make(const struct workload_resources *limits, struct reason *why)
{
    int r = limits->memory_bytes ? set(ROOT "/cgroup.subtree_control", "+memory", why) : 0;

    if (r == 0 && limits->cpu_quota_us)
        r = set(ROOT "/cgroup.subtree_control", "+cpu", why);
    if (r == 0 && limits->pids)
        r = set(ROOT "/cgroup.subtree_control", "+pids", why);
    if (r < 0)
        return r;
    if (mkdir(GROUP, 0755) < 0 && errno != EEXIST)
        return reason_set(why, -errno, GROUP ": cannot be made: %s", strerror(errno));
    return set_limits(limits, why);
}

uint64_t cgroup_oom_kills(void)
{
    static const char name[] = "\noom_kill ";
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    const char *at;
    uint64_t count = 0;

    if (file_read(COUNTERS_PATH, COUNTERS_MAX_BYTES, &text, &size, NULL) < 0)
        return 0;
    at = memmem(text, size, name, strlen(name));
    at = at ? at + strlen(name) : "";
    return decimal_decode(at, strlen(at), UINT64_MAX, &count) ? count : 0;
}
