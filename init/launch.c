/*
 * Stages report and expect: what this launch is, as the secure processor says, and whether the configuration agrees.
 * The host relays the report and could make one up: this is for failing early with a clear reason. The broker's check
 * is the boundary.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "init/init.h"

#define REPORT_MS 30000u

int stage_report(struct boot *boot)
{
    int r = device_get_report(PURPOSE_SELF, "launch", "", 0, clock_ms() + REPORT_MS, &boot->self, &boot->why);

    if (r == 0)
        r = report_parse(boot->self.report, sizeof(boot->self.report), &boot->report, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_REPORT, r) : 0;
}

int stage_expect(struct boot *boot)
{
    const struct policy_facts facts = { .report = &boot->report, .product = report_product(&boot->report) };
    struct policy_decision decision;

    policy_evaluate(&boot->config.expect, &facts, &decision);
    if (!decision.failed)
        return 0;
    (void)reason_set(&boot->why, -EACCES, "%s: expected %s, found %s", decision.failed->name, decision.failed->wanted,
                     decision.failed->found);
    return boot_refuse(boot, REFUSAL_EXPECT, -EACCES);
}
