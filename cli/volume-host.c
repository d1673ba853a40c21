/* Volumes on a host: the record is the owner's, the disk may have been anybody's. */
#include "cli/volume-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/secret-file.h"
#include "luks/label.h"
#include "luks/rotation.h"

#define RECORD_MAX_BYTES 1024

void host_volume_free(struct host_volume *host)
{
    secret_free(&host->key);
    fd_close(&host->disk);
}

int host_volume_load(const char *record, const char *disk, bool read_only, struct host_volume *ret_host,
                     struct reason *why)
{
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    int r = secret_file_read(record, RECORD_MAX_BYTES, &bytes, why);

    if (r < 0)
        return r;
    r = record_parse(&bytes, &ret_host->record, &ret_host->key, why);
    if (r < 0) {
        reason_prefix(why, record);
        return r;
    }
    ret_host->volume = (struct crypt_volume){ .name = ret_host->record.volume_id,
                                              .cipher = ret_host->record.cipher,
                                              .integrity = ret_host->record.integrity,
                                              .sector_size = ret_host->record.sector_size,
                                              .offset = ret_host->record.offset,
                                              .length = ret_host->record.length,
                                              .layout_length = ret_host->record.layout_length,
                                              .read_only = read_only };
    ret_host->disk = open(disk, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    return ret_host->disk < 0 ? reason_set(why, -errno, "%s: cannot be opened: %s", disk, strerror(errno)) : 0;
}

/* Half of a volume may be under each key; which one its label is under follows from that. */
static int map(struct host_volume *host, struct secret *ret_label_key, char ret_path[32], struct reason *why)
{
    struct secret key = host->key;
    struct rotation *rotation;
    int r;

    if (host->record.state != RECORD_ROTATING) {
        r = crypt_open(&host->volume, host->disk, &host->key, ret_path, why);
        return r < 0 ? r : label_derive_key(&key, ret_label_key);
    }
    rotation = calloc(1, sizeof(*rotation));
    r = rotation ? rotation_open(&host->volume, host->disk, &host->key, rotation, ret_path, why) : -ENOMEM;
    if (r == 0) {
        key.size /= 2;
        key.bytes += rotation->slot.done ? 0 : key.size;
        r = label_derive_key(&key, ret_label_key);
        rotation_free(rotation);
    }
    free(rotation);
    return r;
}

int host_volume_open(struct host_volume *host, char ret_path[32], struct label *ret_label, struct reason *why)
{
    const char *id = host->record.volume_id;
    CLEANUP_SECRET struct secret label_key = SECRET_NONE;
    CLEANUP_FD int mapping = -1;
    struct label label = { .epoch = 0 };
    int r = map(host, &label_key, ret_path, why);

    if (r < 0)
        return r;
    mapping = open(ret_path, O_RDONLY | O_CLOEXEC);
    r = mapping < 0 ? -errno : label_read(mapping, &label_key, &label);
    fd_close(&mapping);
    /* Volumes that others made have no label, and what says that the key is right is their file system. */
    if (r == -ENODATA && host->record.has_header_mac)
        r = 0;
    if (r < 0)
        (void)reason_set(why, r, "volume %s: its first block is not under this record's key: %s", id, strerror(-r));
    else if (label.volume_id[0] && strcmp(label.volume_id, id) != 0)
        r = reason_set(why, -EKEYREJECTED, "volume %s: it is labelled \"%s\"", id, label.volume_id);
    if (r < 0 && crypt_close(id) < 0)
        reason_prefix(why, "mapping left behind");
    if (r == 0)
        *ret_label = label;
    return r;
}
