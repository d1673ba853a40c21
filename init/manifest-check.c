/* The host controls the disk; nothing of its payload is looked at before the signatures hold. */
#include "init/manifest-check.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/encode.h"
#include "base/file.h"
#include "init/devices.h"
#include "measure/manifest.h"

#define SHOWN_HASH_BYTES 8

/* "qemu, EPYC-v4, 2 vCPUs, features 0x1; firmware 0011223344556677 kernel … initrd …; 1 of 2 signers" */
static void describe(const struct manifest *manifest, size_t index, size_t signers, size_t keys,
                     char to[MANIFEST_NOTE_BYTES])
{
    struct manifest_row row = manifest_plan_row(&manifest->plan, index);
    int used = snprintf(to, MANIFEST_NOTE_BYTES, "in the manifest: %s, %s, %u vCPUs, features 0x%llx;",
                        vmm_name(row.vmm), row.cpu ? row.cpu->name : "any CPU type", row.vcpus,
                        (unsigned long long)row.features);

    for (enum manifest_role role = MANIFEST_FIRMWARE; role <= MANIFEST_INITRD; role++) {
        char hash[HEX_TEXT_BYTES(SHOWN_HASH_BYTES)];

        if (manifest->roles[role] == MANIFEST_NO_ARTEFACT || used >= MANIFEST_NOTE_BYTES)
            continue;
        hex_encode(manifest->artefacts[manifest->roles[role]].sha256, SHOWN_HASH_BYTES, hash);
        used += snprintf(to + used, MANIFEST_NOTE_BYTES - (size_t)used, " %s %s", manifest_role_name(role), hash);
    }
    if (used < MANIFEST_NOTE_BYTES)
        (void)snprintf(to + used, MANIFEST_NOTE_BYTES - (size_t)used, "; %zu of %zu signers", signers, keys);
}

static int look_up(const struct dsse *envelope, const struct report *report, size_t signers, size_t keys,
                   char ret_note[MANIFEST_NOTE_BYTES], struct reason *why)
{
    CLEANUP_MANIFEST struct manifest *manifest = NULL;
    char digest[HEX_TEXT_BYTES(MEASUREMENT_BYTES)];
    size_t index;
    int r;

    if (strcmp(envelope->type, MANIFEST_PAYLOAD_TYPE) != 0)
        return reason_set(why, -EBADMSG, "holds \"%s\", expected \"%s\"", envelope->type, MANIFEST_PAYLOAD_TYPE);
    r = manifest_parse(envelope->payload, envelope->payload_size, &manifest, why);
    if (r < 0)
        return r;
    index = manifest_find(manifest, report->measurement);
    if (index == MANIFEST_NO_ARTEFACT) {
        hex_encode(report->measurement, MEASUREMENT_BYTES, digest);
        return reason_set(why, -ENOENT, "none of its %zu launches has this guest's digest %s", manifest->row_count,
                          digest);
    }
    describe(manifest, index, signers, keys, ret_note);
    return 0;
}

int manifest_check(const struct config_manifest *config, const struct report *report, const void *text, size_t size,
                   char ret_note[MANIFEST_NOTE_BYTES], struct reason *why)
{
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    struct dsse_verdict verdict;
    const uint8_t *bytes = text;
    int r;

    while (size && !bytes[size - 1])
        size--;
    r = dsse_parse(text, size, &envelope, why);
    if (r == 0)
        r = dsse_verify(&envelope, &config->signers, config->threshold, &verdict, why);
    if (r == 0)
        r = look_up(&envelope, report, verdict.keys, config->signers.count, ret_note, why);
    if (r < 0)
        reason_prefix(why, "manifest");
    return r;
}

int manifest_check_disk(const struct config_manifest *config, const struct report *report, uint64_t deadline_ms,
                        char ret_note[MANIFEST_NOTE_BYTES], struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    CLEANUP_FD int disk = -1;
    uint64_t size = 0;
    int r = devices_open_disk(config->device, true, deadline_ms, &disk, why);

    if (r < 0)
        return r;
    if (ioctl(disk, BLKGETSIZE64, &size) < 0)
        return reason_set(why, -errno, "manifest: the disk does not tell its size: %s", strerror(errno));
    if (!size || size > DSSE_MAX_BYTES)
        return reason_set(why, -EFBIG, "manifest: the disk has %llu bytes, expected 1 to %u", (unsigned long long)size,
                          DSSE_MAX_BYTES);
    text = malloc(size);
    if (!text)
        return -ENOMEM;
    r = fd_read_at(disk, 0, text, size);
    if (r < 0)
        return reason_set(why, r, "manifest: the disk cannot be read: %s", strerror(-r));
    return manifest_check(config, report, text, size, ret_note, why);
}
