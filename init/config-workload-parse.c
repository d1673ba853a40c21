/*
 * The workload of postern.json: measured, so its author is the image's builder. Members are those of the OCI runtime
 * specification's config.json where it has them; what is not on the list is refused, never passed over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "init/config-read.h"
#include "init/workload.h"

#define GRACE_DEFAULT_S 10u
#define GRACE_MOST_S 600u
#define RESTARTS_DEFAULT 5u
#define RESTARTS_MOST 1000000u
#define HOSTNAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."

static const char *const restarts[] = {
    [WORKLOAD_RESTART_NO] = "no",
    [WORKLOAD_RESTART_ON_FAILURE] = "on-failure",
    [WORKLOAD_RESTART_ALWAYS] = "always",
};

static void read_mode(struct json_reader *reader, struct config_workload *to)
{
    const char *text = "supervise";

    (void)json_read_string(reader, "mode", JSON_OPTIONAL, 16, &text);
    if (strcmp(text, "exec") == 0)
        to->mode = WORKLOAD_EXEC;
    else if (strcmp(text, "supervise") != 0)
        json_refuse(reader, "mode", "expected supervise or exec, found \"%s\"", text);
}

static void read_restart(struct json_reader *reader, struct config_workload *to)
{
    const char *text = "no";

    (void)json_read_string(reader, "restart", JSON_OPTIONAL, 16, &text);
    for (size_t i = 0; i < ARRAY_SIZE(restarts); i++)
        if (strcmp(text, restarts[i]) == 0) {
            to->restart = (enum workload_restart)i;
            return;
        }
    json_refuse(reader, "restart", "expected no, on-failure or always, found \"%s\"", text);
}

/* An init of its own decides all of this by itself. */
static void refuse_for_exec(struct json_reader *reader)
{
    static const char *const members[] = { "mounts", "linux", "restart", "restart_attempts", "stop_grace_s",
                                           "user_namespaces" };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (json_has(reader, members[i]))
            json_refuse(reader, members[i], "has no place in mode exec");
}

int config_read_workload(struct json_reader *parent, struct config_workload *to)
{
    uint64_t grace_s = GRACE_DEFAULT_S;
    struct json_reader reader;
    int r;

    to->restart_attempts = RESTARTS_DEFAULT;
    if (!json_read_object(parent, "workload", JSON_REQUIRED, &reader))
        return 0;
    read_mode(&reader, to);
    if (to->mode == WORKLOAD_EXEC)
        refuse_for_exec(&reader);
    r = config_read_process(&reader, to);
    if (r == 0)
        r = config_read_sandbox(&reader, to);
    if (r < 0)
        return r;
    if (json_has(&reader, "hostname"))
        config_read_word(&reader, "hostname", HOSTNAME_CHARACTERS, to->hostname, sizeof(to->hostname));
    read_restart(&reader, to);
    (void)json_read_u64(&reader, "restart_attempts", JSON_OPTIONAL, 1, RESTARTS_MOST, &to->restart_attempts);
    (void)json_read_u64(&reader, "stop_grace_s", JSON_OPTIONAL, 0, GRACE_MOST_S, &grace_s);
    to->stop_grace_ms = grace_s * 1000;
    (void)json_read_bool(&reader, "user_namespaces", JSON_OPTIONAL, &to->user_namespaces);
    json_read_done(&reader);
    return 0;
}

void config_workload_free(struct config_workload *workload)
{
    for (size_t i = 0; i < WORKLOAD_MAX_WORDS; i++) {
        free(workload->args[i]);
        free(workload->env[i]);
    }
    for (size_t i = 0; i < WORKLOAD_MAX_PATHS; i++) {
        free(workload->masked.paths[i]);
        free(workload->read_only.paths[i]);
    }
    free(workload->seccomp.rules);
    *workload = (struct config_workload){ .mode = WORKLOAD_SUPERVISE };
}
