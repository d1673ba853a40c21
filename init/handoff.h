/* From the boot to the workload. */
#pragma once

#include "init/init.h"

/* After stage_handoff() in mode supervise: gives up rights, stays until the workload has ended, closes the volumes. */
void handoff_stay(struct boot *boot);
