/*
 * Stage volumes: maps each volume and makes sure that it is the one. What decides comes from the signed record and the
 * measured configuration, which have to agree; what is read from the disk is compared with them and decides nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/key.h"
#include "init/init.h"
#include "init/volume.h"
#include "luks/aead.h"
#include "luks/derive.h"
#include "luks/format.h"
#include "luks/header.h"
#include "luks/keyslot.h"
#include "luks/tree.h"
#include "luks/xts.h"

#define DERIVE_MS 30000u
#define SECTOR_SIZE 4096u
#define SEALED_INFO "postern sealed volume:"

/* The record has to be the one for this volume, and of the kind that the image's builder asked for. */
static int check_record(const struct config_volume *wanted, const struct record *record, struct reason *why)
{
    if (strcmp(record->volume_id, wanted->id) != 0)
        return reason_set(why, -EBADMSG, "volume %s: the broker released the record of \"%s\"", wanted->id,
                          record->volume_id);
    if (strcmp(record->integrity, wanted->integrity) != 0)
        return reason_set(why, -EBADMSG, "volume %s: integrity is %s in the record, %s in the configuration",
                          wanted->id, record->integrity, wanted->integrity);
    if (record->state == RECORD_ROTATING && (wanted->read_only || wanted->mode == VOLUME_HEADER))
        return reason_set(why, -EBADMSG, "volume %s: it is on its way to another key, for which it has to be writable "
                                         "and in mode record", wanted->id);
    if (record->state == RECORD_UNINITIALISED && (wanted->read_only || wanted->mode == VOLUME_HEADER))
        return reason_set(why, -EBADMSG, "volume %s: the broker says that it was never initialised", wanted->id);
    return 0;
}

/* A passphrase gives way to the volume key that the header's keyslot holds under it. */
static int unlock(const struct header *header, int disk, uint64_t offset, struct secret *key, struct reason *why)
{
    CLEANUP_SECRET struct secret passphrase = secret_take(key);

    return keyslot_open(disk, offset, header, &passphrase, key, why);
}

static int check_header_mac(const struct crypt_volume *volume, const struct record *record,
                            const uint8_t bytes[HEADER_BYTES], const struct header *header, const struct secret *key,
                            struct reason *why)
{
    uint8_t mac[HEADER_MAC_BYTES];
    int r = header_make_mac(bytes, header, volume->name, key, mac);

    if (r == 0 && CRYPTO_memcmp(mac, record->header_mac, sizeof(mac)) != 0)
        r = -EKEYREJECTED;
    return r < 0 ? reason_set(why, r, "volume %s: its header is not the one that its record was made with",
                              volume->name)
                 : 0;
}

/*
 * Mode header: the LUKS2 header before the data, read once, on the allow-list, saying what the record or the measured
 * configuration says, and of this key; with a record bit by bit the one that the record was made with. The table is
 * made from record or configuration all the same.
 */
static int check_header(const struct crypt_volume *volume, const struct config_volume *wanted,
                        const struct record *record, int disk, struct secret *key, struct reason *why)
{
    static uint8_t bytes[HEADER_BYTES];
    uint64_t offset = volume->offset - HEADER_DATA_OFFSET_BYTES;
    struct header header;
    int r;

    if (config_volume_has_record(wanted) && !record->has_header_mac)
        return reason_set(why, -EBADMSG, "volume %s: its record knows no header; make one with `postern volume adopt`",
                          volume->name);
    if (volume->offset < HEADER_DATA_OFFSET_BYTES)
        return reason_set(why, -EBADMSG, "volume %s: there is no room for a header before its data", volume->name);
    r = header_read(disk, offset, bytes);
    if (r < 0)
        return reason_set(why, r, "volume %s: its header cannot be read: %s", volume->name, strerror(-r));
    r = header_parse(bytes, sizeof(bytes), NULL, &header, NULL, why);
    if (r < 0)
        return r;
    if (strcmp(header.cipher, volume->cipher) != 0 || strcmp(header.integrity, volume->integrity) != 0 ||
        header.sector_size != volume->sector_size || (header.length && header.length != volume->length))
        return reason_set(why, -EBADMSG, "volume %s: header and %s say different things", volume->name,
                          config_volume_has_record(wanted) ? "record" : "configuration");
    if (config_volume_has_passphrase(wanted))
        r = unlock(&header, disk, offset, key, why);
    if (r < 0) {
        reason_prefix(why, volume->name);
        return r;
    }
    r = header_check_key(&header, key);
    if (r < 0)
        return reason_set(why, r, "volume %s: its header is that of another key", volume->name);
    return config_volume_has_record(wanted) ? check_header_mac(volume, record, bytes, &header, key, why) : 0;
}

static size_t key_bytes(const struct config_volume *wanted)
{
    return strcmp(wanted->integrity, "none") == 0 ? XTS_KEY_BYTES : AEAD_KEY_BYTES;
}

/* A volume that no record describes: all but its key is measured. One whose key a broker gave is never formatted. */
static void describe(const struct config_volume *wanted, struct record *record)
{
    bool released = config_volume_is_released(wanted);

    *record = (struct record){ .cipher = "aes-xts-plain64",
                               .sector_size = released ? wanted->sector_size : SECTOR_SIZE,
                               .offset = wanted->offset,
                               .length = wanted->length,
                               .layout_length = wanted->length,
                               .state = released ? RECORD_READY : RECORD_UNINITIALISED };
    memcpy(record->integrity, wanted->integrity, strlen(wanted->integrity) + 1);
}

static int check_key_size(const struct config_volume *wanted, const struct secret *key, struct reason *why)
{
    if (wanted->payload != PAYLOAD_KEY || key->size == key_bytes(wanted))
        return 0;
    return reason_set(why, -EBADMSG, "volume %s: the broker released a key of %zu bytes, %zu are for integrity %s",
                      wanted->id, key->size, key_bytes(wanted), wanted->integrity);
}

/*
 * Mode sealed: a key that the processor derives for this measurement and policy, and from it the volume's own. A debug
 * launch, whose memory the host reads, has another policy and so another key. The migration root key is never asked.
 */
static int derive_sealed(const struct boot *boot, const struct config_volume *wanted, struct secret *ret_key,
                         struct reason *why)
{
    const struct device_key_request request = {
        .fields = DEVICE_KEY_POLICY | DEVICE_KEY_MEASUREMENT | (wanted->has_tcb_version ? DEVICE_KEY_TCB_VERSION : 0),
        .vmpl = boot->report.vmpl,
        .tcb_version = wanted->tcb_version,
    };
    CLEANUP_SECRET struct secret root = SECRET_NONE;
    char info[sizeof(SEALED_INFO) + RECORD_ID_MAX_BYTES];
    int r = device_derive_key(&request, NULL, boot_deadline(boot, DERIVE_MS), &root, why);

    (void)snprintf(info, sizeof(info), SEALED_INFO "%s", wanted->id);
    return r < 0 ? r : derive_key(&root, info, key_bytes(wanted), ret_key);
}

/* The label is what tells this volume under this key from any other. Disks that others made have none: see `needed`. */
static int check_label(const struct crypt_volume *volume, const char *path, const struct secret *key, bool needed,
                       struct label *ret_label, struct reason *why)
{
    CLEANUP_SECRET struct secret label_key = SECRET_NONE;
    CLEANUP_FD int mapping = open(path, O_RDONLY | O_CLOEXEC);
    struct label label = { .epoch = 0 };
    int r = mapping < 0 ? -errno : label_derive_key(key, &label_key);

    if (r == 0)
        r = label_read(mapping, &label_key, &label);
    if (r == -ENODATA && !needed)
        return 0;
    if (r == -EILSEQ || r == -EIO)
        return reason_set(why, r, "volume %s: its first block does not have the tag of this key", volume->name);
    if (r < 0)
        return reason_set(why, r, "volume %s: it does not carry a label that was made with this key", volume->name);
    if (strcmp(label.volume_id, volume->name) != 0)
        return reason_set(why, -EKEYREJECTED, "volume %s: it is labelled \"%s\"", volume->name, label.volume_id);
    *ret_label = label;
    return 0;
}

/* The label has to fit what the record and the rotation say. */
static int check_progress(const struct crypt_volume *mapping, const struct open_volume *volume, struct reason *why)
{
    if (volume->label.length > mapping->length)
        return reason_set(why, -EKEYREJECTED, "volume %s: %llu bytes of it are in use, its record says %llu",
                          mapping->name, (unsigned long long)volume->label.length,
                          (unsigned long long)mapping->length);
    if (volume->rotation && !volume->rotation->fresh && volume->rotation->slot.epoch < volume->label.epoch)
        return reason_set(why, -EKEYREJECTED, "volume %s: its rotation is of epoch %llu, its label of %llu",
                          mapping->name, (unsigned long long)volume->rotation->slot.epoch,
                          (unsigned long long)volume->label.epoch);
    return 0;
}

static void drop_rotation(struct open_volume *volume)
{
    if (volume->rotation)
        rotation_free(volume->rotation);
    free(volume->rotation);
    volume->rotation = NULL;
}

/* After a refusal nothing stays mapped. */
static void unmap(struct boot *boot, const char *name, struct open_volume *volume)
{
    drop_rotation(volume);
    if (crypt_close(name) < 0)
        reason_prefix(&boot->why, "mapping left behind");
}

static int map(const struct crypt_volume *mapping, int disk, struct open_volume *volume, struct reason *why)
{
    int r;

    if (volume->record.state != RECORD_ROTATING)
        return crypt_open(mapping, disk, &volume->key, volume->path, why);
    volume->rotation = calloc(1, sizeof(*volume->rotation));
    if (!volume->rotation)
        return -ENOMEM;
    r = rotation_open(mapping, disk, &volume->key, volume->rotation, volume->path, why);
    if (r < 0) {
        free(volume->rotation);
        volume->rotation = NULL;
    }
    return r;
}

/* The key that the volume's start is under. */
static struct secret current_key(const struct open_volume *volume)
{
    size_t half = volume->key.size / 2;

    if (!volume->rotation)
        return volume->key;
    return (struct secret){ volume->key.bytes + (volume->rotation->slot.done ? 0 : half), half };
}

/* Maps the volume and checks that it is the one. */
static int open_existing(struct boot *boot, const struct crypt_volume *mapping, int disk, struct open_volume *volume,
                         bool label_needed, enum refusal *ret_refusal)
{
    struct secret key;
    int r = map(mapping, disk, volume, &boot->why);

    *ret_refusal = REFUSAL_VOLUME_OPEN;
    if (r < 0)
        return r;
    key = current_key(volume);
    r = check_label(mapping, volume->path, &key, label_needed, &volume->label, &boot->why);
    if (r == 0)
        r = check_progress(mapping, volume, &boot->why);
    *ret_refusal = REFUSAL_VOLUME_LABEL;
    if (r < 0)
        unmap(boot, mapping->name, volume);
    return r;
}

/* What opening says when there is no finished volume; anything else is a reason to stop, also at first use. */
static bool is_unfinished(int error)
{
    return error == -ENOMEDIUM || error == -EBADMSG || error == -ENODATA || error == -EKEYREJECTED ||
           error == -EILSEQ || error == -EIO;
}

/*
 * Formatting needs somebody's word: the broker's record, or that the contents live for one boot; in mode sealed the
 * measured configuration's, and then the disk has to be blank. A volume that already carries its label was formatted
 * before, by a launch that did not get to confirm it: it is used as it is.
 */
static int may_format(const struct config_volume *wanted, const struct crypt_volume *mapping, int disk,
                      const struct record *record, bool *ret_may)
{
    *ret_may = wanted->mode == VOLUME_SEALED ? wanted->initialise : record->state == RECORD_UNINITIALISED;
    return *ret_may && wanted->mode == VOLUME_SEALED ? format_is_blank(mapping, disk, ret_may) : 0;
}

static int open_or_format(struct boot *boot, const struct config_volume *wanted, const struct crypt_volume *mapping,
                          int disk, struct open_volume *volume)
{
    enum refusal refusal = REFUSAL_VOLUME_OPEN;
    int r = -ENOMEDIUM;
    bool may = false;

    if (wanted->mode != VOLUME_SCRATCH)
        r = open_existing(boot, mapping, disk, volume, wanted->mode != VOLUME_HEADER, &refusal);
    if (r == 0)
        return 0;
    if (!is_unfinished(r) || may_format(wanted, mapping, disk, &volume->record, &may) < 0 || !may)
        return boot_refuse(boot, refusal, r);
    volume->label = (struct label){ .length = volume->record.length };
    memcpy(volume->label.volume_id, wanted->id, strlen(wanted->id) + 1);
    r = volume_format(mapping, disk, &volume->key, &volume->label, volume->path, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_FORMAT, r) : 0;
}

static int open_encrypted(struct boot *boot, const struct config_volume *wanted, int disk, struct open_volume *volume)
{
    struct crypt_volume mapping = { .name = wanted->id,
                                    .cipher = volume->record.cipher,
                                    .integrity = volume->record.integrity,
                                    .sector_size = volume->record.sector_size,
                                    .offset = volume->record.offset,
                                    .length = volume->record.length,
                                    .layout_length = volume->record.layout_length,
                                    .read_only = config_volume_is_read_only(wanted) };
    int r = wanted->mode != VOLUME_HEADER
                ? 0
                : check_header(&mapping, wanted, &volume->record, disk, &volume->key, &boot->why);

    r = r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_HEADER, r) : open_or_format(boot, wanted, &mapping, disk, volume);
    OPENSSL_cleanse(&mapping, sizeof(mapping)); /* nothing of a record stays in memory */
    return r;
}

/* What opens a signed tree, from the block of the disk where the configuration says that it stands. */
static int read_signed_tree(const struct config_volume *wanted, int disk, struct verity_tree *tree, struct reason *why)
{
    static uint8_t block[TREE_BLOCK_BYTES] __attribute__((aligned(TREE_BLOCK_BYTES)));
    CLEANUP_KEY EVP_PKEY *signer = key_p384_load(&wanted->signer);
    const struct tree_expectation expected = { wanted->id, wanted->least_version, signer };
    struct tree_statement statement;
    int flags = fcntl(disk, F_GETFL), r;

    if (flags < 0 || fcntl(disk, F_SETFL, flags | O_DIRECT) < 0)
        return -errno;
    r = fd_read_at(disk, wanted->tree.offset + wanted->signed_block * TREE_BLOCK_BYTES, block, sizeof(block));
    if (r < 0)
        return reason_set(why, r, "volume %s: its signed tree cannot be read: %s", wanted->id, strerror(-r));
    r = tree_verify(block, &expected, &statement, why);
    if (r < 0) {
        reason_prefix(why, wanted->id);
        return r;
    }
    *tree = statement.tree;
    tree->offset = wanted->tree.offset;
    return 0;
}

static int open_tree(struct boot *boot, const struct config_volume *wanted, int disk, struct open_volume *volume)
{
    struct verity_tree tree = wanted->tree;
    int r = wanted->signer.given ? read_signed_tree(wanted, disk, &tree, &boot->why) : 0;

    if (r < 0)
        return boot_refuse(boot, REFUSAL_VOLUME_HEADER, r);
    tree.name = wanted->id;
    r = verity_open(&tree, disk, volume->path, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_OPEN, r) : 0;
}

/* What there is before the disk is touched: a record that was checked, or a new key. */
static int prepare(struct boot *boot, const struct config_volume *wanted, struct open_volume *volume)
{
    int r;

    if (!config_volume_has_record(wanted))
        describe(wanted, &volume->record);
    if (config_volume_is_released(wanted)) {
        r = config_volume_has_record(wanted) ? check_record(wanted, &volume->record, &boot->why)
                                             : check_key_size(wanted, &volume->key, &boot->why);
        return r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_RECORD, r) : 0;
    }
    r = wanted->mode == VOLUME_SCRATCH  ? secret_random(key_bytes(wanted), &volume->key)
        : wanted->mode == VOLUME_SEALED ? derive_sealed(boot, wanted, &volume->key, &boot->why)
                                        : 0;
    return r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_OPEN, r) : 0;
}

static int write_label(struct open_volume *volume, const struct label *label, struct reason *why)
{
    const struct secret key = current_key(volume);
    CLEANUP_SECRET struct secret label_key = SECRET_NONE;
    CLEANUP_FD int mapping = open(volume->path, O_RDWR | O_CLOEXEC);
    int r = mapping < 0 ? -errno : label_derive_key(&key, &label_key);

    if (r == 0)
        r = label_write(mapping, &label_key, label);
    if (r < 0)
        return reason_set(why, r, "volume %s: its label cannot be written: %s", label->volume_id, strerror(-r));
    volume->label = *label;
    return 0;
}

/* Slots of a rotation are never older than the label: they get the epoch first. */
static int write_epoch(struct open_volume *volume, struct reason *why)
{
    struct label next = volume->label;
    int r = 0;

    next.epoch = volume->record.epoch;
    if (volume->rotation)
        r = rotation_take_epoch(volume->rotation, next.epoch, why);
    return r < 0 ? r : write_label(volume, &next, why);
}

/*
 * Tells the broker that the volume is open, before it is mounted writable. The label gets the release's epoch first: a
 * launch that is cut in between leaves the pending epoch, which the broker still takes; the other way round it would
 * leave one that is too old. A disk whose epoch the release cannot follow keeps it, so that it is refused every time.
 */
static int confirm(struct boot *boot, const struct config_volume *wanted, size_t index)
{
    struct open_volume *volume = &boot->volumes[index];
    uint64_t found = volume->label.epoch, epoch = volume->record.epoch;
    bool labelled = wanted->mode != VOLUME_HEADER, follows = found == epoch || found + 1 == epoch;
    const struct message_confirmation confirmation = {
        .epoch = epoch,
        .has_found = labelled,
        .found = labelled ? found : 0,
        .rotated = volume->rotation && volume->rotation->slot.done == volume->rotation->length,
    };
    int r = labelled && follows ? write_epoch(volume, &boot->why) : 0;

    if (r < 0)
        return boot_refuse(boot, REFUSAL_VOLUME_LABEL, r);
    r = release_confirm_open(boot, index, &confirmation);
    if (r < 0 || !labelled || follows)
        return r;
    r = reason_set(&boot->why, -EKEYREJECTED, "volume %s: the disk is at epoch %llu, the release at %llu", wanted->id,
                   (unsigned long long)found, (unsigned long long)epoch);
    return boot_refuse(boot, REFUSAL_VOLUME_LABEL, r);
}

/*
 * A record whose length has grown: blocks that were never written have no tag, so they get one before the label says
 * that they are in use. The file system follows when it is mounted.
 */
static int extend(struct open_volume *volume, struct reason *why)
{
    struct label next = volume->label;
    CLEANUP_FD int mapping = -1;
    int r = 0;

    if (strcmp(volume->record.integrity, "none") != 0) {
        mapping = open(volume->path, O_RDWR | O_CLOEXEC);
        r = mapping < 0 ? -errno : format_extend(mapping, next.length, volume->record.length);
        if (r < 0)
            return reason_set(why, r, "volume %s: it cannot grow to %llu bytes: %s", next.volume_id,
                              (unsigned long long)volume->record.length, strerror(-r));
    }
    fd_close(&mapping);
    next.length = volume->record.length;
    return write_label(volume, &next, why);
}

/* What the broker's acknowledgement allows. */
static int change(struct boot *boot, struct open_volume *volume)
{
    int r = 0;

    if (volume->label.volume_id[0] && volume->label.length < volume->record.length)
        r = extend(volume, &boot->why);
    if (r == 0 && volume->rotation && !volume->rotation->slot.done)
        r = rotation_begin(volume->rotation, &volume->key, &boot->why);
    return r < 0 ? boot_refuse(boot, REFUSAL_VOLUME_FORMAT, r) : 0;
}

static int open_volume(struct boot *boot, size_t index)
{
    const struct config_volume *wanted = &boot->config.volumes[index];
    struct open_volume *volume = &boot->volumes[index];
    CLEANUP_FD int disk = fd_take(&volume->disk);
    uint64_t begin_ms;
    int r = prepare(boot, wanted, volume);

    if (r < 0)
        return r;
    begin_ms = clock_ms();
    r = wanted->mode == VOLUME_VERITY ? open_tree(boot, wanted, disk, volume)
                                      : open_encrypted(boot, wanted, disk, volume);
    boot->deadline_ms += clock_ms() - begin_ms; /* formatting takes what it takes, and waits for nobody */
    if (r == 0 && config_volume_has_record(wanted) && !wanted->read_only) {
        r = confirm(boot, wanted, index);
        if (r == 0)
            r = change(boot, volume);
        if (r < 0)
            unmap(boot, wanted->id, volume);
    }
    secret_free(&volume->key);
    OPENSSL_cleanse(&volume->session, sizeof(volume->session));
    return r;
}

int stage_volumes(struct boot *boot)
{
    for (size_t i = 0; i < boot->config.volume_count; i++) {
        int r = open_volume(boot, i);

        if (r < 0)
            return r;
    }
    return 0;
}
