/* postern manifest lookup: which image, and which launch of it, has a digest that a report shows. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "cli/manifest-file.h"

#define LOOKUP_NOT_FOUND 4 /* exit status: no row has the digest */
#define LOOKUP_SIGNATURE 2 /* exit status: too few have signed */
#define MAX_MANIFESTS 64

static void print_text(const char *path, const struct manifest *m, const struct manifest_row *row)
{
    char hex[HEX_TEXT_BYTES(SHA256_BYTES)];

    printf("%s: %s, %s, %u vCPUs, features 0x%" PRIx64 "\n", path, vmm_name(row->vmm),
           row->cpu ? row->cpu->name : "any CPU type", row->vcpus, row->features);
    for (size_t i = 0; i < m->artefact_count; i++) {
        hex_encode(m->artefacts[i].sha256, SHA256_BYTES, hex);
        printf("  %s %s\n", hex, m->artefacts[i].name);
    }
}

static void print_json(const char *path, const struct manifest *m, const struct manifest_row *row)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char hex[HEX_TEXT_BYTES(SHA256_BYTES)];

    buffer_add_text(&text, "{\"manifest\":");
    buffer_add_json_string(&text, path);
    buffer_printf(&text, ",\"vmm\":\"%s\",\"vcpus\":%u,\"guest_features\":%" PRIu64, vmm_name(row->vmm), row->vcpus,
                  row->features);
    if (row->cpu)
        buffer_printf(&text, ",\"vcpu_type\":\"%s\",\"vcpu_sig\":%u", row->cpu->name, row->cpu->signature);
    buffer_add_text(&text, ",\"artefacts\":{");
    for (size_t i = 0; i < m->artefact_count; i++) {
        hex_encode(m->artefacts[i].sha256, SHA256_BYTES, hex);
        buffer_printf(&text, "%s\"%s\":\"%s\"", i ? "," : "", m->artefacts[i].name, hex);
    }
    printf("%s}}\n", buffer_text(&text));
}

/* Returns 1 when the digest is in it, 0 when it is not. */
static int look_into(const char *path, const uint8_t digest[LAUNCH_DIGEST_BYTES], const struct dsse_keys *keys,
                     size_t threshold, bool json, struct reason *why)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    struct dsse_verdict verdict;
    struct manifest_row row;
    size_t index;
    int r = keys->count ? manifest_file_verify(path, keys, threshold, &file, &verdict, why)
                        : manifest_file_read(path, &file, why);

    if (r < 0)
        return r;
    index = manifest_find(file.manifest, digest);
    if (index == MANIFEST_NO_ARTEFACT)
        return 0;
    row = manifest_plan_row(&file.manifest->plan, index);
    (json ? print_json : print_text)(path, file.manifest, &row);
    return 1;
}

/* Returns 0, LOOKUP_NOT_FOUND, or a negative errno. */
static int look(const char *const *words, const struct signers *signers, bool json, struct reason *why)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    size_t threshold = 0;
    int r = 0, found = 0;

    if (!words[0] || !words[1])
        return reason_set(why, -EINVAL,
                          "which digest, in which manifest? usage: postern manifest lookup DIGEST MANIFEST");
    if (hex_decode(words[0], strlen(words[0]), digest, sizeof(digest)) < 0)
        return reason_set(why, -EINVAL, "\"%s\" is no launch digest, expected 96 hexadecimal digits", words[0]);
    if (signers->files.count || signers->threshold)
        r = signers_load(signers, &keys, &threshold, why);
    for (size_t i = 1; r >= 0 && i <= MAX_MANIFESTS && words[i]; i++) {
        r = look_into(words[i], digest, &keys, threshold, json, why);
        found |= r;
    }
    if (r < 0)
        return r;
    if (!found)
        return reason_set(why, LOOKUP_NOT_FOUND,
                          "no manifest that was given has this digest; postern measure --against DIGEST looks for a "
                          "launch that has it");
    if (!keys.count)
        log_info("no --key was given: nobody vouches for this answer");
    return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *words[MAX_MANIFESTS + 2] = { NULL };
    struct signers signers = { .threshold = 0 };
    bool json = false;
    struct reason why = { "" };
    const struct option_row rows[] = {
        SIGNERS_OPTIONS(&signers),
        OPTION("json", NULL, "for programs: an object a line", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, MAX_MANIFESTS + 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    r = look(words, &signers, json, &why);
    if (r != 0)
        log_error("%s", reason_text(&why, r));
    return r >= 0 ? r : r == -EKEYREJECTED ? LOOKUP_SIGNATURE : COMMAND_MISUSE;
}

const struct command verb_manifest_lookup = {
    .program = "postern",
    .name = "manifest lookup",
    .summary = "Finds which artefacts and which launch a digest belongs to.",
    .usage = "DIGEST MANIFEST… [OPTION…]",
    .example = "  postern manifest lookup e8684704900111ca… release-*/manifest.json --key publisher.pub\n",
    .run = run,
};
