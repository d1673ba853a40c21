/* volume add, list, remove: records that the broker holds. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "broker/request.h"
#include "base/secret-file.h"
#include "broker/verbs.h"
#include "broker/volumes.h"
#include "release/record.h"

/* A registered record: three words, a key, and some numbers. */
#define MAX_RECORD_FILE_BYTES 1024

static const char *state_name(enum record_state state)
{
    return state == RECORD_READY ? "ready" : state == RECORD_ROTATING ? "rotating" : "uninitialised";
}

/* The record and what it says; the key it holds is not kept apart. */
static int read_record(const char *path, struct secret *ret_bytes, struct record *ret_record, struct reason *why)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    int r = secret_file_read(path, MAX_RECORD_FILE_BYTES, ret_bytes, why);

    if (r < 0)
        return r;
    r = record_parse(ret_bytes, ret_record, &key, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static int add_record(const char *directory, const char *credentials, const char *resource,
                      const struct secret *bytes, bool next, struct reason *why)
{
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    CLEANUP(store_close) struct store *store = NULL;
    int r = verb_open_store(directory, STORE_WRITE, &store, why);

    if (r == 0)
        r = keys_load(directory, credentials, &keys, why);
    if (r == 0)
        r = store_run(store, STORE_BEGIN, why);
    if (r < 0)
        return r;
    r = volume_add(store, &keys.kek, resource, bytes, next, why);
    return verb_end_change(store, r, next ? "volume-next" : "volume-add", resource, NULL, why);
}

static int run_add(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *path = NULL, *resource = NULL, *credentials = NULL;
    bool next = false;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("record", "FILE", "the record; must not be accessible to others", OPTION_TEXT, &path, .required = true),
        OPTION("resource", "NAME", "what guests ask for (default/volume/ and the volume's id)", OPTION_TEXT, &resource),
        OPTION("next", NULL, "as a later version, with another key, of a volume that is there", OPTION_FLAG, &next),
    };
    CLEANUP_SECRET struct secret bytes = SECRET_NONE;
    char name[sizeof("default/volume/") + RECORD_ID_MAX_BYTES];
    struct reason why = { "" };
    struct record record;
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = read_record(path, &bytes, &record, &why);
    if (r < 0)
        return verb_fail(COMMAND_MISUSE, &why, r);
    (void)snprintf(name, sizeof(name), "default/volume/%s", record.volume_id);
    if (!resource)
        resource = name;
    if (!request_resource_valid(resource)) {
        r = reason_set(&why, -EINVAL, "\"%s\" is not a resource's name, expected REPOSITORY/TYPE/TAG", resource);
        return verb_fail(COMMAND_MISUSE, &why, r);
    }
    r = add_record(directory, credentials, resource, &bytes, next, &why);
    if (r < 0)
        return verb_fail(r == -EEXIST || r == -ENODATA ? COMMAND_MISUSE : BROKER_EXIT_STATE, &why, r);
    printf("%s: volume %s, %llu bytes, %s, integrity %s, %s. Nobody may have it yet:\n"
           "postern-broker allow --dir %s --resource %s --measurement HEX\n",
           resource, record.volume_id, (unsigned long long)record.length, record.cipher, record.integrity,
           state_name(record.state), directory, resource);
    return COMMAND_OK;
}

struct listing {
    struct store *store;
    const struct secret *kek;
    bool json;
    struct reason *why;
};

/* How many launch digests the volume's policy accepts; -1 when it has none. */
static int count_allowed(const struct volume *volume, long *ret_count, struct reason *why)
{
    struct policy policy;
    int r;

    *ret_count = -1;
    if (!volume->policy.size)
        return 0;
    r = policy_parse(volume->policy.data, volume->policy.size, &policy, why);
    if (r < 0)
        return r;
    *ret_count = (long)policy.measurement_count;
    policy_free(&policy);
    return 0;
}

static void print_volume(const struct listing *listing, const char *resource, const struct volume *volume,
                         const struct record *record, long allowed)
{
    if (listing->json)
        printf("{\"resource\":\"%s\",\"version\":%llu,\"volume\":\"%s\",\"bytes\":%llu,\"cipher\":\"%s\",\"integrity\":"
               "\"%s\",\"sector_size\":%u,\"generation\":%llu,\"epoch\":%llu,\"pending\":%s,\"state\":\"%s\","
               "\"allowed\":%ld}\n",
               resource, (unsigned long long)volume->version, record->volume_id, (unsigned long long)record->length,
               record->cipher, record->integrity, record->sector_size, (unsigned long long)volume->generation,
               (unsigned long long)volume->epoch, volume->pending ? "true" : "false", state_name(volume->state),
               allowed < 0 ? 0 : allowed);
    else
        printf("%s  volume %s, %llu bytes, %s, integrity %s, generation %llu, epoch %llu%s, %s, %ld launches allowed\n",
               resource, record->volume_id, (unsigned long long)record->length, record->cipher, record->integrity,
               (unsigned long long)volume->generation, (unsigned long long)volume->epoch,
               volume->pending ? " (the next is pending)" : "", state_name(volume->state), allowed < 0 ? 0 : allowed);
}

static int list_one(void *context, const char *resource)
{
    const struct listing *listing = context;
    CLEANUP_SECRET struct secret bytes = SECRET_NONE, key = SECRET_NONE;
    CLEANUP_VOLUME struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    struct record record;
    long allowed = 0;
    int r = volume_find(listing->store, resource, &volume, listing->why);

    if (r == 0)
        r = volume_unseal(&volume, listing->kek, resource, &bytes, listing->why);
    if (r == 0)
        r = record_parse(&bytes, &record, &key, listing->why);
    if (r == 0)
        r = count_allowed(&volume, &allowed, listing->why);
    if (r == 0)
        print_volume(listing, resource, &volume, &record, allowed);
    return r;
}

static int run_list(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *credentials = NULL;
    bool json = false;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        OPTION("json", NULL, "one JSON object per line", OPTION_FLAG, &json),
    };
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    CLEANUP(store_close) struct store *store = NULL;
    struct listing listing = { .kek = &keys.kek };
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r == 0)
        r = keys_load(directory, credentials, &keys, &why);
    listing.store = store;
    listing.json = json;
    listing.why = &why;
    if (r == 0)
        r = volume_each(store, list_one, &listing, &why);
    return r < 0 ? verb_fail(BROKER_EXIT_STATE, &why, r) : COMMAND_OK;
}

static int run_remove(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL;
    uint64_t version = 0;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_RESOURCE(&resource),
        OPTION("version", "N", "this version alone", OPTION_U64, &version, .min = 1, .max = INT64_MAX),
    };
    CLEANUP(store_close) struct store *store = NULL;
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_WRITE, &store, &why);
    if (r == 0)
        r = store_run(store, STORE_BEGIN, &why);
    if (r == 0) {
        r = volume_remove(store, resource, version, &why);
        r = verb_end_change(store, r, "volume-remove", resource, NULL, &why);
    }
    if (r < 0)
        return verb_fail(r == -ENODATA ? COMMAND_MISUSE : BROKER_EXIT_STATE, &why, r);
    printf("%s: removed\n", resource);
    return COMMAND_OK;
}

const struct command verb_volume_add = {
    .program = VERB_PROGRAM,
    .name = "volume add",
    .summary = "Registers a volume record, as `postern volume create` wrote it. Nobody gets it before `allow`.",
    .usage = "--dir DIR --record FILE [--resource NAME] [--next]",
    .example = "  postern-broker volume add --dir /var/lib/broker --record data.record\n",
    .run = run_add,
};

const struct command verb_volume_list = {
    .program = VERB_PROGRAM,
    .name = "volume list",
    .summary = "Lists the registered volumes, without their keys.",
    .usage = "--dir DIR [--json]",
    .example = "  postern-broker volume list --dir /var/lib/broker\n",
    .run = run_list,
};

const struct command verb_volume_remove = {
    .program = VERB_PROGRAM,
    .name = "volume remove",
    .summary = "Forgets a volume: its record, with the key in it, and its policy.",
    .usage = "--dir DIR --resource NAME [--version N]",
    .example = "  postern-broker volume remove --dir /var/lib/broker --resource default/volume/data\n",
    .run = run_remove,
};
