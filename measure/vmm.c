/* VMMs and modes by name. The names come from a user. */
#include "measure/measure.h"

#include <errno.h>
#include <strings.h>

static const char *const names[VMM_COUNT] = {
    [VMM_QEMU] = "QEMU",        [VMM_QEMU_OLD] = "QEMU-before-6.10", [VMM_EC2] = "ec2",
    [VMM_EC2_OLD] = "ec2-2023", [VMM_GCE] = "gce",
};

const char *vmm_name(enum vmm vmm)
{
    return names[vmm];
}

int vmm_find(const char *name, enum vmm *ret_vmm)
{
    for (int i = 0; i < VMM_COUNT; i++)
        if (strcasecmp(name, names[i]) == 0) {
            *ret_vmm = (enum vmm)i;
            return 0;
        }
    return -ENOENT;
}

bool vmm_measures_signature(enum vmm vmm)
{
    return vmm == VMM_QEMU || vmm == VMM_QEMU_OLD;
}
