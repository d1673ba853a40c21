/* From options to a digest. The firmware file is hostile until firmware_parse() has accepted it. */
#include "cli/inputs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/command.h"
#include "base/file.h"
#include "measure/cpu.h"

static int find_signature(const struct inputs *inputs, uint32_t *ret_signature, struct reason *why)
{
    const struct cpu_type *type;
    uint64_t value = 0;

    if (inputs->vcpu_signature) {
        if (command_parse_u64(inputs->vcpu_signature, &value) < 0 || value > UINT32_MAX)
            return reason_set(why, -EINVAL, "--vcpu-sig: \"%s\" is not a 32-bit number", inputs->vcpu_signature);
        *ret_signature = (uint32_t)value;
        return 0;
    }
    if (!inputs->vcpu_type)
        return reason_set(why, -EINVAL, "--vcpu-type is missing: the CPU type is measured, EPYC-v4 for example");
    type = cpu_type_find(inputs->vcpu_type);
    if (!type)
        return reason_set(why, -EINVAL, "--vcpu-type: \"%s\" is no EPYC type that QEMU knows, see postern-measure(1)",
                          inputs->vcpu_type);
    *ret_signature = cpu_signature(type->family, type->model, type->stepping);
    return 0;
}

static int check_combination(const struct inputs *inputs, struct reason *why)
{
    if (!inputs->kernel && (inputs->initrd || inputs->append))
        return reason_set(why, -EINVAL, "%s without --kernel: there would be nothing to measure it with",
                          inputs->initrd ? "--initrd" : "--append");
    return 0;
}

int inputs_digest(const struct inputs_measured *measured, uint32_t vcpus, uint32_t signature, uint64_t features,
                  uint8_t ret_digest[LAUNCH_DIGEST_BYTES], struct reason *why)
{
    const struct launch_inputs launch = { .firmware = &measured->firmware,
                                          .hashes = measured->has_hashes ? &measured->hashes : NULL,
                                          .vcpus = vcpus,
                                          .cpu_signature = signature,
                                          .features = features };

    return launch_digest(&launch, ret_digest, why);
}

int inputs_measure(const struct inputs *inputs, struct inputs_measured *ret_measured, struct reason *why)
{
    CLEANUP(inputs_free) struct inputs_measured measured = { .has_hashes = inputs->kernel };
    size_t size = 0;
    int r = check_combination(inputs, why);

    if (r == 0)
        r = find_signature(inputs, &measured.cpu_signature, why);
    if (r == 0)
        r = file_read(inputs->firmware, FIRMWARE_MAX_BYTES, &measured.firmware_data, &size, why);
    if (r < 0)
        return r;
    r = firmware_parse(measured.firmware_data, size, &measured.firmware, why);
    if (r < 0) {
        reason_prefix(why, inputs->firmware);
        return r;
    }
    if (inputs->kernel)
        r = kernel_hashes_compute(inputs->kernel, inputs->initrd, inputs->append, &measured.hashes, why);
    if (r == 0)
        r = inputs_digest(&measured, (uint32_t)inputs->vcpus, measured.cpu_signature, inputs->features, measured.digest,
                          why);
    if (r < 0)
        return r;
    *ret_measured = measured;
    measured.firmware_data = NULL;
    return 0;
}

void inputs_free(struct inputs_measured *measured)
{
    free(measured->firmware_data);
    measured->firmware_data = NULL;
}
