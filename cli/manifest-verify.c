/* postern manifest verify: whether enough of the publishers have signed a manifest. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/log.h"
#include "cli/manifest-file.h"

#define VERIFY_SIGNATURE 2 /* exit status: too few have signed */

static void print_text(const struct manifest_file_read *file, const struct dsse_keys *keys,
                       const struct dsse_verdict *verdict)
{
    char hex[HEX_TEXT_BYTES(KEY_ID_BYTES)];

    for (size_t i = 0; i < keys->count; i++) {
        hex_encode(keys->ids[i], KEY_ID_BYTES, hex);
        printf("%s by %s key %s (%s)\n", verdict->by[i] ? "signed" : "not signed", key_kind_name(keys->keys[i]), hex,
               verdict->by[i] ? "counts" : "does not count");
    }
    printf("%zu of %zu keys have signed; %zu artefacts, %zu launches\n", verdict->keys, keys->count,
           file->manifest->artefact_count, file->manifest->row_count);
}

static void print_json(const struct manifest_file_read *file, const struct dsse_keys *keys,
                       const struct dsse_verdict *verdict)
{
    char hex[HEX_TEXT_BYTES(KEY_ID_BYTES)];

    printf("{\"verified\":true,\"keys\":[");
    for (size_t i = 0; i < keys->count; i++) {
        hex_encode(keys->ids[i], KEY_ID_BYTES, hex);
        printf("%s{\"id\":\"%s\",\"kind\":\"%s\",\"signed\":%s}", i ? "," : "", hex, key_kind_name(keys->keys[i]),
               verdict->by[i] ? "true" : "false");
    }
    printf("],\"other_signatures\":%zu,\"artefacts\":%zu,\"rows\":%zu}\n", verdict->others,
           file->manifest->artefact_count, file->manifest->row_count);
}

static int verify(const char *path, const struct signers *signers, bool json, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    struct dsse_verdict verdict;
    size_t threshold = 0;
    int r = signers_load(signers, &keys, &threshold, why);

    if (r == 0)
        r = manifest_file_verify(path, &keys, threshold, &file, &verdict, why);
    if (r < 0)
        return r;
    (json ? print_json : print_text)(&file, &keys, &verdict);
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct signers signers = { .threshold = 0 };
    const char *path = NULL;
    bool json = false;
    struct reason why = { "" };
    const struct option_row rows[] = {
        SIGNERS_OPTIONS(&signers),
        OPTION("json", NULL, "for programs", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which manifest? usage: postern manifest verify MANIFEST --key FILE");
        return COMMAND_MISUSE;
    }
    r = verify(path, &signers, json, &why);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    return r == 0 ? COMMAND_OK : r == -EKEYREJECTED ? VERIFY_SIGNATURE : COMMAND_MISUSE;
}

const struct command verb_manifest_verify = {
    .program = "postern",
    .name = "manifest verify",
    .summary = "Says whether a manifest is signed by those whose signature counts.",
    .usage = "MANIFEST --key FILE [OPTION…]",
    .example = "  openssl pkey -in publisher.key -pubout -out publisher.pub\n"
               "  postern manifest verify manifest.json --key publisher.pub --key auditor.pub --threshold 2\n",
    .run = run,
};
