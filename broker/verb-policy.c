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

static const char allow_help[] =
    "usage: postern-broker allow --dir DIR --resource R --measurement HEX [HEX…]\n"
    "       postern-broker allow --dir DIR --resource R --policy FILE\n"
    "\n"
    "Says which launches may have a volume. Without a policy nobody may. With --measurement, launch digests join\n"
    "those that are allowed already; a first policy denies debug and wants VMPL 0. With --policy, a document\n"
    "(JSON; docs/policy.md) takes the place of the policy that is there.\n"
    "\n"
    "  --dir DIR           the broker's directory\n"
    "  --resource R        the volume's name, as `volume list` prints it\n"
    "  --measurement HEX   a launch digest, 96 hexadecimal digits, as `postern measure` prints it\n"
    "  --policy FILE       a whole policy\n"
    "\n"
    "Example: postern-broker allow --dir /var/lib/broker --resource default/volume/data --measurement 5f3a…\n";

static const char show_help[] =
    "usage: postern-broker policy show --dir DIR --resource R\n"
    "\n"
    "Prints the policy document of a volume.\n"
    "\n"
    "  --dir DIR        the broker's directory\n"
    "  --resource R     the volume's name, as `volume list` prints it\n"
    "\n"
    "Example: postern-broker policy show --dir /var/lib/broker --resource default/volume/data\n";

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

static int keep_policy(struct store *store, const char *resource, const struct policy *policy, struct reason *why)
{
    CLEANUP_BUFFER struct buffer document = BUFFER_EMPTY;

    policy_document_write(policy, &document);
    if (buffer_error(&document) < 0)
        return -ENOMEM;
    if (document.size > POLICY_MAX_BYTES)
        return reason_set(why, -E2BIG, "%s: the policy would have %zu bytes, at most %u are accepted", resource,
                          document.size, POLICY_MAX_BYTES);
    return volume_set_policy(store, resource, buffer_text(&document), why);
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

/* Reads, adds, writes back, inside the caller's transaction. */
static int allow_measurements(struct store *store, const char *resource, const struct option_list *list,
                              struct reason *why)
{
    CLEANUP(policy_free) struct policy policy = { .measurements = NULL };
    unsigned added = 0;
    int r = load_policy(store, resource, &policy, why);

    for (size_t i = 0; r == 0 && i < list->count; i++)
        r = add_one(&policy, list->values[i], &added, why);
    if (r == 0)
        r = keep_policy(store, resource, &policy, why);
    if (r == 0)
        printf("%s: %zu launches allowed, %u of them new\n", resource, policy.measurement_count, added);
    return r;
}

static int allow_document(struct store *store, const char *resource, const char *path, struct reason *why)
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
    r = keep_policy(store, resource, &policy, why);
    if (r == 0)
        printf("%s: %zu launches allowed, by %s\n", resource, policy.measurement_count, path);
    return r;
}

static int change_policy(struct store *store, const char *resource, const struct option_list *list, const char *path,
                         struct reason *why)
{
    int r = store_run(store, STORE_BEGIN, why);

    if (r < 0)
        return r;
    r = path ? allow_document(store, resource, path, why) : allow_measurements(store, resource, list, why);
    if (r == 0)
        r = store_run(store, STORE_COMMIT, why);
    if (r < 0)
        store_rollback(store);
    return r;
}

static int exit_code_of(int error)
{
    return error == -ENODATA || error == -EINVAL || error == -E2BIG || error == -ENOENT || error == -EFBIG
               ? BROKER_EXIT_MISUSE
               : BROKER_EXIT_STATE;
}

static int run_allow(const struct verb *verb, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL, *path = NULL;
    struct option_list list = { .count = 0 };
    const struct option_spec specs[] = {
        { .name = "dir", .kind = OPTION_TEXT, .required = true, .to.text = &directory },
        { .name = "resource", .kind = OPTION_TEXT, .required = true, .to.text = &resource },
        { .name = "measurement", .kind = OPTION_LIST, .to.list = &list },
        { .name = "policy", .kind = OPTION_TEXT, .to.text = &path },
    };
    CLEANUP(store_close) struct store *store = NULL;
    struct reason why = { "" };
    int exit_code, r;

    if (!options_parse(verb, argc, argv, specs, ARRAY_SIZE(specs), &exit_code))
        return exit_code;
    if (!list.count == !path) {
        r = reason_set(&why, -EINVAL, "expected either --measurement or --policy; see postern-broker allow --help");
        return verb_fail(verb, BROKER_EXIT_MISUSE, &why, r);
    }
    r = verb_open_store(directory, STORE_WRITE, &store, &why);
    if (r < 0)
        return verb_fail(verb, BROKER_EXIT_STATE, &why, r);
    r = change_policy(store, resource, &list, path, &why);
    return r < 0 ? verb_fail(verb, exit_code_of(r), &why, r) : verb_finish(verb);
}

static int run_show(const struct verb *verb, int argc, char **argv)
{
    const char *directory = NULL, *resource = NULL;
    const struct option_spec specs[] = {
        { .name = "dir", .kind = OPTION_TEXT, .required = true, .to.text = &directory },
        { .name = "resource", .kind = OPTION_TEXT, .required = true, .to.text = &resource },
    };
    CLEANUP_VOLUME struct volume volume = { .sealed = BUFFER_EMPTY, .policy = BUFFER_EMPTY };
    CLEANUP(store_close) struct store *store = NULL;
    struct reason why = { "" };
    int exit_code, r;

    if (!options_parse(verb, argc, argv, specs, ARRAY_SIZE(specs), &exit_code))
        return exit_code;
    r = verb_open_store(directory, STORE_READ, &store, &why);
    if (r < 0)
        return verb_fail(verb, BROKER_EXIT_STATE, &why, r);
    r = volume_find(store, resource, &volume, &why);
    if (r == 0 && !volume.policy.size)
        r = reason_set(&why, -ENODATA, "%s: has no policy, so nobody may have it", resource);
    if (r < 0)
        return verb_fail(verb, exit_code_of(r), &why, r);
    printf("%s\n", buffer_text(&volume.policy));
    return verb_finish(verb);
}

const struct verb verb_allow = { "allow", allow_help, run_allow };
const struct verb verb_policy_show = { "policy show", show_help, run_show };
