/*
 * Who this guest is, by a signed manifest that arrives unmeasured: a disk that the host attaches. It is believed for
 * its signers, who stand in the measured configuration, and it is for failing early and for a clear line in the boot
 * record: a guest cannot carry its own digest, and the host relays the report. The broker's check is the boundary.
 */
#pragma once

#include "attest/report.h"
#include "base/reason.h"
#include "init/config.h"

#define MANIFEST_NOTE_BYTES 256

/*
 * Whether enough of the signers signed the manifest in these bytes, zeros behind it aside, and this launch's digest
 * stands in it. The note says which launch of which artefacts that is. Errors: -EKEYREJECTED too few signatures,
 * -ENOENT the digest is not there, -EBADMSG no manifest, -ENOMEM.
 */
int manifest_check(const struct config_manifest *config, const struct report *report, const void *text, size_t size,
                   char ret_note[MANIFEST_NOTE_BYTES], struct reason *why) MUST_CHECK;

/* The same with the disk that the configuration names. Errors: those, and of devices_open_disk(), -EFBIG, -errno. */
int manifest_check_disk(const struct config_manifest *config, const struct report *report, uint64_t deadline_ms,
                        char ret_note[MANIFEST_NOTE_BYTES], struct reason *why) MUST_CHECK;
