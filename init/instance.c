/* Init-data in a guest. The disk is the host's; HOST_DATA is in the report that the processor made for this launch. */
#include "init/instance.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/key.h"
#include "init/devices.h"
#include "release/init-data.h"

#define WAIT_MS 10000u

/* Every address of an identity is a broker to ask, behind those that are pinned. */
static int add_identity(struct config *config, const struct identity *identity)
{
    for (size_t i = 0; i < identity->address_count; i++) {
        struct release_broker *to = &config->brokers[config->broker_count];

        if (config->broker_count == CONFIG_MAX_BROKERS)
            return -ENOMEM;
        to->peer.endpoint = identity->addresses[i];
        memcpy(to->peer.pins, identity->pins, sizeof(to->peer.pins));
        to->peer.pin_count = identity->pin_count;
        to->record_key = identity->record_key;
        config->broker_count++;
    }
    return 0;
}

/*
 * One text may serve images of several releases, so identities for others are passed over; it is an error when none is
 * left. One that the root key has not signed is nothing that a fleet would carry: it refuses the launch.
 */
static int take_identities(struct boot *boot, const struct init_data *init_data)
{
    struct config *config = &boot->config;
    CLEANUP_KEY EVP_PKEY *root = NULL;
    size_t taken = 0;
    int r = 0;

    if (!config->broker_root.given)
        return init_data->identity_count
                   ? reason_set(&boot->why, -EKEYREJECTED, "init-data names brokers, but this image has no broker_root")
                   : 0;
    root = key_p384_load(&config->broker_root);
    for (size_t i = 0; i < init_data->identity_count; i++) {
        struct identity identity;
        const char *text = init_data->identities[i];

        r = identity_verify(text, strlen(text), root, config->release, &identity, &boot->why);
        if (r == 0)
            r = add_identity(config, &identity);
        if (r < 0 && r != -ESTALE)
            return r;
        taken += r == 0;
    }
    if (taken || config->broker_count)
        return 0;
    if (r == -ESTALE)
        return r;
    return reason_set(&boot->why, -ENOENT, "init-data names no broker, and this image pins none but broker_root");
}

static int take_resource(struct boot *boot, const struct init_data *init_data)
{
    for (size_t i = 0; i < boot->config.volume_count; i++) {
        struct config_volume *volume = &boot->config.volumes[i];

        if (!volume->resource_from_init_data)
            continue;
        if (!init_data->has_resource)
            return reason_set(&boot->why, -ENOENT, "init-data: trustee.kbs.resource is missing: volume %s needs it",
                              volume->id);
        volume->resource = init_data->resource;
    }
    return 0;
}

int instance_take(struct boot *boot)
{
    CLEANUP_INIT_DATA struct init_data init_data = { .identity_count = 0 };
    size_t size = 0;
    int r;

    if (!boot->config.init_data_device[0])
        return 0;
    r = devices_read_text(boot->config.init_data_device, boot_deadline(boot, WAIT_MS), INIT_DATA_MAX_BYTES,
                          &boot->init_data,
                          &size, &boot->why);
    if (r < 0)
        reason_prefix(&boot->why, "init-data");
    else
        r = init_data_verify(boot->init_data, size, boot->report.host_data, &init_data, &boot->why);
    if (r == 0)
        r = take_resource(boot, &init_data);
    if (r == 0 && init_data.name[0] && sethostname(init_data.name, strlen(init_data.name)) < 0)
        r = -errno;
    if (r < 0)
        return boot_refuse(boot, REFUSAL_INIT_DATA, r);
    r = take_identities(boot, &init_data);
    return r < 0 ? boot_refuse(boot, REFUSAL_BROKER_IDENTITY, r) : 0;
}
