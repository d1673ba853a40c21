/*
 * What a workload sees and may do: `mounts` and `linux` of the OCI runtime specification's config.json, as far as they
 * are supported; measured data. Names of system calls are libseccomp's business, which is pure here.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "init/config-read.h"
#include "init/workload.h"

#define NAMES_MOST 512
#define TMPFS_DEFAULT_BYTES (64u * 1024 * 1024)

/* As container runtimes have them by default: what says too much about the machine, or lets root change it. */
static const char *const default_masked[] = {
    "/proc/acpi",         "/proc/asound",      "/proc/interrupts", "/proc/kcore",         "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",  "/proc/scsi",
    "/proc/sysrq-trigger", "/sys/firmware",    "/sys/kernel/config", "/sys/kernel/security", "/sys/kernel/debug",
    "/sys/devices/virtual/powercap",
};
static const char *const default_read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys" };

static int add_path(struct workload_paths *to, const char *path)
{
    to->paths[to->count] = strdup(path);
    if (!to->paths[to->count])
        return -ENOMEM;
    to->count++;
    return 0;
}

static int read_paths(struct json_reader *reader, const char *name, const char *const defaults[], size_t default_count,
                      struct workload_paths *to)
{
    struct json_reader array;
    size_t count = 0;
    int r = 0;

    if (!json_has(reader, name)) {
        for (size_t i = 0; r == 0 && i < default_count; i++)
            r = add_path(to, defaults[i]);
        return r;
    }
    if (!json_read_array(reader, name, JSON_REQUIRED, WORKLOAD_MAX_PATHS, &array, &count))
        return 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *text = NULL;

        if (!json_element_string(&array, i, WORKLOAD_MAX_PATH_BYTES, &text))
            return 0;
        if (!config_path_is_plain(text))
            json_refuse(&array, NULL, "element %zu: \"%s\" is not an absolute path in its plain form", i, text);
        r = add_path(to, text);
    }
    return r;
}

/* "64m" and the like, after `size=`. */
static bool parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t value = 0;
    unsigned shift = 0;

    text += decimal_decode(text, strlen(text), UINT64_MAX, &value);
    if (*text)
        shift = *text == 'k' ? 10 : *text == 'm' ? 20 : *text == 'g' ? 30 : 0;
    if (*text && (!shift || text[1]))
        return false;
    if (!value || value > UINT64_MAX >> 1 >> shift)
        return false;
    *ret_bytes = value << shift;
    return true;
}

/* Three octal digits, perhaps more in front, after `mode=`. */
static bool parse_mode(const char *text, unsigned *ret_mode)
{
    size_t size = strlen(text);
    unsigned mode = 0;

    if (size < 3 || size > 4 || text[strspn(text, "01234567")])
        return false;
    for (; *text; text++)
        mode = mode * 8 + (unsigned)(*text - '0');
    *ret_mode = mode;
    return true;
}

/* Devices and set-user-id programs are never to be had by a mount, so that both their words change nothing. */
static bool take_option(const char *option, struct workload_mount *to)
{
    if (strcmp(option, "ro") == 0)
        to->read_only = true;
    else if (strcmp(option, "exec") == 0)
        to->executable = true;
    else if (!to->bind && strncmp(option, "size=", 5) == 0)
        return parse_size(option + 5, &to->size);
    else if (!to->bind && strncmp(option, "mode=", 5) == 0)
        return parse_mode(option + 5, &to->mode);
    else
        return strcmp(option, "rw") == 0 || strcmp(option, "nosuid") == 0 || strcmp(option, "nodev") == 0 ||
               strcmp(option, "noexec") == 0 || (to->bind && strcmp(option, "bind") == 0);
    return true;
}

static void read_options(struct json_reader *reader, struct workload_mount *to)
{
    struct json_reader array;
    size_t count = 0;

    if (!json_read_array(reader, "options", JSON_OPTIONAL, 16, &array, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;

        if (json_element_string(&array, i, 32, &text) && !take_option(text, to))
            json_refuse(&array, NULL, "element %zu: \"%s\" is no option that is known here", i, text);
    }
}

static void read_mount(struct json_reader *reader, struct workload_mount *to)
{
    const char *type = NULL;

    *to = (struct workload_mount){ .size = TMPFS_DEFAULT_BYTES, .mode = 01777 };
    config_read_path(reader, "destination", to->destination, sizeof(to->destination));
    if (!json_read_string(reader, "type", JSON_REQUIRED, 16, &type))
        return;
    to->bind = strcmp(type, "bind") == 0;
    if (to->bind)
        config_read_path(reader, "source", to->source, sizeof(to->source));
    else if (strcmp(type, "tmpfs") != 0)
        json_refuse(reader, "type", "expected tmpfs or bind, found \"%s\"", type);
    else
        json_ignore(reader, "source"); /* a name without meaning, which container tools write */
    read_options(reader, to);
    json_read_done(reader);
}

static void read_mounts(struct json_reader *parent, struct config_workload *to)
{
    struct json_reader array, reader;

    if (!json_read_array(parent, "mounts", JSON_OPTIONAL, WORKLOAD_MAX_MOUNTS, &array, &to->mount_count))
        return;
    for (size_t i = 0; i < to->mount_count; i++)
        if (json_element_object(&array, i, &reader))
            read_mount(&reader, &to->mounts[i]);
}

static void read_resources(struct json_reader *parent, struct workload_resources *to)
{
    struct json_reader reader, part;

    if (!json_read_object(parent, "resources", JSON_OPTIONAL, &reader))
        return;
    if (json_read_object(&reader, "memory", JSON_OPTIONAL, &part)) {
        (void)json_read_u64(&part, "limit", JSON_REQUIRED, 1024u * 1024, INT64_MAX, &to->memory_bytes);
        json_read_done(&part);
    }
    if (json_read_object(&reader, "cpu", JSON_OPTIONAL, &part)) {
        to->cpu_period_us = 100000;
        (void)json_read_u64(&part, "quota", JSON_REQUIRED, 1000, UINT32_MAX, &to->cpu_quota_us);
        (void)json_read_u64(&part, "period", JSON_OPTIONAL, 1000, 1000000, &to->cpu_period_us);
        json_read_done(&part);
    }
    if (json_read_object(&reader, "pids", JSON_OPTIONAL, &part)) {
        (void)json_read_u64(&part, "limit", JSON_REQUIRED, 1, 4u << 20, &to->pids);
        json_read_done(&part);
    }
    json_read_done(&reader);
}

static const struct {
    const char *name;
    uint32_t action;
} actions[] = {
    { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
    { "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(EPERM) },
    { "SCMP_ACT_KILL", SCMP_ACT_KILL },
    { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
    { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
    { "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
    { "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct {
    const char *name;
    unsigned operation;
} operations[] = {
    { "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_LE", SCMP_CMP_LE },
    { "SCMP_CMP_EQ", SCMP_CMP_EQ }, { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
    { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

/* An action, and with SCMP_ACT_ERRNO the error that a member of its own may give. */
static void read_action(struct json_reader *reader, const char *name, const char *error_name, uint32_t *ret_action)
{
    const char *text = NULL;
    uint64_t error = EPERM;

    (void)json_read_u64(reader, error_name, JSON_OPTIONAL, 0, 4095, &error);
    if (!json_read_string(reader, name, JSON_REQUIRED, 32, &text))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strcmp(text, actions[i].name) == 0) {
            *ret_action = actions[i].action;
            if (actions[i].action == SCMP_ACT_ERRNO(EPERM))
                *ret_action = SCMP_ACT_ERRNO((uint32_t)error);
            return;
        }
    json_refuse(reader, name, "\"%s\" is no action that is known here", text);
}

static void read_argument(struct json_reader *reader, struct workload_argument *to)
{
    const char *text = NULL;
    uint64_t index = 0;
    bool known = false;

    (void)json_read_u64(reader, "index", JSON_REQUIRED, 0, 5, &index);
    to->index = (unsigned)index;
    (void)json_read_u64(reader, "value", JSON_REQUIRED, 0, UINT64_MAX, &to->value);
    (void)json_read_u64(reader, "valueTwo", JSON_OPTIONAL, 0, UINT64_MAX, &to->value_two);
    if (!json_read_string(reader, "op", JSON_REQUIRED, 32, &text))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        if (strcmp(text, operations[i].name) == 0) {
            to->operation = operations[i].operation;
            known = true;
        }
    if (!known)
        json_refuse(reader, "op", "\"%s\" is no comparison", text);
    json_read_done(reader);
}

/* One rule for each name; arguments and action are those of the entry. */
static void read_rules(struct json_reader *reader, struct workload_seccomp *to)
{
    struct workload_rule rule = { .argument_count = 0 };
    struct json_reader array, argument;
    size_t count = 0;

    read_action(reader, "action", "errnoRet", &rule.action);
    if (json_read_array(reader, "args", JSON_OPTIONAL, ARRAY_SIZE(rule.arguments), &array, &rule.argument_count))
        for (size_t i = 0; i < rule.argument_count; i++)
            if (json_element_object(&array, i, &argument))
                read_argument(&argument, &rule.arguments[i]);
    if (!json_read_array(reader, "names", JSON_REQUIRED, NAMES_MOST, &array, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;

        if (!json_element_string(&array, i, 64, &text))
            return;
        rule.number = seccomp_syscall_resolve_name(text);
        if (rule.number == __NR_SCMP_ERROR) {
            json_refuse(&array, NULL, "element %zu: \"%s\" is no system call", i, text);
            return;
        }
        if (to->rule_count == WORKLOAD_MAX_RULES) {
            json_refuse(&array, NULL, "more than %u rules", WORKLOAD_MAX_RULES);
            return;
        }
        to->rules[to->rule_count++] = rule;
    }
    json_read_done(reader);
}

static int read_seccomp(struct json_reader *parent, struct workload_seccomp *to)
{
    struct json_reader reader, array, entry;
    size_t count = 0;

    if (!json_read_object(parent, "seccomp", JSON_OPTIONAL, &reader))
        return 0;
    to->given = true;
    to->rules = calloc(WORKLOAD_MAX_RULES, sizeof(*to->rules));
    if (!to->rules)
        return -ENOMEM;
    read_action(&reader, "defaultAction", "defaultErrnoRet", &to->default_action);
    json_ignore(&reader, "architectures"); /* the machine's own alone, whatever is asked for */
    if (json_read_array(&reader, "syscalls", JSON_OPTIONAL, NAMES_MOST, &array, &count))
        for (size_t i = 0; i < count; i++)
            if (json_element_object(&array, i, &entry))
                read_rules(&entry, to);
    json_read_done(&reader);
    return 0;
}

int config_read_sandbox(struct json_reader *parent, struct config_workload *to)
{
    struct json_reader reader = { .node = NULL };
    bool given;
    int r = 0;

    if (to->mode == WORKLOAD_EXEC)
        return 0;
    read_mounts(parent, to);
    given = json_read_object(parent, "linux", JSON_OPTIONAL, &reader);
    reader.status = parent->status;
    r = read_paths(&reader, "maskedPaths", default_masked, ARRAY_SIZE(default_masked), &to->masked);
    if (r == 0)
        r = read_paths(&reader, "readonlyPaths", default_read_only, ARRAY_SIZE(default_read_only), &to->read_only);
    if (r < 0 || !given)
        return r;
    r = read_seccomp(&reader, &to->seccomp);
    if (r < 0)
        return r;
    read_resources(&reader, &to->resources);
    json_read_done(&reader);
    return 0;
}
