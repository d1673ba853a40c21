/* postern manifest sign: adds a signature to a manifest's envelope. */
#include "cli/cli.h"

#include <stdio.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/manifest-file.h"

static int sign(const char *path, const char *key_path, const char *output, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    CLEANUP_KEY EVP_PKEY *key = NULL;
    uint8_t id[KEY_ID_BYTES];
    char hex[HEX_TEXT_BYTES(KEY_ID_BYTES)];
    bool added = false;
    int r = manifest_file_read(path, &file, why);

    if (r == 0)
        r = key_read_private(key_path, KEY_P384 | KEY_ED25519, &key, why);
    if (r < 0)
        return r;
    r = dsse_sign(&file.envelope, key, &added, why);
    if (r < 0)
        reason_prefix(why, path);
    if (r == 0)
        r = key_id(key, id);
    if (r == 0 && (added || output))
        r = manifest_file_write(output ? output : path, &file.envelope, why);
    if (r < 0)
        return r;
    hex_encode(id, sizeof(id), hex);
    printf("%s by %s key %s\n", added ? "signed" : "was signed already", key_kind_name(key), hex);
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *path = NULL, *key_path = NULL, *output = NULL;
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("key", "FILE", "private key, P-384 or Ed25519, that only its owner can read", OPTION_TEXT, &key_path,
               .required = true),
        OPTION("output", "FILE", "where to write it (default: in place)", OPTION_TEXT, &output),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which manifest? usage: postern manifest sign MANIFEST --key FILE");
        return COMMAND_MISUSE;
    }
    r = secret_library_init();
    if (r == 0)
        r = sign(path, key_path, output, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_manifest_sign = {
    .program = "postern",
    .name = "manifest sign",
    .summary = "Adds your signature to a manifest.",
    .usage = "MANIFEST --key FILE [OPTION…]",
    .example = "  openssl genpkey -algorithm ed25519 -out publisher.key\n"
               "  postern manifest sign build/image/app/manifest.json --key publisher.key\n",
    .run = run,
};
