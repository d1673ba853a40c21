/*
 * Stage handoff: the workload is started as a child that PID 1 then supervises, or PID 1 becomes it. What the workload
 * is, is measured.
 */
#include "init/handoff.h"

#include <signal.h>

#include "base/clock.h"
#include "base/file.h"
#include "init/attest-socket.h"
#include "init/button.h"
#include "init/console.h"
#include "init/power.h"
#include "init/privilege.h"
#include "init/supervise.h"

static pid_t started;
static int button = -1;

/* What waits for all processors to have passed a point was made quick at the cost of their time (stage mounts). */
static void end_hurry(void)
{
    if (file_poke("/sys/kernel/rcu_expedited", "0") < 0)
        return; /* a kernel without it */
}

static void save_record(void)
{
    if (console_save_record() < 0)
        console_stage("record", clock_boot_us(), CONSOLE_RECORD_PATH " could not be written");
}

/* A program that becomes PID 1 leaves nobody to write the stage's line when it runs: it is written before. */
static int become(struct boot *boot)
{
    struct workload_failure failure = { .status = 0 };
    int r;

    console_stage("handoff", clock_boot_us(), "exec");
    save_record();
    end_hurry();
    r = workload_become(&boot->config.workload, &failure);
    boot->why = failure.why;
    boot->workload_status = r < 0 ? failure.status : 0;
    return r;
}

int stage_handoff(struct boot *boot)
{
    const struct config_workload *workload = &boot->config.workload;
    struct workload_failure failure = { .status = 0 };
    int r;

    r = attest_socket_start(&boot->config.attestation, boot->resources, &boot->why);
    boot_wipe(boot);
    if (r < 0)
        return boot_refuse(boot, REFUSAL_WORKLOAD, r);
    if (workload->mode == WORKLOAD_EXEC)
        return boot_refuse(boot, REFUSAL_WORKLOAD, become(boot));
    button = button_open(); /* before anybody reads that there is a workload: whoever does may press it at once */
    r = workload_start(workload, -1, &started, &failure);
    if (r == 0)
        return 0;
    fd_close(&button);
    boot->why = failure.why;
    boot->workload_status = failure.status;
    return boot_refuse(boot, REFUSAL_WORKLOAD, r);
}

void handoff_stay(struct boot *boot)
{
    const struct config_workload *workload = &boot->config.workload;
    struct workload_end end = { .status = 0 };
    CLEANUP_FD int network = -1;
    uint64_t begin_us = clock_boot_us();
    struct reason why = { "" };
    int r;

    save_record();
    end_hurry();
    r = privilege_drop(workload, &network, &why);
    if (r < 0) {
        console_refusal("privilege", begin_us, REFUSAL_PRIVILEGE, reason_text(&why, r), NULL, 0);
        (void)kill(-1, SIGKILL);
    } else {
        supervise_run(workload, started, button, network, &end);
        console_exit(&end);
    }
    fd_close(&button);
    power_close_volumes(&boot->config);
}
