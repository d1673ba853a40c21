/*
 * Stages report and expect: what this launch is, as the secure processor says, and whether the configuration agrees.
 * The host relays the report and could make one up: this is for failing early with a clear reason. The broker's check
 * is the boundary.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/encode.h"
#include "init/console.h"
#include "init/init.h"
#include "init/instance.h"

#define REPORT_MS 30000u
#define MANIFEST_MS 10000u

#define CONFIGFS "/sys/kernel/config"

/*
 * configfs, one of the two ways to a report. Its place is there when its module is loaded; a kernel without it has the
 * other way.
 */
static int mount_configfs(struct reason *why)
{
    if (mount("configfs", CONFIGFS, "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != ENOENT &&
        errno != ENODEV && errno != EBUSY)
        return reason_set(why, -errno, CONFIGFS ": cannot be mounted: %s", strerror(errno));
    return 0;
}

void launch_unmount_configfs(void)
{
    (void)umount2(CONFIGFS, MNT_DETACH);
}

int stage_report(struct boot *boot)
{
    const struct device_request request = { PURPOSE_SELF, PURPOSE_SELF_LABEL, "", 0, DEVICE_VMPL_OWN };
    int r = mount_configfs(&boot->why);

    if (r == 0)
        r = device_get_report(&request, NULL, boot_deadline(boot, REPORT_MS), &boot->self, &boot->why);
    if (r == 0)
        console_report(boot->self.report, sizeof(boot->self.report));
    if (r == 0)
        r = report_parse(boot->self.report, sizeof(boot->self.report), &boot->report, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_REPORT, r) : 0;
}

int stage_expect(struct boot *boot)
{
    const struct policy_facts facts = { .report = &boot->report, .product = report_product(&boot->report) };
    struct policy_decision decision;
    int r;

    policy_evaluate_expectations(&boot->config.expect, &facts, &decision);
    if (decision.failed) {
        (void)reason_set(&boot->why, -EACCES, "%s: expected %s, found %s", decision.failed->name,
                         decision.failed->wanted, decision.failed->found);
        return boot_refuse(boot, REFUSAL_EXPECT, -EACCES);
    }
    if (boot->config.manifest.wanted) {
        r = manifest_check_disk(&boot->config.manifest, &boot->report, boot_deadline(boot, MANIFEST_MS),
                                boot->manifest_note, &boot->why);
        if (r < 0)
            return boot_refuse(boot, REFUSAL_EXPECT, r);
    }
    return instance_take(boot);
}
