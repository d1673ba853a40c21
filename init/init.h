/*
 * init/: PID 1 of the guest: from the first instruction in user space to the workload, in stages.
 *
 * Everything outside the initrd and the command line is the host's: devices, disks, network, time, what comes in on the
 * console. The configuration is measured. Verification failures are final: secrets are wiped, one line says why, the
 * machine is powered off. The console is read by the host, so nothing secret is ever written to it.
 */
#pragma once

#include "attest/device.h"
#include "attest/report.h"
#include "base/reason.h"
#include "init/config.h"
#include "init/manifest-check.h"
#include "init/refusal.h"
#include "luks/label.h"
#include "luks/rotation.h"
#include "release/client.h"
#include "release/record.h"

/* A volume up to its mount. */
struct open_volume {
    int disk; /* open from stage_devices() to stage_volumes() */
    struct record record;
    struct secret key;  /* wiped once the volume is mapped */
    struct label label; /* as it was read, or written at first use */
    size_t broker;      /* which of the configured ones released it */
    struct release_session session; /* wiped as well */
    char path[32];                  /* "/dev/dm-N" */
    struct rotation *rotation;      /* while it is on its way to another key, otherwise NULL */
};

/* All that the stages hand on to each other. */
struct boot {
    struct config config;
    uint64_t deadline_ms;      /* of all waiting together, on clock_ms() */
    struct device_report self; /* the launch's report for itself; the host relayed it */
    struct report report;
    char manifest_note[MANIFEST_NOTE_BYTES]; /* which launch the manifest says this is; "" when none is asked for */
    char clock_note[64]; /* how far the host's clock was away; "" when it was not, or no broker said so */
    char *init_data; /* the verified text, or NULL */
    struct open_volume volumes[CONFIG_MAX_VOLUMES];
    int root_disk; /* open from stage_devices() to stage_root() */
    struct secret resources[CONFIG_MAX_RESOURCES]; /* for the attestation socket, until its server has them */
    char root_path[32];
    /* What to say when a stage refuses. */
    enum refusal refusal;
    struct reason why;
    char request_id[40];
    int workload_status; /* 125 to 127 when it cannot be started */
};

/* Notes the code and gives back the error: `return boot_refuse(boot, REFUSAL_…, r);` */
int boot_refuse(struct boot *boot, enum refusal refusal, int error) MUST_CHECK;

/* What waits for somebody may do so for that long, and not beyond the end of the boot's own time. */
uint64_t boot_deadline(const struct boot *boot, uint64_t wait_ms) MUST_CHECK;

/* The stages, in their order; each 0 or a negative errno with boot->refusal and boot->why set. */
int stage_start(struct boot *boot) MUST_CHECK;
int stage_mounts(struct boot *boot) MUST_CHECK;
int stage_modules(struct boot *boot) MUST_CHECK;
int stage_devices(struct boot *boot) MUST_CHECK;
int stage_network(struct boot *boot) MUST_CHECK;
int stage_report(struct boot *boot) MUST_CHECK;
int stage_expect(struct boot *boot) MUST_CHECK;
int stage_release(struct boot *boot) MUST_CHECK;
int stage_volumes(struct boot *boot) MUST_CHECK;

/*
 * For stage_volumes(): tells the broker that the volume is open, and which epoch its disk carried. It may be mounted
 * writable once this has succeeded.
 */
int release_confirm_open(struct boot *boot, size_t index, const struct message_confirmation *confirmation) MUST_CHECK;

int stage_root(struct boot *boot) MUST_CHECK;
int stage_handoff(struct boot *boot) MUST_CHECK;

/* At the end of stage_root(): a process for each volume that is on its way to another key. */
int rotations_start(struct boot *boot) MUST_CHECK;

/* Takes configfs away, which is there for reports of PID 1 and not for workloads; fine when it is not mounted. */
void launch_unmount_configfs(void);

/* Wipes every secret that the boot still holds, and closes its disks. */
void boot_wipe(struct boot *boot);
