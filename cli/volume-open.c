/* postern volume open, close, verify-table: a volume on a host with device-mapper, by its record. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "cli/volume-host.h"
#include "luks/expect.h"
#include "luks/label.h"

/* Wrong keys, tables, tags and labels are verdicts on the disk; everything else is the user's or the machine's. */
static int finish(int error, const struct reason *why)
{
    log_error("%s", reason_text(why, error));
    return error == -EKEYREJECTED || error == -EBADMSG || error == -ENOMEDIUM || error == -EILSEQ || error == -EIO ||
                   error == -ENODATA
               ? EXIT_DISK
               : COMMAND_MISUSE;
}

static int open_volume(const char *disk, const char *record, bool read_only, struct reason *why)
{
    CLEANUP(host_volume_free) struct host_volume host = HOST_VOLUME_NONE;
    struct label label = { .epoch = 0 };
    char path[32];
    int r = host_volume_load(record, disk, read_only, &host, why);

    if (r == 0 && read_only && strcmp(host.record.integrity, "none") != 0)
        r = reason_set(why, -EINVAL, "--read-only: the journal of a volume with tags is written when it is opened; "
                                     "mount it read-only instead");
    if (r == 0)
        r = host_volume_open(&host, path, &label, why);
    if (r < 0)
        return r;
    if (label.volume_id[0])
        printf("%s: volume %s, epoch %llu. Close it with: postern volume close %s\n", path, host.record.volume_id,
               (unsigned long long)label.epoch, host.record.volume_id);
    else
        printf("%s: volume %s, without a label. Close it with: postern volume close %s\n", path, host.record.volume_id,
               host.record.volume_id);
    return 0;
}

static int run_open(const struct command *command, int argc, char **argv)
{
    const char *disk = NULL, *record = NULL;
    struct reason why = { "" };
    bool read_only = false;
    const struct option_row rows[] = {
        OPTION("record", "FILE", "the volume's record", OPTION_TEXT, &record, .required = true),
        OPTION("read-only", NULL, "map it read-only (volumes without tags)", OPTION_FLAG, &read_only),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &disk, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!disk) {
        log_error("which disk? usage: postern volume open DISK --record FILE");
        return COMMAND_MISUSE;
    }
    r = secret_library_init();
    if (r == 0)
        r = open_volume(disk, record, read_only, &why);
    return r < 0 ? finish(r, &why) : COMMAND_OK;
}

static int run_close(const struct command *command, int argc, char **argv)
{
    const char *id = NULL;
    int r = command_options(command, NULL, 0, argc, argv, &id, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!id || !id[0] || strlen(id) > RECORD_ID_MAX_BYTES) {
        log_error("which volume? usage: postern volume close ID");
        return COMMAND_MISUSE;
    }
    r = crypt_close(id);
    if (r == -ENXIO)
        log_error("volume %s: is not open", id);
    else if (r == -EBUSY)
        log_error("volume %s: is in use; unmount it first", id);
    else if (r < 0)
        log_error("volume %s: cannot be closed: %s", id, strerror(-r));
    return r < 0 ? COMMAND_MISUSE : COMMAND_OK;
}

static void show_json(struct buffer *text, const struct expect_table *table, bool first)
{
    buffer_add_text(text, first ? "{\"device\":" : ",{\"device\":");
    buffer_add_json_string(text, table->table.name);
    buffer_printf(text, ",\"expected\":\"%llu %s %s\",\"live\":", (unsigned long long)table->table.sectors,
                  table->table.target, table->table.parameters);
    buffer_add_json_string(text, table->live);
    buffer_printf(text, ",\"verdict\":\"%s\"}", table->same ? "same" : "differs");
}

static void show_lines(const struct expect_table *table)
{
    printf("%s: %s\n  expected: %llu %s %s\n", table->table.name,
           table->same ? "the live table is the expected one" : "the live table is not the expected one",
           (unsigned long long)table->table.sectors, table->table.target, table->table.parameters);
    if (!table->same)
        printf("  live:     %s\n", table->live[0] ? table->live : "there is no such device");
}

static int verify(const char *disk, const char *record, bool json, bool *ret_same, struct reason *why)
{
    CLEANUP(host_volume_free) struct host_volume host = HOST_VOLUME_NONE;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct expect_table tables[EXPECT_MAX_TABLES];
    uint64_t bytes = 0;
    char device[32];
    size_t count = 0;
    int r = host_volume_load(record, disk, true, &host, why);

    if (r == 0 && host.record.state == RECORD_ROTATING)
        r = reason_set(why, -EINVAL, "%s: the volume is on its way to another key and has several tables", record);
    if (r == 0)
        r = dm_describe_device(host.disk, device, &bytes);
    if (r == -ENOTBLK)
        r = reason_set(why, r, "%s: is not a block device", disk);
    host.volume.read_only = false;
    if (r == 0)
        r = expect_tables(&host.volume, device, host.key.size, tables, &count);
    if (r < 0)
        return r;
    *ret_same = true;
    for (size_t i = 0; i < count; i++) {
        *ret_same = *ret_same && tables[i].same;
        if (json)
            show_json(&text, &tables[i], i == 0);
        else
            show_lines(&tables[i]);
    }
    if (json)
        printf("{\"tables\":[%s],\"verdict\":\"%s\"}\n", buffer_text(&text), *ret_same ? "same" : "differs");
    return buffer_error(&text);
}

static int run_verify(const struct command *command, int argc, char **argv)
{
    const char *disk = NULL, *record = NULL;
    struct reason why = { "" };
    bool json = false, same = false;
    const struct option_row rows[] = {
        OPTION("record", "FILE", "the volume's record", OPTION_TEXT, &record, .required = true),
        OPTION("json", NULL, "one JSON object instead of lines", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &disk, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!disk) {
        log_error("which disk? usage: postern volume verify-table DISK --record FILE");
        return COMMAND_MISUSE;
    }
    r = secret_library_init();
    if (r == 0)
        r = verify(disk, record, json, &same, &why);
    if (r < 0)
        return finish(r, &why);
    return same ? COMMAND_OK : EXIT_DISK;
}

const struct command verb_volume_open = {
    .program = "postern",
    .name = "volume open",
    .summary = "Opens a volume on a host with device-mapper by its record, as a guest does.",
    .usage = "DISK --record FILE [--read-only]",
    .example = "  postern volume open /dev/sdb --record data.record\n",
    .run = run_open,
};

const struct command verb_volume_close = {
    .program = "postern",
    .name = "volume close",
    .summary = "Closes a volume that `volume open` has opened.",
    .usage = "ID",
    .example = "  postern volume close data\n",
    .run = run_close,
};

const struct command verb_volume_verify_table = {
    .program = "postern",
    .name = "volume verify-table",
    .summary = "Compares the kernel's tables of an open volume with those that its record stands for.",
    .usage = "DISK --record FILE [--json]",
    .example = "  postern volume verify-table /dev/sdb --record data.record\n",
    .run = run_verify,
};
