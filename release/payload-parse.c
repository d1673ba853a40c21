/* Answers of brokers other than records: decrypted, so from whoever held the pinned TLS key, and secret. */
#include "release/payload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/toml.h"

#define CONFDATA_VERSION "0.1.0"
#define CONFDATA_KEY "io.cryptsetup.key.text."

static const char *const names[] = {
    [PAYLOAD_RECORD] = "record",     [PAYLOAD_KEY] = "key", [PAYLOAD_PASSPHRASE] = "passphrase",
    [PAYLOAD_CONFDATA] = "confdata", [PAYLOAD_RAW] = "raw",
};

const char *payload_kind_name(enum payload_kind kind)
{
    return names[kind];
}

int payload_kind_parse(const char *name, enum payload_kind *ret_kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_kind = (enum payload_kind)i;
            return 0;
        }
    return -EINVAL;
}

static int take_bytes(const struct secret *answer, struct secret *ret_secret)
{
    return secret_copy(answer->bytes, answer->size, ret_secret);
}

static int take_entry(const struct toml_entry *entry, struct secret *ret_secret)
{
    CLEANUP_SECRET struct secret value = SECRET_NONE;
    size_t size = 0;
    int r;

    if (!entry->raw_size || entry->raw_size > PAYLOAD_MAX_PASSPHRASE_BYTES)
        return -EBADMSG;
    r = secret_alloc(entry->raw_size, &value);
    if (r == 0)
        r = toml_value(entry, value.bytes, value.size, &size);
    if (r < 0)
        return r;
    secret_shrink(&value, size);
    *ret_secret = secret_take(&value);
    return 0;
}

/* Keys of other volumes may stand beside the one that is wanted. */
static int take_confdata(const char *name, const struct secret *answer, struct secret *ret_secret, struct reason *why)
{
    CLEANUP_SECRET struct secret found = SECRET_NONE;
    char wanted[TOML_MAX_KEY_BYTES + 1], version[16] = "";
    struct toml_reader reader;
    struct toml_entry entry;
    bool good_version = false;
    int r;

    (void)snprintf(wanted, sizeof(wanted), CONFDATA_KEY "%s", name);
    r = toml_open(answer->bytes, answer->size, "data", &reader, why);
    while (r >= 0) {
        r = toml_next(&reader, &entry, why);
        if (r < 0)
            reason_prefix(why, "confdata");
        if (r <= 0)
            break;
        if (!entry.in_table && strcmp(entry.key, "version") == 0)
            good_version = toml_text(&entry, version, sizeof(version)) == 0 && strcmp(version, CONFDATA_VERSION) == 0;
        else if (!entry.in_table)
            return reason_set(why, -EBADMSG, "confdata: line %u: not a member of it", entry.line);
        else if (strcmp(entry.key, wanted) == 0 && (r = take_entry(&entry, &found)) < 0)
            return reason_set(why, r, "confdata: \"%s\" is empty or longer than %u bytes", wanted,
                              PAYLOAD_MAX_PASSPHRASE_BYTES);
    }
    if (r < 0)
        return r;
    if (!good_version)
        return reason_set(why, -EBADMSG, "confdata: another version than \"" CONFDATA_VERSION "\"");
    if (!found.size)
        return reason_set(why, -EBADMSG, "confdata: there is no \"%s\" in it", wanted);
    *ret_secret = secret_take(&found);
    return 0;
}

int payload_take(enum payload_kind kind, const char *name, const struct secret *answer, struct secret *ret_secret,
                 struct reason *why)
{
    switch (kind) {
    case PAYLOAD_KEY:
        if (answer->size != 64 && answer->size != 96)
            return reason_set(why, -EBADMSG, "the broker's answer has %zu bytes, expected a volume key of 64 or 96",
                              answer->size);
        return take_bytes(answer, ret_secret);
    case PAYLOAD_PASSPHRASE:
        if (answer->size > PAYLOAD_MAX_PASSPHRASE_BYTES)
            return reason_set(why, -EBADMSG, "the broker's answer has %zu bytes, expected a passphrase of 1 to %u",
                              answer->size, PAYLOAD_MAX_PASSPHRASE_BYTES);
        return take_bytes(answer, ret_secret);
    case PAYLOAD_CONFDATA:
        return take_confdata(name, answer, ret_secret, why);
    case PAYLOAD_RAW:
        return take_bytes(answer, ret_secret);
    case PAYLOAD_RECORD:
        break;
    }
    return -EINVAL;
}
