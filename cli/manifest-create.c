/*
 * postern manifest create: what an image is and which digests it launches with, as an in-toto Statement (v1). The
 * format is docs/manifest.md's.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/image.h"
#include "cli/inputs.h"
#include "measure/cpu.h"

/* One type of each generation; versions of a type share its digest. */
static const char *const table_types[] = { "EPYC-v4", "EPYC-Rome", "EPYC-Milan", "EPYC-Genoa", "EPYC-Turin" };

static int add_subject(struct buffer *to, const char *name, const char *path, struct reason *why)
{
    uint8_t hash[SHA256_BYTES];
    char hex[HEX_TEXT_BYTES(SHA256_BYTES)];
    int r = kernel_hashes_file(path, hash, why);

    if (r < 0)
        return r;
    hex_encode(hash, sizeof(hash), hex);
    buffer_printf(to, "%s\n    {\"name\": \"%s\", \"digest\": {\"sha256\": \"%s\"}}",
                  to->data[to->size - 1] == '[' ? "" : ",", name, hex);
    return 0;
}

static int add_subjects(struct buffer *to, const struct image *image, struct reason *why)
{
    int r;

    buffer_add_text(to, "  \"subject\": [");
    r = add_subject(to, "firmware.fd", image->firmware, why);
    if (r == 0)
        r = add_subject(to, "kernel", image->kernel, why);
    if (r == 0)
        r = add_subject(to, "initrd", image->initrd, why);
    if (r == 0)
        r = add_subject(to, "root.img", image->root, why);
    buffer_add_text(to, "\n  ],\n");
    return r;
}

static int add_row(struct buffer *to, const struct inputs_measured *measured, const char *type_name, uint32_t vcpus,
                   struct reason *why)
{
    const struct cpu_type *type = cpu_type_find(type_name);
    uint32_t signature = cpu_signature(type->family, type->model, type->stepping);
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    int r = inputs_digest(measured, vcpus, signature, SEV_FEATURE_SNP_ACTIVE, digest, why);

    if (r < 0)
        return r;
    hex_encode(digest, sizeof(digest), hex);
    buffer_printf(to,
                  "%s\n      {\"vmm\": \"QEMU\", \"vcpus\": %u, \"vcpu_type\": \"%s\", \"vcpu_sig\": %u, "
                  "\"guest_features\": %u, \"digest\": \"%s\"}",
                  to->data[to->size - 1] == '[' ? "" : ",", vcpus, type_name, signature, SEV_FEATURE_SNP_ACTIVE, hex);
    return 0;
}

static int write_statement(const struct image *image, uint32_t most_vcpus, struct buffer *to, struct reason *why)
{
    CLEANUP(inputs_free) struct inputs_measured measured = INPUTS_MEASURED_NONE;
    struct inputs inputs = INPUTS_DEFAULT;
    int r;

    inputs.firmware = image->firmware;
    inputs.kernel = image->kernel;
    inputs.initrd = image->initrd;
    inputs.append = image->cmdline;
    inputs.vcpu_type = table_types[0];
    r = inputs_measure(&inputs, &measured, why);
    if (r < 0)
        return r;
    buffer_add_text(to, "{\n  \"_type\": \"https://in-toto.io/Statement/v1\",\n");
    r = add_subjects(to, image, why);
    if (r < 0)
        return r;
    buffer_add_text(to, "  \"predicateType\": \"urn:postern:launch-table:v1\",\n  \"predicate\": {\n    \"cmdline\": ");
    buffer_add_json_string(to, image->cmdline);
    buffer_add_text(to, ",\n    \"launches\": [");
    for (size_t i = 0; i < ARRAY_SIZE(table_types); i++)
        for (uint32_t vcpus = 1; vcpus <= most_vcpus; vcpus++) {
            r = add_row(to, &measured, table_types[i], vcpus, why);
            if (r < 0)
                return r;
        }
    buffer_add_text(to, "\n    ]\n  }\n}\n");
    return buffer_error(to);
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP(image_free) struct image image = { NULL, NULL, NULL, NULL, NULL };
    CLEANUP_BUFFER struct buffer statement = BUFFER_EMPTY;
    const char *directory = NULL, *output = NULL;
    uint64_t vcpus = 8;
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("vcpus", "N", "rows for 1 to N virtual CPUs (default 8)", OPTION_U64, &vcpus, .min = 1,
               .max = VCPUS_MAX),
        OPTION("output", "FILE", "where to write it (default DIR/manifest.json)", OPTION_TEXT, &output),
    };
    char path[4096];
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &directory, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!directory) {
        log_error("which image? usage: postern manifest create DIR");
        return COMMAND_MISUSE;
    }
    (void)snprintf(path, sizeof(path), "%s/manifest.json", directory);
    r = image_open(directory, &image, &why);
    if (r == 0)
        r = write_statement(&image, (uint32_t)vcpus, &statement, &why);
    if (r == 0)
        r = file_write(output ? output : path, 0644, statement.data, statement.size, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

const struct command verb_manifest_create = {
    .program = "postern",
    .name = "manifest create",
    .summary = "Writes an image's manifest: its files' hashes and the digests it launches with.",
    .usage = "DIR [OPTION…]",
    .example = "  postern manifest create build/image/app --vcpus 4\n",
    .run = run,
};
