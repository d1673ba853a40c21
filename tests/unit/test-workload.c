/* init/config-workload-parse.c and its parts, init/seccomp.c, base/spawn.c: what is read, and what is refused. */
#include "unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/spawn.h"
#include "init/seccomp.h"
#include "init/workload.h"

/* As postern.json has it, without the rest. */
static int parse(const char *text, struct config_workload *to, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, strlen(text), 65536, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    r = config_read_workload(&reader, to);
    return r < 0 ? r : status.error;
}

static void assert_refused(const char *text, const char *words)
{
    struct config_workload w = { .mode = WORKLOAD_SUPERVISE };
    struct reason why = { "" };
    int r = parse(text, &w, &why);

    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%s\ngave %d \"%s\", expected \"%s\"", text, r, why.text, words);
    config_workload_free(&w);
}

#define W(members) "{\"workload\":{" members "}}"
#define P(members) W("\"process\":{\"args\":[\"/x\"]," members "}")
#define L(members) W("\"process\":{\"args\":[\"/x\"]},\"linux\":{" members "}")
#define M(members) W("\"process\":{\"args\":[\"/x\"]},\"mounts\":[{" members "}]")
#define S(entry) L("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{" entry "}]}")

static void defaults_give_nothing_away(void **state UNUSED)
{
    struct config_workload w = { .mode = WORKLOAD_EXEC };
    struct reason why = { "" };

    w.mode = WORKLOAD_SUPERVISE;
    assert_int_equal(parse(W("\"process\":{\"args\":[\"/x\"]}"), &w, &why), 0);
    assert_true(w.no_new_privileges);
    assert_false(w.user_namespaces);
    assert_false(w.seccomp.given);
    assert_int_equal(w.capabilities.bounding | w.capabilities.ambient | w.capabilities.effective, 0);
    assert_int_equal(w.masked.count, 16);
    assert_int_equal(w.read_only.count, 4);
    assert_string_equal(w.read_only.paths[3], "/proc/sys");
    assert_int_equal(w.stop_grace_ms, 10000);
    assert_int_equal(w.restart, WORKLOAD_RESTART_NO);
    assert_int_equal(w.umask, 022);
    assert_string_equal(w.cwd, "/");
    config_workload_free(&w);
}

static void everything_is_read(void **state UNUSED)
{
    static const char text[] = W(
        "\"hostname\":\"a.b-c\",\"restart\":\"always\",\"restart_attempts\":9,\"stop_grace_s\":0,\"user_namespaces\":true,"
        "\"process\":{\"args\":[\"/x\",\"y\"],\"env\":[\"A=\"],\"user\":{\"uid\":1,\"gid\":2,\"umask\":7,\"additionalGids\":[3]},"
        "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"],\"permitted\":[\"CAP_BPF\"],\"effective\":[\"CAP_BPF\"],"
        "\"inheritable\":[\"CAP_BPF\"],\"ambient\":[\"CAP_BPF\"]},\"noNewPrivileges\":false,\"oomScoreAdj\":-1000,\"terminal\":true,"
        "\"rlimits\":[{\"type\":\"RLIMIT_NPROC\",\"soft\":1,\"hard\":18446744073709551615}]},"
        "\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=3k\",\"mode=1755\",\"exec\",\"nodev\"]},"
        "{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/c\",\"options\":[\"ro\",\"bind\"]}],"
        "\"linux\":{\"maskedPaths\":[],\"readonlyPaths\":[\"/r\"],\"resources\":{\"memory\":{\"limit\":1048576},"
        "\"cpu\":{\"quota\":2000,\"period\":1000},\"pids\":{\"limit\":1}},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\","
        "\"defaultErrnoRet\":38,\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_KILL_PROCESS\",\"args\":[{\"index\":5,\"value\":18446744073709551615,"
        "\"valueTwo\":2,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}}");
    struct config_workload w = { .mode = WORKLOAD_SUPERVISE };
    struct reason why = { "" };

    if (parse(text, &w, &why) < 0)
        fail_msg("%s", why.text);
    assert_string_equal(w.hostname, "a.b-c");
    assert_int_equal(w.restart, WORKLOAD_RESTART_ALWAYS);
    assert_int_equal(w.restart_attempts, 9);
    assert_int_equal(w.stop_grace_ms, 0);
    assert_true(w.user_namespaces && !w.no_new_privileges && w.terminal);
    assert_int_equal(w.groups[0] + w.group_count, 4);
    assert_int_equal(w.capabilities.bounding, UINT64_C(1) << CAP_BPF | 1);
    assert_int_equal(w.capabilities.ambient, UINT64_C(1) << CAP_BPF);
    assert_int_equal(w.oom_score_adj, -1000);
    assert_int_equal(w.rlimits[0].resource, RLIMIT_NPROC);
    assert_true(w.rlimits[0].hard == RLIM_INFINITY);
    assert_true(w.mounts[0].executable && !w.mounts[0].bind && !w.mounts[0].read_only);
    assert_int_equal(w.mounts[0].size, 3072);
    assert_int_equal(w.mounts[0].mode, 01755);
    assert_true(w.mounts[1].bind && w.mounts[1].read_only && !w.mounts[1].executable);
    assert_int_equal(w.masked.count, 0);
    assert_string_equal(w.read_only.paths[0], "/r");
    assert_int_equal(w.resources.memory_bytes, 1048576);
    assert_int_equal(w.resources.cpu_period_us, 1000);
    assert_int_equal(w.resources.pids, 1);
    assert_int_equal(w.seccomp.default_action, SCMP_ACT_ERRNO(38));
    assert_int_equal(w.seccomp.rule_count, 3);
    assert_int_equal(w.seccomp.rules[1].number, SYS_write);
    assert_int_equal(w.seccomp.rules[2].arguments[0].index, 5);
    assert_true(w.seccomp.rules[2].arguments[0].value == UINT64_MAX);
    config_workload_free(&w);
}

static void exec_takes_only_what_it_can(void **state UNUSED)
{
    struct config_workload w = { .mode = WORKLOAD_SUPERVISE };
    struct reason why = { "" };

    assert_int_equal(parse(W("\"mode\":\"exec\",\"hostname\":\"h\",\"process\":{\"args\":[\"/x\"]}"), &w, &why), 0);
    assert_int_equal(w.mode, WORKLOAD_EXEC);
    assert_int_equal(w.masked.count, 0);
    config_workload_free(&w);
    assert_refused(W("\"mode\":\"exec\",\"process\":{\"args\":[\"/x\"]},\"restart\":\"no\""), "restart: has no place in mode exec");
    assert_refused(W("\"mode\":\"exec\",\"process\":{\"args\":[\"/x\"]},\"linux\":{}"), "linux: has no place");
    assert_refused(W("\"mode\":\"exec\",\"process\":{\"args\":[\"/x\"],\"user\":{}}"), "process.user: has no place");
}

static void wrong_members_are_refused(void **state UNUSED)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { W("\"mode\":\"x\",\"process\":{\"args\":[\"/x\"]}"), "workload.mode: expected supervise or exec" },
        { W("\"restart\":\"x\",\"process\":{\"args\":[\"/x\"]}"), "workload.restart: expected no, on-failure or always" },
        { W("\"restart_attempts\":0,\"process\":{\"args\":[\"/x\"]}"), "restart_attempts: expected a number from 1" },
        { W("\"stop_grace_s\":601,\"process\":{\"args\":[\"/x\"]}"), "stop_grace_s: expected a number from 0 to 600" },
        { W("\"hostname\":\"a b\",\"process\":{\"args\":[\"/x\"]}"), "workload.hostname: \"a b\"" },
        { P("\"env\":[\"A\"]"), "env: element 0: \"A\" is not of the form NAME=VALUE" },
        { P("\"env\":[\"=A\"]"), "is not of the form NAME=VALUE" },
        { P("\"apparmorProfile\":\"x\""), "apparmorProfile: unknown member" },
        { P("\"oomScoreAdj\":-1001"), "oomScoreAdj: expected a number from -1000 to 1000, found -1001" },
        { P("\"oomScoreAdj\":1001"), "oomScoreAdj: expected a number" },
        { P("\"capabilities\":{\"bounding\":[\"CAP_ALL\"]}"), "bounding: element 0: \"CAP_ALL\" is no capability" },
        { P("\"capabilities\":{\"permitted\":[\"CAP_BPF\"]}"), "permitted: has capabilities that bounding lacks" },
        { P("\"capabilities\":{\"inheritable\":[\"CAP_BPF\"]}"), "inheritable: has capabilities that bounding lacks" },
        { P("\"capabilities\":{\"effective\":[\"CAP_BPF\"]}"), "effective: has capabilities that permitted lacks" },
        { P("\"capabilities\":{\"ambient\":[\"CAP_BPF\"]}"), "ambient: has capabilities" },
        { P("\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]"), "\"RLIMIT_X\" is no resource limit" },
        { P("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]"), "rlimits[0].soft: is above hard" },
        { P("\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1},{\"type\":\"RLIMIT_AS\",\"soft\":1,\"hard\":1}]"),
          "rlimits[1].type: RLIMIT_AS is there twice" },
        { P("\"user\":{\"uid\":1,\"gid\":1,\"umask\":512}"), "user.umask: expected a number from 0 to 511" },
        { P("\"user\":{\"uid\":1,\"gid\":1,\"additionalGids\":[4294967295]}"), "additionalGids[0]: expected a number" },
        { M("\"destination\":\"a\",\"type\":\"tmpfs\""), "mounts[0].destination" },
        { M("\"destination\":\"/a\",\"type\":\"proc\""), "mounts[0].type: expected tmpfs or bind" },
        { M("\"destination\":\"/a\",\"type\":\"bind\""), "mounts[0].source: missing" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"suid\"]"), "\"suid\" is no option that is known here" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=0\"]"), "\"size=0\" is no option" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=99999999999999999999\"]"), "is no option" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=9999999999g\"]"), "is no option" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"size=1mm\"]"), "is no option" },
        { M("\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"mode=99\"]"), "is no option" },
        { M("\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/b\",\"options\":[\"size=1m\"]"), "is no option" },
        { L("\"maskedPaths\":[\"/a/../b\"]"), "maskedPaths: element 0: \"/a/../b\" is not an absolute path" },
        { L("\"namespaces\":[]"), "linux.namespaces: unknown member" },
        { L("\"resources\":{\"memory\":{\"limit\":4096}}"), "memory.limit: expected a number from 1048576" },
        { L("\"resources\":{\"cpu\":{\"quota\":1}}"), "cpu.quota: expected a number from 1000" },
        { L("\"resources\":{\"pids\":{\"limit\":0}}"), "pids.limit: expected a number from 1" },
        { L("\"seccomp\":{}"), "seccomp.defaultAction: missing" },
        { L("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}"), "\"SCMP_ACT_NOTIFY\" is no action" },
        { S("\"names\":[\"nosuchcall\"],\"action\":\"SCMP_ACT_KILL\""), "names: element 0: \"nosuchcall\" is no system call" },
        { S("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4096"), "errnoRet: expected a number" },
        { S("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]"),
          "args[0].index: expected a number from 0 to 5" },
        { S("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"value\":0,\"op\":\"EQ\"}]"),
          "\"EQ\" is no comparison" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(cases[i].text, cases[i].words);
}

/* In a child, under a filter: what getpid and a socket of this family give. */
static int under(const struct workload_seccomp *configured, int family)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : seccomp_load_workload(configured);

        if (r == 0 && socket(family, SOCK_DGRAM, 0) < 0)
            r = errno;
        _exit(r < 0 ? 255 : r);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void filters_do_what_they_say(void **state UNUSED)
{
    struct workload_rule rule = { .number = SYS_socket,
                                  .action = SCMP_ACT_ERRNO(EXDEV),
                                  .argument_count = 1,
                                  .arguments = { { 0, SCMP_CMP_EQ, AF_INET6, 0 } } };
    struct workload_seccomp configured = { .given = true, .default_action = SCMP_ACT_ALLOW, .rules = &rule, .rule_count = 1 };

    assert_int_equal(under(&configured, AF_UNIX), 0);
    assert_int_equal(under(&configured, AF_INET6), EXDEV);
    rule.action = SCMP_ACT_KILL_PROCESS;
    assert_int_equal(under(&configured, AF_INET6), 1000 + SIGSYS);
    rule.action = SCMP_ACT_ALLOW; /* says nothing new */
    assert_int_equal(under(&configured, AF_INET6), 0);
    configured.given = false;
    assert_int_equal(under(&configured, AF_UNIX), 0);
}

static int become_shell(const void *context, struct spawn_failure *failure)
{
    char *const args[] = { (char *)(uintptr_t)"x", NULL };

    if (!context)
        return spawn_failed(failure, "a step", EXDEV);
    (void)execve(context, args, args + 1);
    return spawn_exec_failed(failure, context, errno);
}

static void failures_of_a_start_come_back(void **state UNUSED)
{
    struct spawn_failure failure;
    int status = 0;
    pid_t pid = -1;

    assert_int_equal(spawn(become_shell, "/bin/true", &pid, &failure), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(spawn(become_shell, NULL, &pid, &failure), -EXDEV);
    assert_int_equal(failure.status, 125);
    assert_string_equal(failure.what, "a step");
    assert_int_equal(spawn(become_shell, "/nowhere/x", &pid, &failure), -ENOENT);
    assert_int_equal(failure.status, 127);
    assert_string_equal(failure.what, "/nowhere/x");
    assert_int_equal(spawn(become_shell, "/etc/passwd", &pid, &failure), -EACCES);
    assert_int_equal(failure.status, 126);
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* none of them is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_give_nothing_away), cmocka_unit_test(everything_is_read),
        cmocka_unit_test(exec_takes_only_what_it_can), cmocka_unit_test(wrong_members_are_refused),
        cmocka_unit_test(filters_do_what_they_say),   cmocka_unit_test(failures_of_a_start_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
