/* One volume's way from its key to a mapping that is known to be it. */
#pragma once

#include "base/reason.h"
#include "luks/crypt.h"
#include "luks/label.h"

/*
 * Formats and maps the volume: whatever it held is lost. Its label is written last. Errors: those of crypt_open(),
 * -errno; the mapping is gone then.
 */
int volume_format(const struct crypt_volume *volume, int disk, const struct secret *key, const struct label *label,
                  char ret_path[32], struct reason *why) MUST_CHECK;

/* Makes a mounted ext4 file system as large as its volume; one that is so stays as it is. Errors: -errno. */
int volume_grow(const char *directory, uint64_t length, struct reason *why) MUST_CHECK;
