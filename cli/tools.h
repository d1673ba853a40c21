/* Which tools an image was made with, out of the list that image/build leaves beside it. */
#pragma once

#include "base/reason.h"
#include "measure/manifest.h"

/*
 * The tools that turn packages into an image, with their versions from `path` (lock.json), and this program. Names
 * ascend. Errors: -errno, -EBADMSG; with a sentence.
 */
int tools_read(const char *path, struct manifest *manifest, struct reason *why) MUST_CHECK;

/* This program alone. */
void tools_own(struct manifest *manifest);
