/*
 * What an image directory says about its launches: the row of its manifest, and the ID block for it. Both were made by
 * the builder and carried by anybody; a wrong one lets a launch fail, it gives nothing away.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "measure/measure.h"

struct launch_wish {
    uint64_t vcpus;
    const char *vcpu_type;
    uint64_t features;
};

/*
 * The digest of the row of DIRECTORY/manifest.json for QEMU that is wished for. Errors: -ENOENT without a manifest;
 * -EDOM, with all the rows there are, when it has none such.
 */
int launch_row_find(const char *directory, const struct launch_wish *wish, uint8_t ret_digest[LAUNCH_DIGEST_BYTES],
                    struct reason *why) MUST_CHECK;

struct launch_id {
    char *block, *auth; /* base64, as QEMU takes them */
    bool has_author;
};

/*
 * The ID block for this digest and guest policy out of a file of `postern id-block --json`. The caller frees with
 * launch_id_free(). Errors: -ENOENT without the file; -EBADMSG, -EINVAL when it has none such, with a sentence.
 */
int launch_id_find(const char *path, const uint8_t digest[LAUNCH_DIGEST_BYTES], uint64_t policy,
                   struct launch_id *ret_id, struct reason *why) MUST_CHECK;
void launch_id_free(struct launch_id *id);
