/* What the verbs share that make a disk and its record: temporary names, progress, clearing up. */
#pragma once

#include "base/reason.h"
#include "base/secret.h"

struct volume_make {
    const char *id, *integrity;
    const char *content; /* file or mapping with the plain file system; NULL: nothing */
    bool relabel;        /* the content is a volume's, with a label of its own */
    uint64_t length;     /* of a volume without content, bytes */
    const char *output;  /* disk image to make, or a blank block device */
    const char *record;
    const struct secret *recovery; /* NULL: none */
    const char *what;              /* for the progress line: "encrypting" */
};

/* Whether both names are free; says so otherwise. A block device is the user's to give: it only has to be blank. */
bool volume_make_is_free(const struct volume_make *make);

/* A temporary name beside the output, for what has to be gone in the end whatever happens. Errors: -ENOMEM. */
int volume_make_plain(const struct volume_make *make, const char **ret_path) MUST_CHECK;

/*
 * Makes disk and record, under temporary names until both are whole; a device is written where it is. Errors: those of
 * create_volume(), -errno.
 */
int volume_make(const struct volume_make *make, struct reason *why) MUST_CHECK;

/* Removes what is half made. */
void volume_make_end(void);
