/*
 * luks/: encrypted and verified disks on a hostile host: device-mapper tables with pinned parameters in the guest,
 * LUKS2 volumes on the builder's machine.
 *
 * The host controls every byte of a disk and may change it between two reads. Nothing that stands on the disk decides
 * how it is opened: cipher, place, size and key come from the broker's signed record, hashes from measured data.
 * Formats: Linux Documentation/admin-guide/device-mapper/{dm-crypt,verity}.rst; LUKS2 On-Disk Format Specification.
 */
#pragma once

#include "base/base.h"

#define SECTOR_BYTES 512u
