/*
 * postern-init: PID 1. Runs the stages in their order; the first that refuses ends the machine. The last one starts the
 * workload, and the machine lives as long as that does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "init/acpi.h"
#include "init/console.h"
#include "init/handoff.h"
#include "init/init.h"
#include "init/power.h"

static const struct {
    const char *name;
    int (*run)(struct boot *boot);
} stages[] = {
    { "start", stage_start },     { "mounts", stage_mounts }, { "modules", stage_modules },
    { "devices", stage_devices }, { "network", stage_network }, { "report", stage_report },
    { "expect", stage_expect },   { "release", stage_release }, { "volumes", stage_volumes },
    { "root", stage_root },       { "handoff", stage_handoff },
};

/* Large, and there is only one. */
static struct boot boot;

int boot_refuse(struct boot *b, enum refusal refusal, int error)
{
    b->refusal = refusal;
    return error < 0 ? error : -EIO;
}

uint64_t boot_deadline(const struct boot *b, uint64_t wait_ms)
{
    uint64_t own_ms = clock_ms() + wait_ms;

    return own_ms < b->deadline_ms ? own_ms : b->deadline_ms;
}

/* The first three numbers are never a disk's: stage start takes them. */
static void close_disk(int *fd)
{
    if (*fd > STDERR_FILENO)
        fd_close(fd);
}

void boot_wipe(struct boot *b)
{
    close_disk(&b->root_disk);
    for (size_t i = 0; i < CONFIG_MAX_VOLUMES; i++) {
        close_disk(&b->volumes[i].disk);
        secret_free(&b->volumes[i].key);
        explicit_bzero(&b->volumes[i].record, sizeof(b->volumes[i].record));
    }
    for (size_t i = 0; i < CONFIG_MAX_RESOURCES; i++)
        secret_free(&b->resources[i]);
}

#define NOTE_BYTES 448

/*
 * What stages add to their lines: the launch, by the name under which brokers log it, and how the processor was
 * reached, with the reason why not otherwise; which launch of which image this is, by the manifest, and the host's ACPI
 * tables; how far the clock was away.
 */
static const char *note_for(const char *stage, char room[NOTE_BYTES])
{
    char hex[HEX_TEXT_BYTES(REPORT_ID_BYTES)];
    uint8_t digest[ACPI_DIGEST_BYTES];
    unsigned count;

    if (strcmp(stage, "report") == 0) {
        hex_encode(boot.report.report_id, REPORT_ID_BYTES, hex);
        (void)snprintf(room, NOTE_BYTES, "report_id %s by %s%s%s", hex, device_back_end_name(boot.self.back_end),
                       boot.self.back_end == DEVICE_IOCTL ? ", as " : "",
                       boot.self.back_end == DEVICE_IOCTL ? boot.self.passed_over.text : "");
        return room;
    }
    if (strcmp(stage, "expect") == 0 && acpi_digest(ACPI_TABLES, digest, &count) == 0) {
        hex_encode(digest, sizeof(digest), hex);
        (void)snprintf(room, NOTE_BYTES, "%s%s%u ACPI tables, sha256 %s", boot.manifest_note,
                       boot.manifest_note[0] ? "; " : "", count, hex);
        return room;
    }
    return strcmp(stage, "release") == 0 ? boot.clock_note : NULL;
}

static int run_stages(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        char note[NOTE_BYTES];
        uint64_t begin_us = clock_boot_us();
        int r;

        boot.why = (struct reason){ "" }; /* what a stage before it got over is not this one's reason */
        r = stages[i].run(&boot);
        if (r < 0) {
            boot_wipe(&boot);
            console_refusal(stages[i].name, begin_us, boot.refusal, reason_text(&boot.why, r), boot.request_id,
                            boot.workload_status);
            return r;
        }
        console_stage(stages[i].name, begin_us, note_for(stages[i].name, note));
    }
    return 0;
}

int main(void)
{
    static const char misuse[] =
        "postern-init: is PID 1 of a guest and nothing else; boot an image with it (postern-init(8))\n";

    if (getpid() != 1) {
        int r = fd_write_all(STDERR_FILENO, misuse, strlen(misuse));

        return r < 0 ? 2 : 1;
    }
    if (run_stages() == 0)
        handoff_stay(&boot);
    power_off();
}
