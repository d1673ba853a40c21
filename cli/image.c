/* Image directories: made by the builder, perhaps fetched from somewhere; what is in them is measured, not trusted. */
#include "cli/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static int find(const char *directory, const char *name, char **ret_path, struct reason *why)
{
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -ENOMEM;
    if (access(path, R_OK) < 0) {
        int r = reason_set(why, -errno, "%s: %s; an image directory has firmware.fd, kernel, initrd, cmdline, root.img",
                           path, strerror(errno));

        free(path);
        return r;
    }
    *ret_path = path;
    return 0;
}

static int read_cmdline(const char *directory, char **ret_text, struct reason *why)
{
    CLEANUP_FREE char *path = NULL;
    uint8_t *text = NULL;
    size_t size = 0;
    int r = find(directory, "cmdline", &path, why);

    if (r == 0)
        r = file_read(path, IMAGE_CMDLINE_MAX_BYTES, &text, &size, why);
    if (r < 0)
        return r;
    if (memchr(text, '\0', size) || memchr(text, '\n', size)) {
        free(text);
        return reason_set(why, -EBADMSG, "%s: holds a newline or NUL, but is measured byte for byte", path);
    }
    *ret_text = (char *)text;
    return 0;
}

int image_open(const char *directory, struct image *ret_image, struct reason *why)
{
    CLEANUP(image_free) struct image image = { NULL, NULL, NULL, NULL, NULL };
    int r = find(directory, "firmware.fd", &image.firmware, why);

    if (r == 0)
        r = find(directory, "kernel", &image.kernel, why);
    if (r == 0)
        r = find(directory, "initrd", &image.initrd, why);
    if (r == 0)
        r = find(directory, "root.img", &image.root, why);
    if (r == 0)
        r = read_cmdline(directory, &image.cmdline, why);
    if (r < 0)
        return r;
    *ret_image = image;
    image = (struct image){ NULL, NULL, NULL, NULL, NULL };
    return 0;
}

void image_free(struct image *image)
{
    free(image->firmware);
    free(image->kernel);
    free(image->initrd);
    free(image->root);
    free(image->cmdline);
    *image = (struct image){ NULL, NULL, NULL, NULL, NULL };
}
