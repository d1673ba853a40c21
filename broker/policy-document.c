/* Policy documents; their contents have been parsed. */
#include "broker/policy-document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

static void write_hex(struct buffer *to, const uint8_t *data, size_t size)
{
    char text[HEX_TEXT_BYTES(MEASUREMENT_BYTES)];

    hex_encode(data, size, text);
    buffer_printf(to, "\"%s\"", text);
}

void policy_document_write(const struct policy *policy, struct buffer *to)
{
    const struct tcb *tcb = &policy->minimum_tcb;

    buffer_add_text(to, "{\"measurements\":[");
    for (size_t i = 0; i < policy->measurement_count; i++) {
        buffer_add_text(to, i ? "," : "");
        write_hex(to, policy->measurements[i], MEASUREMENT_BYTES);
    }
    buffer_printf(to, "],\"allow_debug\":%s,\"allow_migration_agent\":%s,\"vmpl\":%u",
                  policy->allow_debug ? "true" : "false", policy->allow_migration_agent ? "true" : "false",
                  policy->vmpl);
    if (policy->has_host_data) {
        buffer_add_text(to, ",\"host_data\":");
        write_hex(to, policy->host_data, HOST_DATA_BYTES);
    }
    if (policy->has_minimum_tcb)
        buffer_printf(to, ",\"minimum_tcb\":{\"fmc\":%u,\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u}",
                      tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp, tcb->microcode);
    buffer_add_text(to, "}");
}

int policy_document_add(struct policy *policy, const uint8_t measurement[MEASUREMENT_BYTES], bool *ret_added)
{
    uint8_t(*bigger)[MEASUREMENT_BYTES];

    for (size_t i = 0; i < policy->measurement_count; i++) {
        if (memcmp(policy->measurements[i], measurement, MEASUREMENT_BYTES) == 0) {
            *ret_added = false;
            return 0;
        }
    }
    if (policy->measurement_count == POLICY_MAX_MEASUREMENTS)
        return -E2BIG;
    bigger = reallocarray(policy->measurements, policy->measurement_count + 1, sizeof(*bigger));
    if (!bigger)
        return -ENOMEM;
    memcpy(bigger[policy->measurement_count], measurement, MEASUREMENT_BYTES);
    policy->measurements = bigger;
    policy->measurement_count++;
    *ret_added = true;
    return 0;
}
