/* What the verbs share that open a volume on a host with device-mapper: record, disk, mapping. */
#pragma once

#include "base/reason.h"
#include "base/secret.h"
#include "luks/crypt.h"
#include "luks/label.h"
#include "release/record.h"

struct host_volume {
    struct record record;
    struct secret key; /* in state 3: both */
    struct crypt_volume volume;
    int disk;
};

#define HOST_VOLUME_NONE { .key = SECRET_NONE, .disk = -1 }

/* The record's file and the disk, a block device. `ret_host` stays where it is: its volume points into its record. */
int host_volume_load(const char *record, const char *disk, bool read_only, struct host_volume *ret_host,
                     struct reason *why) MUST_CHECK;

/*
 * Maps it under its id and reads its label with the record's key. ret_label is all zero for a volume that has none.
 * Nothing stays mapped after an error. Errors: those of crypt_open() and rotation_open(); -EKEYREJECTED for a label of
 * another key or volume.
 */
int host_volume_open(struct host_volume *host, char ret_path[32], struct label *ret_label, struct reason *why)
    MUST_CHECK;

void host_volume_free(struct host_volume *host);
