/* The `process` object of the OCI runtime specification, as far as it is supported; measured data. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "init/config-read.h"
#include "init/workload.h"

#define WORD_MAX_BYTES 4096

/* In the order of their numbers (capabilities(7)). */
static const char *const capability_names[] = {
    "CAP_CHOWN",          "CAP_DAC_OVERRIDE",  "CAP_DAC_READ_SEARCH",    "CAP_FOWNER",       "CAP_FSETID",
    "CAP_KILL",           "CAP_SETGID",        "CAP_SETUID",             "CAP_SETPCAP",      "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",        "CAP_NET_RAW",      "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",      "CAP_SYS_MODULE",    "CAP_SYS_RAWIO",          "CAP_SYS_CHROOT",   "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",      "CAP_SYS_ADMIN",     "CAP_SYS_BOOT",           "CAP_SYS_NICE",     "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",       "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",             "CAP_LEASE",        "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",  "CAP_SETFCAP",       "CAP_MAC_OVERRIDE",       "CAP_MAC_ADMIN",    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",     "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",         "CAP_PERFMON",      "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

static const struct {
    const char *name;
    int resource;
} rlimit_names[] = {
    { "RLIMIT_AS", RLIMIT_AS },           { "RLIMIT_CORE", RLIMIT_CORE },       { "RLIMIT_CPU", RLIMIT_CPU },
    { "RLIMIT_DATA", RLIMIT_DATA },       { "RLIMIT_FSIZE", RLIMIT_FSIZE },     { "RLIMIT_LOCKS", RLIMIT_LOCKS },
    { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
    { "RLIMIT_NOFILE", RLIMIT_NOFILE },   { "RLIMIT_NPROC", RLIMIT_NPROC },     { "RLIMIT_RSS", RLIMIT_RSS },
    { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },   { "RLIMIT_RTTIME", RLIMIT_RTTIME },   { "RLIMIT_STACK", RLIMIT_STACK },
    { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
};

_Static_assert(ARRAY_SIZE(capability_names) == CAP_LAST_CAP + 1, "a name for each capability");
_Static_assert(ARRAY_SIZE(rlimit_names) <= WORKLOAD_MAX_RLIMITS, "room for each limit");

static int read_words(struct json_reader *reader, const char *name, enum json_need need, char *ret_words[])
{
    struct json_reader array;
    size_t count = 0;

    if (!json_read_array(reader, name, need, WORKLOAD_MAX_WORDS, &array, &count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;

        if (!json_element_string(&array, i, WORD_MAX_BYTES, &text))
            return 0;
        ret_words[i] = strdup(text);
        if (!ret_words[i])
            return -ENOMEM;
    }
    return 0;
}

/* An environment's words are NAME=VALUE; anything else is a mistake that nobody would see at run time. */
static void check_env(struct json_reader *reader, char *const env[])
{
    for (size_t i = 0; env[i]; i++)
        if (env[i][0] == '=' || !strchr(env[i], '='))
            json_refuse(reader, "env", "element %zu: \"%s\" is not of the form NAME=VALUE", i, env[i]);
}

static void read_groups(struct json_reader *reader, struct config_workload *to)
{
    struct json_reader array;
    uint64_t gid = 0;

    if (!json_read_array(reader, "additionalGids", JSON_OPTIONAL, WORKLOAD_MAX_GROUPS, &array, &to->group_count))
        return;
    for (size_t i = 0; i < to->group_count; i++)
        if (json_element_u64(&array, i, UINT32_MAX - 1, &gid))
            to->groups[i] = (uint32_t)gid;
}

static void read_user(struct json_reader *parent, struct config_workload *to)
{
    uint64_t uid = 0, gid = 0, mask = 022;
    struct json_reader reader;

    if (json_read_object(parent, "user", JSON_OPTIONAL, &reader)) {
        (void)json_read_u64(&reader, "uid", JSON_REQUIRED, 0, UINT32_MAX - 1, &uid);
        (void)json_read_u64(&reader, "gid", JSON_REQUIRED, 0, UINT32_MAX - 1, &gid);
        (void)json_read_u64(&reader, "umask", JSON_OPTIONAL, 0, 0777, &mask);
        read_groups(&reader, to);
        json_read_done(&reader);
    }
    to->uid = (uint32_t)uid;
    to->gid = (uint32_t)gid;
    to->umask = (unsigned)mask;
}

static bool find_capability(const char *name, unsigned *ret_number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(capability_names); i++)
        if (strcmp(name, capability_names[i]) == 0) {
            *ret_number = i;
            return true;
        }
    return false;
}

static void read_set(struct json_reader *reader, const char *name, uint64_t *ret_set)
{
    struct json_reader array;
    size_t count = 0;

    if (!json_read_array(reader, name, JSON_OPTIONAL, ARRAY_SIZE(capability_names), &array, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        const char *text = NULL;
        unsigned number = 0;

        if (!json_element_string(&array, i, 32, &text))
            return;
        if (find_capability(text, &number))
            *ret_set |= UINT64_C(1) << number;
        else
            json_refuse(&array, NULL, "element %zu: \"%s\" is no capability", i, text);
    }
}

/* What the kernel would refuse is refused here, where the member can be named. */
static void read_capabilities(struct json_reader *parent, struct workload_capabilities *to)
{
    struct json_reader reader;

    if (!json_read_object(parent, "capabilities", JSON_OPTIONAL, &reader))
        return;
    read_set(&reader, "bounding", &to->bounding);
    read_set(&reader, "effective", &to->effective);
    read_set(&reader, "inheritable", &to->inheritable);
    read_set(&reader, "permitted", &to->permitted);
    read_set(&reader, "ambient", &to->ambient);
    json_read_done(&reader);
    if (to->permitted & ~to->bounding)
        json_refuse(&reader, "permitted", "has capabilities that bounding lacks");
    if (to->inheritable & ~to->bounding)
        json_refuse(&reader, "inheritable", "has capabilities that bounding lacks");
    if (to->effective & ~to->permitted)
        json_refuse(&reader, "effective", "has capabilities that permitted lacks");
    if (to->ambient & ~(to->permitted & to->inheritable))
        json_refuse(&reader, "ambient", "has capabilities that permitted or inheritable lack");
}

static void read_rlimit(struct json_reader *reader, struct config_workload *to, size_t index)
{
    struct workload_rlimit *limit = &to->rlimits[index];
    const char *text = NULL;
    size_t known = 0;

    (void)json_read_u64(reader, "hard", JSON_REQUIRED, 0, RLIM_INFINITY, &limit->hard);
    (void)json_read_u64(reader, "soft", JSON_REQUIRED, 0, RLIM_INFINITY, &limit->soft);
    if (!json_read_string(reader, "type", JSON_REQUIRED, 32, &text))
        return;
    while (known < ARRAY_SIZE(rlimit_names) && strcmp(text, rlimit_names[known].name) != 0)
        known++;
    if (known == ARRAY_SIZE(rlimit_names)) {
        json_refuse(reader, "type", "\"%s\" is no resource limit", text);
        return;
    }
    limit->resource = rlimit_names[known].resource;
    for (size_t i = 0; i < index; i++)
        if (to->rlimits[i].resource == limit->resource)
            json_refuse(reader, "type", "%s is there twice", text);
    if (limit->soft > limit->hard)
        json_refuse(reader, "soft", "is above hard");
    json_read_done(reader);
}

static void read_rlimits(struct json_reader *parent, struct config_workload *to)
{
    struct json_reader array, reader;

    if (!json_read_array(parent, "rlimits", JSON_OPTIONAL, WORKLOAD_MAX_RLIMITS, &array, &to->rlimit_count))
        return;
    for (size_t i = 0; i < to->rlimit_count; i++)
        if (json_element_object(&array, i, &reader))
            read_rlimit(&reader, to, i);
}

static void refuse_for_exec(struct json_reader *reader)
{
    static const char *const members[] = { "user", "capabilities", "noNewPrivileges", "oomScoreAdj",
                                           "terminal" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (json_has(reader, members[i]))
            json_refuse(reader, members[i], "has no place in mode exec");
}

int config_read_process(struct json_reader *parent, struct config_workload *to)
{
    struct json_reader reader;
    int64_t adjust = 0;
    int r;

    to->no_new_privileges = true;
    if (!json_read_object(parent, "process", JSON_REQUIRED, &reader))
        return 0;
    if (to->mode == WORKLOAD_EXEC)
        refuse_for_exec(&reader);
    r = read_words(&reader, "args", JSON_REQUIRED, to->args);
    if (r == 0)
        r = read_words(&reader, "env", JSON_OPTIONAL, to->env);
    if (r < 0)
        return r;
    if (!reader.status->error && (!to->args[0] || to->args[0][0] != '/'))
        json_refuse(&reader, "args", "the first word has to be an absolute path");
    check_env(&reader, to->env);
    memcpy(to->cwd, "/", 2);
    if (json_has(&reader, "cwd"))
        config_read_path(&reader, "cwd", to->cwd, sizeof(to->cwd));
    read_user(&reader, to);
    read_capabilities(&reader, &to->capabilities);
    read_rlimits(&reader, to);
    (void)json_read_bool(&reader, "terminal", JSON_OPTIONAL, &to->terminal);
    (void)json_read_bool(&reader, "noNewPrivileges", JSON_OPTIONAL, &to->no_new_privileges);
    (void)json_read_i64(&reader, "oomScoreAdj", JSON_OPTIONAL, -1000, 1000, &adjust);
    to->oom_score_adj = (int)adjust;
    json_read_done(&reader);
    return 0;
}
