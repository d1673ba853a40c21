/* allow, policy show: which launches may have a volume. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "broker/policy-document.h"
#include "broker/verbs.h"
#include "broker/volumes.h"

/* Launch digests behind one --measurement. */
#define MAX_WORDS 512

/* The policy that a volume has; an empty one, under which nothing is allowed, when it has none. */
static int load_policy(struct store *store, const char *resource, struct policy *ret_policy, struct reason *why)
{
    CLEANUP_VOLUME struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    int r = volume_find(store, resource, &volume, why);

    if (r < 0)
        return r;
    if (volume.policy.size)
        return policy_parse(volume.policy.data, volume.policy.size, ret_policy, why);
    *ret_policy = (struct policy){ .measurements = NULL };
    return 0;
}

struct change {
    struct store *store;
    const struct secret *kek;
    const char *resource;
};

static int keep_policy(const struct change *change, const struct policy *policy, struct reason *why)
{
    CLEANUP_BUFFER struct buffer document = BUFFER_EMPTY;

    policy_write(policy, &document);
    if (buffer_error(&document) < 0)
        return -ENOMEM;
    if (document.size > POLICY_MAX_BYTES)
        return reason_set(why, -E2BIG, "%s: the policy would have %zu bytes, at most %u are accepted",
                          change->resource,
                          document.size, POLICY_MAX_BYTES);
    return volume_set_policy(change->store, change->kek, change->resource, &document, why);
}

static int add_one(struct policy *policy, const char *text, unsigned *added, struct reason *why)
{
    uint8_t measurement[MEASUREMENT_BYTES];
    bool is_new = false;
    int r;

    if (hex_decode(text, strlen(text), measurement, sizeof(measurement)) < 0)
        return reason_set(why, -EINVAL, "\"%s\" is not a launch digest, expected %u hexadecimal digits", text,
                          2 * MEASUREMENT_BYTES);
    r = policy_document_add(policy, measurement, &is_new);
    if (r == -E2BIG)
        return reason_set(why, r, "more than %u launch digests", POLICY_MAX_MEASUREMENTS);
    *added += is_new;
    return r;
}

/* Reads, adds, writes back, inside the caller's transaction. The texts end with NULL. */
static int allow_measurements(const struct change *change, const char *const *texts, struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    unsigned added = 0;
    int r = load_policy(change->store, change->resource, &policy, why);

    for (; r == 0 && *texts; texts++)
        r = add_one(&policy, *texts, &added, why);
    if (r == 0)
        r = keep_policy(change, &policy, why);
    if (r == 0)
        printf("%s: %zu launches allowed, %u of them new\n", change->resource, policy.measurement_count, added);
    return r;
}

static int allow_document(const struct change *change, const char *path, struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, POLICY_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = policy_parse(text, size, &policy, why);
    if (r < 0) {
        reason_prefix(why, path);
        return -EINVAL;
    }
    r = keep_policy(change, &policy, why);
    if (r == 0)
        printf("%s: %zu launches allowed, by %s\n", change->resource, policy.measurement_count, path);
    return r;
}

static int change_policy(const struct change *change, const char *const *texts, const char *path, struct reason *why)
{
    int r = store_run(change->store, STORE_BEGIN, why);

    if (r < 0)
        return r;
    r = path ? allow_document(change, path, why) : allow_measurements(change, texts, why);
    return verb_end_change(change->store, r, "allow", change->resource, NULL, why);
}

static int exit_code_of(int error)
{
    return error == -ENODATA || error == -EINVAL || error == -E2BIG || error == -ENOENT || error == -EFBIG
               ? COMMAND_MISUSE
               : BROKER_EXIT_STATE;
}

static int run_allow(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *path = NULL, *credentials = NULL;
    const char *texts[OPTION_MAX_VALUES + MAX_WORDS + 1] = { NULL };
    struct option_list list = { .count = 0 };
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_CREDENTIALS(&credentials),
        VERB_RESOURCE(&resource),
        OPTION("measurement", "HEX", "a launch digest of `postern measure`; more may follow", OPTION_LIST, &list),
        OPTION("policy", "FILE", "a whole policy instead (JSON, docs/policy.md)", OPTION_TEXT, &path),
    };
    CLEANUP(keys_free) struct keys keys = { .kek = SECRET_NONE };
    CLEANUP(store_close) struct store *store = NULL;
    struct change change = { .kek = &keys.kek };
    struct reason why = { "" };
    int exit_code, r;

    /* Words behind the options are digests too, behind those of --measurement. */
    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, texts + OPTION_MAX_VALUES, MAX_WORDS, &exit_code))
        return exit_code;
    memcpy(texts + OPTION_MAX_VALUES - list.count, list.values, list.count * sizeof(*texts));
    if (!list.count == !path || (!list.count && texts[OPTION_MAX_VALUES])) {
        r = reason_set(&why, -EINVAL, "expected either --measurement or --policy; see postern-broker allow --help");
        return verb_fail(COMMAND_MISUSE, &why, r);
    }
    r = verb_open_store(directory, STORE_WRITE, &store, &why);
    if (r == 0)
        r = keys_load(directory, credentials, &keys, &why);
    if (r < 0)
        return verb_fail(BROKER_EXIT_STATE, &why, r);
    change.store = store;
    change.resource = resource;
    r = change_policy(&change, texts + OPTION_MAX_VALUES - list.count, path, &why);
    return r < 0 ? verb_fail(exit_code_of(r), &why, r) : COMMAND_OK;
}

static int run_show(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL;
    const struct option_row rows[] = {
        VERB_DIRECTORY(&directory),
        VERB_RESOURCE(&resource),
    };
    CLEANUP_VOLUME struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    CLEANUP(store_close) struct store *store = NULL;
    struct reason why = { "" };
    int exit_code, r;

    if (!verb_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0, &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r < 0)
        return verb_fail(BROKER_EXIT_STATE, &why, r);
    r = volume_find(store, resource, &volume, &why);
    if (r == 0 && !volume.policy.size)
        r = reason_set(&why, -ENODATA, "%s: has no policy, so nobody may have it", resource);
    if (r < 0)
        return verb_fail(exit_code_of(r), &why, r);
    printf("%s\n", buffer_text(&volume.policy));
    return COMMAND_OK;
}

const struct command verb_allow = {
    .program = VERB_PROGRAM,
    .name = "allow",
    .summary = "Says which launches may have a volume. Launch digests join those that are allowed already.",
    .usage = "--dir DIR --resource NAME (--measurement HEX [HEX…] | --policy FILE)",
    .example = "  postern-broker allow --dir /var/lib/broker --resource default/volume/data --measurement 5f3a…\n",
    .run = run_allow,
};

const struct command verb_policy_show = {
    .program = VERB_PROGRAM,
    .name = "policy show",
    .summary = "Prints the policy document of a volume.",
    .usage = "--dir DIR --resource NAME",
    .example = "  postern-broker policy show --dir /var/lib/broker --resource default/volume/data\n",
    .run = run_show,
};
