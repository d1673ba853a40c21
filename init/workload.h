/*
 * The workload: what postern.json says about it (a subset of the OCI runtime specification's config.json, measured),
 * and how it is started. It is not trusted with PID 1: it gets a view of the file systems, rights and system calls that
 * leave out what it has no use for.
 */
#pragma once

#include <sys/types.h>

#include "base/json.h"
#include "base/reason.h"

#define WORKLOAD_MAX_WORDS 64
#define WORKLOAD_MAX_PATH_BYTES 255
#define WORKLOAD_MAX_GROUPS 32
#define WORKLOAD_MAX_RLIMITS 16
#define WORKLOAD_MAX_MOUNTS 16
#define WORKLOAD_MAX_PATHS 64
#define WORKLOAD_MAX_HOSTNAME_BYTES 64 /* of the kernel */
#define WORKLOAD_MAX_RULES 1024

enum workload_mode {
    WORKLOAD_SUPERVISE, /* a child of PID 1 */
    WORKLOAD_EXEC,      /* becomes PID 1, as an init of its own */
};

enum workload_restart { WORKLOAD_RESTART_NO, WORKLOAD_RESTART_ON_FAILURE, WORKLOAD_RESTART_ALWAYS };

/* Bits by capability number. */
struct workload_capabilities {
    uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct workload_rlimit {
    int resource;
    uint64_t soft, hard;
};

struct workload_mount {
    bool bind; /* of `source`; otherwise a tmpfs */
    char destination[WORKLOAD_MAX_PATH_BYTES + 1];
    char source[WORKLOAD_MAX_PATH_BYTES + 1];
    bool read_only, executable;
    uint64_t size; /* bytes, of a tmpfs */
    unsigned mode;
};

/* Paths that exist or not. */
struct workload_paths {
    char *paths[WORKLOAD_MAX_PATHS];
    size_t count;
};

struct workload_argument {
    unsigned index, operation; /* an enum scmp_compare */
    uint64_t value, value_two;
};

struct workload_rule {
    int number;      /* libseccomp's number of the system call; negative for those of other machines */
    uint32_t action; /* a SCMP_ACT_… */
    size_t argument_count;
    struct workload_argument arguments[6];
};

struct workload_seccomp {
    bool given; /* otherwise the deny list of PID 1 */
    uint32_t default_action;
    struct workload_rule *rules;
    size_t rule_count;
};

/* 0: no limit. */
struct workload_resources {
    uint64_t memory_bytes, cpu_quota_us, cpu_period_us, pids;
};

struct config_workload {
    enum workload_mode mode;
    char *args[WORKLOAD_MAX_WORDS + 1]; /* NULL-terminated; args[0] is an absolute path */
    char *env[WORKLOAD_MAX_WORDS + 1];
    char cwd[WORKLOAD_MAX_PATH_BYTES + 1];
    char hostname[WORKLOAD_MAX_HOSTNAME_BYTES + 1];
    uint32_t uid, gid;
    unsigned umask;
    uint32_t groups[WORKLOAD_MAX_GROUPS];
    size_t group_count;
    struct workload_capabilities capabilities;
    struct workload_rlimit rlimits[WORKLOAD_MAX_RLIMITS];
    size_t rlimit_count;
    bool no_new_privileges;
    bool terminal; /* it has the console */
    bool user_namespaces;
    int oom_score_adj;
    struct workload_mount mounts[WORKLOAD_MAX_MOUNTS];
    size_t mount_count;
    struct workload_paths masked, read_only;
    struct workload_seccomp seccomp;
    struct workload_resources resources;
    enum workload_restart restart;
    uint64_t restart_attempts;
    uint64_t stop_grace_ms;
};

/* The member `workload` of postern.json. Errors: -ENOMEM; what the reader holds. */
int config_read_workload(struct json_reader *parent, struct config_workload *to) MUST_CHECK;

/* Its parts in files of their own: `process`, and `mounts` and `linux`. */
int config_read_process(struct json_reader *parent, struct config_workload *to) MUST_CHECK;
int config_read_sandbox(struct json_reader *parent, struct config_workload *to) MUST_CHECK;

void config_workload_free(struct config_workload *workload);

/* A workload that could not be started: what was being done, why not, and what a shell would give as its status. */
struct workload_failure {
    int status; /* 127 no such program, 126 it cannot be executed, 125 everything before */
    struct reason why;
};

/*
 * Starts the workload as a child, in a session, a control group and a mount namespace of its own, with the rights that
 * are configured. Returns when its program runs. `network` is the network namespace it is to be in, or -1 for the one
 * of PID 1. Errors: -errno, with the failure.
 */
int workload_start(const struct config_workload *workload, int network, pid_t *ret_pid,
                   struct workload_failure *ret_failure) MUST_CHECK;

/* Becomes the workload, which is an init. Returns only on failure, as workload_start() does. */
int workload_become(const struct config_workload *workload, struct workload_failure *ret_failure) MUST_CHECK;
