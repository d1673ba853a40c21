/*
 * What this launch is told beside its measured configuration: init-data, bound by HOST_DATA (release/init-data.h).
 *
 * It comes on a disk whose serial number is measured, from the host, and names things: the guest, a resource, brokers
 * whose identities the measured root key has signed.
 */
#pragma once

#include "base/reason.h"
#include "init/init.h"

/*
 * Reads it, holds it against HOST_DATA of boot->report, and takes over what it may say. Nothing to do without
 * `init_data` in the configuration. 0, or a negative errno with boot->refusal and boot->why set.
 */
int instance_take(struct boot *boot) MUST_CHECK;
