/* Policy documents; whoever administers the broker, or built the image, wrote them. Strict all the same. */
#include "attest/policy.h"

#include <errno.h>
#include <stdlib.h>

static void read_minimum_tcb(struct json_reader *parent, struct policy *policy)
{
    struct json_reader reader;
    const struct {
        const char *name;
        uint8_t *to;
    } components[] = {
        { "fmc", &policy->minimum_tcb.fmc },
        { "bootloader", &policy->minimum_tcb.bootloader },
        { "tee", &policy->minimum_tcb.tee },
        { "snp", &policy->minimum_tcb.snp },
        { "microcode", &policy->minimum_tcb.microcode },
    };

    if (!json_read_object(parent, "minimum_tcb", JSON_OPTIONAL, &reader))
        return;
    policy->has_minimum_tcb = true;
    for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
        uint64_t value = 0;

        (void)json_read_u64(&reader, components[i].name, JSON_OPTIONAL, 0, UINT8_MAX, &value);
        *components[i].to = (uint8_t)value;
    }
    json_read_done(&reader);
}

static void read_common(struct json_reader *reader, struct policy *policy)
{
    uint64_t vmpl = 0;

    (void)json_read_bool(reader, "allow_debug", JSON_OPTIONAL, &policy->allow_debug);
    (void)json_read_bool(reader, "allow_migration_agent", JSON_OPTIONAL, &policy->allow_migration_agent);
    (void)json_read_u64(reader, "vmpl", JSON_OPTIONAL, 0, 3, &vmpl);
    policy->vmpl = (uint32_t)vmpl;
    policy->has_host_data = json_read_hex(reader, "host_data", JSON_OPTIONAL, policy->host_data, HOST_DATA_BYTES);
    read_minimum_tcb(reader, policy);
}

void policy_read_expectations(struct json_reader *reader, struct policy *ret_policy)
{
    *ret_policy = (struct policy){ .any_measurement = true };
    read_common(reader, ret_policy);
    json_read_done(reader);
}

static int read_measurements(struct json_reader *reader, struct policy *policy)
{
    struct json_reader array;
    size_t count = 0;

    if (!json_read_array(reader, "measurements", JSON_REQUIRED, POLICY_MAX_MEASUREMENTS, &array, &count))
        return 0;
    if (!count) {
        json_refuse(reader, "measurements", "empty: nothing could ever be allowed");
        return 0;
    }
    policy->measurements = calloc(count, sizeof(*policy->measurements));
    if (!policy->measurements)
        return -ENOMEM;
    policy->measurement_count = count;
    for (size_t i = 0; i < count; i++)
        (void)json_element_hex(&array, i, policy->measurements[i], MEASUREMENT_BYTES);
    return 0;
}

int policy_parse(const void *text, size_t size, struct policy *ret_policy, struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, size, POLICY_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    r = read_measurements(&reader, &policy);
    if (r < 0)
        return r;
    read_common(&reader, &policy);
    json_read_done(&reader);
    if (status.error)
        return status.error;
    *ret_policy = policy;
    policy.measurements = NULL;
    return 0;
}

void policy_free(struct policy *policy)
{
    free(policy->measurements);
    policy->measurements = NULL;
    policy->measurement_count = 0;
}
