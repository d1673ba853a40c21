/*
 * init/config-parse.c, init/config-broker-parse.c, init/config-network-parse.c, init/config-volume-parse.c,
 * init/config-workload-parse.c, init/config-process-parse.c, init/config-sandbox-parse.c and init/config-attest-parse.c.
 * What is accepted is complete: absolute paths, plain names, keys that are there.
 */
#include "fuzz.h"
#include "init/config.h"

/* A bare key or passphrase never comes without a measured place, and a record never without a key to verify it with. */
static void check_release(const struct config *c, const struct config_volume *volume)
{
    if (!config_volume_is_released(volume))
        return;
    REQUIRE(c->broker_count || c->broker_root.given);
    REQUIRE(volume->resource_from_init_data ? c->init_data_device[0] : volume->resource.path[0]);
    REQUIRE(volume->payload != PAYLOAD_RAW && !volume->initialise);
    if (!config_volume_has_record(volume))
        REQUIRE(volume->mode != VOLUME_RECORD && volume->length && volume->sector_size);
    for (size_t i = 0; config_volume_has_record(volume) && i < c->broker_count; i++)
        REQUIRE(c->brokers[i].record_key.given);
}

static void check(const struct config *c)
{
    REQUIRE(c->broker_count <= CONFIG_MAX_BROKERS && c->volume_count <= CONFIG_MAX_VOLUMES);
    for (size_t i = 0; i < c->volume_count; i++)
        check_release(c, &c->volumes[i]);
    REQUIRE(!c->broker_root.given || c->init_data_device[0]);
    for (size_t i = 0; i < c->broker_count; i++) {
        REQUIRE(c->brokers[i].peer.pin_count);
        REQUIRE(c->brokers[i].peer.endpoint.address_size);
    }
    for (size_t i = 0; i < c->volume_count; i++) {
        const struct config_volume *volume = &c->volumes[i];

        REQUIRE(volume->mount[0] == '/' && !strstr(volume->mount, "/../") && !strstr(volume->mount, "//"));
        REQUIRE(volume->id[0] && !strchr(volume->id, '/') && strcmp(volume->id, "root") != 0);
        REQUIRE(volume->device[0] && !strchr(volume->device, '/'));
        for (size_t k = 0; k < i; k++)
            REQUIRE(strcmp(volume->id, c->volumes[k].id) != 0);
    }
    REQUIRE(c->root.device[0] && c->root.tree.data_blocks && c->root.tree.salt_size <= VERITY_MAX_SALT_BYTES);
    REQUIRE(c->workload.args[0] && c->workload.args[0][0] == '/' && c->workload.cwd[0] == '/');
    REQUIRE(!(c->workload.capabilities.permitted & ~c->workload.capabilities.bounding));
    REQUIRE(!(c->workload.capabilities.effective & ~c->workload.capabilities.permitted));
    REQUIRE(c->workload.mode != WORKLOAD_EXEC || (!c->workload.seccomp.given && !c->workload.mount_count));
    for (size_t i = 0; i < c->workload.mount_count; i++)
        REQUIRE(c->workload.mounts[i].destination[0] == '/' && c->workload.mounts[i].mode <= 07777);
    for (size_t i = 0; i < c->workload.masked.count; i++)
        REQUIRE(c->workload.masked.paths[i][0] == '/');
    REQUIRE(!c->manifest.wanted || (c->manifest.threshold && c->manifest.threshold <= c->manifest.signers.count));
    REQUIRE(c->attestation.uid_count <= CONFIG_MAX_UIDS);
    REQUIRE(c->release_deadline_ms && !c->expect.measurements);
    REQUIRE(c->network.address.prefix_bits <= 128 && c->network.resolver_count <= CONFIG_MAX_RESOLVERS);
    REQUIRE(!c->network.enabled || c->network.wait_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size, 0);
    struct reason why = { "" };
    struct config config;

    if (config_parse(copy, size, &config, &why) == 0) {
        check(&config);
        config_free(&config);
    } else {
        REQUIRE(why.text[0]);
    }
    free(copy);
    return 0;
}
