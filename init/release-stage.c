/*
 * Stage release: one signed record for each configured volume, from the first broker that can be reached. Broker and
 * network are hostile until the pinned keys have spoken (release/client.h).
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "init/init.h"
#include "release/failover.h"

static int get_report(void *context, const void *canonical, size_t size, uint64_t deadline_ms,
                      uint8_t ret_report[REPORT_BYTES], uint8_t ret_certificates[CERT_TABLE_MAX_BYTES],
                      size_t *ret_certificates_size, struct reason *why)
{
    struct device_report *answer = context;
    const struct device_request request = { PURPOSE_RELEASE, NULL, canonical, size, DEVICE_VMPL_OWN };
    int r = device_get_report(&request, NULL, deadline_ms, answer, why);

    if (r < 0)
        return r;
    memcpy(ret_report, answer->report, REPORT_BYTES);
    memcpy(ret_certificates, answer->certificates, answer->certificates_size);
    *ret_certificates_size = answer->certificates_size;
    return 0;
}

static enum refusal refusal_for(enum release_outcome outcome)
{
    switch (outcome) {
    case RELEASE_BUSY:
        return REFUSAL_RELEASE_BUSY;
    case RELEASE_DENIED:
        return REFUSAL_RELEASE_DENIED;
    case RELEASE_MISCONFIGURED:
        return REFUSAL_RELEASE_CONFIG;
    case RELEASE_BROKER_KEY:
        return REFUSAL_RELEASE_BROKER;
    case RELEASE_PROTOCOL:
        return REFUSAL_RELEASE_PROTOCOL;
    case RELEASE_RECORD:
        return REFUSAL_RELEASE_RECORD;
    case RELEASE_DEVICE:
        return REFUSAL_REPORT;
    case RELEASE_TRANSPORT:
    case RELEASE_GRANTED:
        break;
    }
    return REFUSAL_RELEASE_TRANSPORT;
}

/*
 * Once a broker has released to this guest its clock is better than the host's. Nothing depends on either, so it is
 * followed where they differ and does no harm where it cannot be.
 */
static void follow_clock(struct boot *boot, int64_t broker_s)
{
    const struct timespec to = { .tv_sec = broker_s };
    struct timespec now;

    if (broker_s <= 0 || (uint64_t)broker_s < boot->config.build_epoch || clock_gettime(CLOCK_REALTIME, &now) < 0 ||
        llabs(broker_s - now.tv_sec) <= 1 || clock_settime(CLOCK_REALTIME, &to) < 0)
        return;
    (void)snprintf(boot->clock_note, sizeof(boot->clock_note), "the clock was %+lld s away from the broker's",
                   (long long)now.tv_sec - broker_s);
}

/* Fills in what all requests have in common. */
static int release(struct boot *boot, struct release_request request, uint64_t deadline_ms, struct open_volume *to)
{
    struct release_result result;
    struct device_report answer;
    int r;

    request.init_data = boot->init_data;
    request.reporter = (struct release_reporter){ get_report, &answer };
    r = release_from_brokers(&request, boot->config.brokers, boot->config.broker_count, deadline_ms, &to->record,
                             &to->key, &to->broker, &result, &boot->why);
    if (r == 0) {
        to->session = result.session;
        follow_clock(boot, result.broker_time_s);
        OPENSSL_cleanse(&result.session, sizeof(result.session));
        return 0;
    }
    memcpy(boot->request_id, result.request_id, sizeof(boot->request_id));
    return boot_refuse(boot, refusal_for(result.outcome), r);
}

static int release_volume(struct boot *boot, size_t index, uint64_t deadline_ms)
{
    const struct config_volume *wanted = &boot->config.volumes[index];
    const struct release_request request = {
        .resource = wanted->resource.path,
        .plugin = wanted->resource.plugin,
        .payload = wanted->payload,
        .payload_name = wanted->payload_name,
    };

    return release(boot, request, deadline_ms, &boot->volumes[index]);
}

/* For the attestation socket: PID 1 has no network any more when the workload asks. */
static int release_resource(struct boot *boot, size_t index, uint64_t deadline_ms)
{
    const struct resource *wanted = &boot->config.attestation.resources[index];
    struct release_request request = { .resource = wanted->path, .plugin = wanted->plugin, .payload = PAYLOAD_RAW };
    struct open_volume got = { .key = SECRET_NONE };
    int r = release(boot, request, deadline_ms, &got);

    boot->resources[index] = got.key;
    OPENSSL_cleanse(&got.session, sizeof(got.session));
    return r;
}

int release_confirm_open(struct boot *boot, size_t index, const struct message_confirmation *confirmation)
{
    const struct config *config = &boot->config;
    const struct open_volume *volume = &boot->volumes[index];
    CLEANUP_KEY EVP_PKEY *key = key_p384_load(&config->brokers[volume->broker].record_key);
    const struct release_request request = { .broker = config->brokers[volume->broker].peer,
                                             .record_key = key,
                                             .resource = config->volumes[index].resource.path };
    struct release_result result;
    int r = release_confirm(&request, &volume->session, confirmation, boot_deadline(boot, config->release_deadline_ms),
                            &result, &boot->why);

    if (r == 0)
        return 0;
    memcpy(boot->request_id, result.request_id, sizeof(boot->request_id));
    return boot_refuse(boot, refusal_for(result.outcome), r);
}

int stage_release(struct boot *boot)
{
    uint64_t deadline_ms = boot_deadline(boot, boot->config.release_deadline_ms);
    int r = 0;

    for (size_t i = 0; r == 0 && i < boot->config.volume_count; i++)
        r = config_volume_is_released(&boot->config.volumes[i]) ? release_volume(boot, i, deadline_ms) : 0;
    for (size_t i = 0; r == 0 && i < boot->config.attestation.resource_count; i++)
        r = release_resource(boot, i, deadline_ms);
    if (r < 0)
        return r;
    launch_unmount_configfs();
    return 0;
}
