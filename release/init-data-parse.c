/* Init-data; the host controls every byte. What is not on the list of names refuses it as a whole. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml.h"
#include "release/init-data.h"

#define NAME "postern.name"
#define RESOURCE "trustee.kbs.resource"
#define IDENTITY "postern.broker-identity."
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

static const char *const algorithms[] = { "sha256", "sha384", "sha512" };

static int refuse(const char *name, const char *what, struct reason *why)
{
    return reason_set(why, -EBADMSG, "init-data: %s: %s", name, what);
}

static int take_top(const struct toml_entry *entry, struct init_data *to, bool *has_version, struct reason *why)
{
    char text[16];

    if (strcmp(entry->key, "version") != 0 && strcmp(entry->key, "algorithm") != 0)
        return refuse(entry->key, "not a member of init-data: expected version, algorithm and [data]", why);
    if (toml_text(entry, text, sizeof(text)) < 0)
        return refuse(entry->key, "empty or too long", why);
    if (strcmp(entry->key, "version") == 0) {
        *has_version = strcmp(text, INIT_DATA_VERSION) == 0;
        return *has_version ? 0 : refuse("version", "expected \"" INIT_DATA_VERSION "\"", why);
    }
    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
        if (strcmp(text, algorithms[i]) == 0) {
            memcpy(to->algorithm, text, strlen(text) + 1);
            return 0;
        }
    return refuse("algorithm", "expected sha256, sha384 or sha512", why);
}

static int take_name(const struct toml_entry *entry, struct init_data *to, struct reason *why)
{
    if (toml_text(entry, to->name, sizeof(to->name)) < 0 || to->name[strspn(to->name, NAME_CHARACTERS)] ||
        to->name[0] == '-')
        return refuse(NAME, "expected 1 to 63 characters of a-z, 0-9 and -", why);
    return 0;
}

static int take_resource(const struct toml_entry *entry, struct init_data *to, struct reason *why)
{
    char text[RELEASE_MAX_RESOURCE_BYTES + RESOURCE_MAX_PLUGIN_BYTES + 8];

    if (toml_text(entry, text, sizeof(text)) < 0 || resource_parse(text, strlen(text), &to->resource) < 0)
        return refuse(RESOURCE, "expected kbs:///REPOSITORY/TYPE/TAG or kbs+PLUGIN:///REPOSITORY/TYPE/TAG", why);
    to->has_resource = true;
    return 0;
}

static int take_identity(const struct toml_entry *entry, struct init_data *to, struct reason *why)
{
    size_t size = 0;
    char *text;

    if (!entry->key[strlen(IDENTITY)] || entry->raw_size > IDENTITY_MAX_BYTES)
        return refuse(entry->key, "expected a name behind the last dot and at most 16384 bytes", why);
    if (to->identity_count == INIT_DATA_MAX_IDENTITIES)
        return refuse(entry->key, "more than 8 identities", why);
    text = calloc(1, entry->raw_size + 1);
    if (!text)
        return -ENOMEM;
    to->identities[to->identity_count++] = text;
    return toml_value(entry, text, entry->raw_size, &size);
}

static int take_data(const struct toml_entry *entry, struct init_data *to, struct reason *why)
{
    if (strcmp(entry->key, NAME) == 0)
        return take_name(entry, to, why);
    if (strcmp(entry->key, RESOURCE) == 0)
        return take_resource(entry, to, why);
    if (strncmp(entry->key, IDENTITY, strlen(IDENTITY)) == 0)
        return take_identity(entry, to, why);
    return refuse(entry->key, "not for init-data to set: it may carry " NAME ", " IDENTITY "NAME and " RESOURCE
                              "; all else is measured", why);
}

int init_data_parse(const void *text, size_t size, struct init_data *ret_init_data, struct reason *why)
{
    CLEANUP_INIT_DATA struct init_data init_data = { .identity_count = 0 };
    struct toml_reader reader;
    struct toml_entry entry;
    bool has_version = false;
    int r;

    if (size > INIT_DATA_MAX_BYTES)
        return reason_set(why, -EMSGSIZE, "init-data: %zu bytes, at most %u", size, INIT_DATA_MAX_BYTES);
    r = toml_open(text, size, "data", &reader, why);
    while (r >= 0) {
        r = toml_next(&reader, &entry, why);
        if (r < 0)
            reason_prefix(why, "init-data");
        if (r <= 0)
            break;
        r = entry.in_table ? take_data(&entry, &init_data, why) : take_top(&entry, &init_data, &has_version, why);
    }
    if (r < 0)
        return r;
    if (!has_version || !init_data.algorithm[0] || !reader.in_table)
        return reason_set(why, -EBADMSG, "init-data: %s is missing",
                          !has_version ? "version" : !init_data.algorithm[0] ? "algorithm" : "[data]");
    *ret_init_data = init_data;
    init_data = (struct init_data){ .identity_count = 0 };
    return 0;
}

void init_data_free(struct init_data *init_data)
{
    for (size_t i = 0; i < init_data->identity_count; i++)
        free(init_data->identities[i]);
    init_data->identity_count = 0;
}
