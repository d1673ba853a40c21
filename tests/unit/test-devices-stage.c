/* init/devices-stage: all disks that the configuration names share ten seconds, and which refusal each outcome is. */
#include "unit.h"

#include "base/clock.h"
#include "init/devices.h"
#include "init/init.h"

#define WAIT_MS 10000u
#define EACH_MS 20u

static struct boot boot;
static struct {
    char devices[1 + CONFIG_MAX_VOLUMES][64];
    bool read_only[1 + CONFIG_MAX_VOLUMES];
    uint64_t deadline_ms[1 + CONFIG_MAX_VOLUMES];
    size_t count;
    int result; /* of the last one */
} opened;

/* In the places of those of main.c and devices.c: all stages together have more time than this one, and each disk keeps the stage waiting for a moment. */
int boot_refuse(struct boot *b, enum refusal refusal, int error)
{
    b->refusal = refusal;
    return error;
}

uint64_t boot_deadline(const struct boot *b UNUSED, uint64_t wait_ms)
{
    return clock_ms() + wait_ms;
}

int devices_open_disk(const char *device, bool read_only, uint64_t deadline_ms, int *ret_fd, struct reason *why UNUSED)
{
    size_t at = opened.count++;

    (void)snprintf(opened.devices[at], sizeof(opened.devices[at]), "%s", device);
    opened.read_only[at] = read_only;
    opened.deadline_ms[at] = deadline_ms;
    clock_sleep_ms(EACH_MS);
    if (at == boot.config.volume_count && opened.result < 0)
        return opened.result;
    *ret_fd = (int)at;
    return 0;
}

static int run(int result)
{
    memset(&opened, 0, sizeof(opened));
    opened.result = result;
    return stage_devices(&boot);
}

static int set_up(void **state UNUSED)
{
    memcpy(boot.config.root.device, "root", sizeof("root"));
    boot.config.volume_count = 3;
    for (size_t i = 0; i < boot.config.volume_count; i++)
        (void)snprintf(boot.config.volumes[i].device, sizeof(boot.config.volumes[i].device), "disk%u", (unsigned)i);
    return 0;
}

static void all_disks_share_one_deadline(void **state UNUSED)
{
    uint64_t before = clock_ms();

    assert_int_equal(run(0), 0);
    assert_int_equal(opened.count, 4);
    assert_string_equal(opened.devices[0], "root");
    assert_true(opened.read_only[0]);
    assert_string_equal(opened.devices[3], "disk2");
    assert_false(opened.read_only[3]);
    assert_int_equal(boot.volumes[2].disk, 3);
    assert_in_range(opened.deadline_ms[0], before + WAIT_MS, clock_ms() + WAIT_MS - 4 * EACH_MS);
    for (size_t i = 1; i < opened.count; i++)
        assert_int_equal(opened.deadline_ms[i], opened.deadline_ms[0]);
}

static void outcomes_have_their_refusals(void **state UNUSED)
{
    static const struct {
        int result;
        enum refusal refusal;
    } outcomes[] = { { -ENODEV, REFUSAL_DEVICE_MISSING },
                     { -ENOTUNIQ, REFUSAL_DEVICE_AMBIGUOUS },
                     { -EACCES, REFUSAL_VOLUME_OPEN } };

    for (size_t i = 0; i < ARRAY_SIZE(outcomes); i++) {
        assert_int_equal(run(outcomes[i].result), outcomes[i].result);
        assert_int_equal(boot.refusal, outcomes[i].refusal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_disks_share_one_deadline),
        cmocka_unit_test(outcomes_have_their_refusals),
    };

    return cmocka_run_group_tests_name("devices-stage", tests, set_up, NULL);
}
