/* The file systems as the workload sees them. */
#pragma once

#include "base/spawn.h"
#include "init/workload.h"

/*
 * In the child, before it gives up its rights: a mount namespace with a /dev of six devices, /sys and the configured
 * paths read-only, masked paths empty, and the configured mounts. Errors: -errno, with what was being mounted.
 */
int sandbox_enter(const struct config_workload *workload, struct spawn_failure *failure) MUST_CHECK;
