/*
 * An image directory as image/build leaves it: firmware.fd, kernel, initrd, cmdline, root.img.
 */
#pragma once

#include "base/reason.h"

#define IMAGE_CMDLINE_MAX_BYTES 4096

struct image {
    char *firmware, *kernel, *initrd, *root; /* paths */
    char *cmdline;                           /* the text of the file `cmdline` */
};

/* Paths below `directory`, all of which exist, and the command line's text. The caller frees with image_free(). Errors:
 * -errno, -EBADMSG for a command line with a newline or NUL in it; with a sentence. */
int image_open(const char *directory, struct image *ret_image, struct reason *why) MUST_CHECK;

void image_free(struct image *image);
