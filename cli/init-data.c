/* postern init-data: texts that a launch may be given, bound by HOST_DATA (release/init-data.h). */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "release/init-data.h"

struct options {
    const char *name, *resource;
    struct option_list identities;
};

static int add_identity(const char *path, size_t number, struct buffer *to, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, IDENTITY_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    /* A literal string has no escapes; JSON of ours has no such quotes. */
    if (memmem(text, size, "'''", 3))
        return reason_set(why, -EBADMSG, "%s: not an identity: it has ''' in it", path);
    buffer_printf(to, "\"postern.broker-identity.%zu\" = '''\n", number);
    buffer_add(to, text, size);
    buffer_add_text(to, "'''\n");
    return 0;
}

static int write_text(const struct options *o, struct buffer *to, struct reason *why)
{
    buffer_add_text(to, "version = \"" INIT_DATA_VERSION "\"\nalgorithm = \"sha256\"\n\n[data]\n");
    if (o->name)
        buffer_printf(to, "\"postern.name\" = \"%s\"\n", o->name);
    if (o->resource)
        buffer_printf(to, "\"trustee.kbs.resource\" = \"%s\"\n", o->resource);
    for (size_t i = 0; i < o->identities.count; i++) {
        int r = add_identity(o->identities.values[i], i + 1, to, why);

        if (r < 0)
            return r;
    }
    return buffer_error(to);
}

/* What HOST_DATA has to be. Nothing is said about a text that a guest would refuse. */
static int judge(const void *text, size_t size, char ret_host_data[HEX_TEXT_BYTES(INIT_DATA_HOST_DATA_BYTES)],
                 struct reason *why)
{
    CLEANUP_INIT_DATA struct init_data init_data = { .identity_count = 0 };
    uint8_t digest[INIT_DATA_HOST_DATA_BYTES];
    int r = init_data_parse(text, size, &init_data, why);

    if (r == 0)
        r = init_data_digest(init_data.algorithm, text, size, digest);
    if (r == 0)
        hex_encode(digest, sizeof(digest), ret_host_data);
    return r;
}

static int create(const struct options *o, const char *path, char *ret_host_data, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    int r = write_text(o, &text, why);

    if (r == 0)
        r = judge(text.data, text.size, ret_host_data, why);
    return r < 0 ? r : file_write(path, 0644, text.data, text.size, why);
}

static int check(const char *path, char *ret_host_data, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, INIT_DATA_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = judge(text, size, ret_host_data, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static int run_create(const struct command *command, int argc, char **argv)
{
    char host_data[HEX_TEXT_BYTES(INIT_DATA_HOST_DATA_BYTES)];
    struct options o = { .name = NULL };
    struct reason why = { "" };
    const char *path = NULL;
    const struct option_row rows[] = {
        OPTION("name", "NAME", "the guest's host name: a-z, 0-9 and -", OPTION_TEXT, &o.name),
        OPTION("resource", "URI", "kbs:///REPOSITORY/TYPE/TAG, for volumes whose resource is named here", OPTION_TEXT,
               &o.resource),
        OPTION("identity", "FILE", "a broker's identity; several times, in the order in which they are tried",
               OPTION_LIST, &o.identities),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("where to? usage: postern init-data create OUT [OPTION…]");
        return COMMAND_MISUSE;
    }
    r = create(&o, path, host_data, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    printf("%s\n", host_data);
    return COMMAND_OK;
}

static int run_check(const struct command *command, int argc, char **argv)
{
    char host_data[HEX_TEXT_BYTES(INIT_DATA_HOST_DATA_BYTES)];
    struct reason why = { "" };
    const char *path = NULL;
    int r = command_options(command, NULL, 0, argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which text? usage: postern init-data check FILE");
        return COMMAND_MISUSE;
    }
    r = check(path, host_data, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    printf("%s\n", host_data);
    return COMMAND_OK;
}

const struct command verb_init_data_create = {
    .program = "postern",
    .name = "init-data create",
    .summary = "Writes init-data for one launch and prints the HOST_DATA that binds it.",
    .usage = "OUT [OPTION…]",
    .example = "  host_data=$(postern init-data create shop-7.toml --name shop-7 --identity frankfurt-1.identity)\n"
               "  postern launch build/image/app --host-data $host_data --disk init-data=shop-7.toml,ro\n",
    .run = run_create,
};

const struct command verb_init_data_check = {
    .program = "postern",
    .name = "init-data check",
    .summary = "Reads init-data as a guest does and prints the HOST_DATA that binds it.",
    .usage = "FILE",
    .example = "  postern init-data check shop-7.toml\n",
    .run = run_check,
};
