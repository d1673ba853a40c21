/* postern manifest show: what a manifest says, for a person. Signatures are shown, not verified. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/reason.h"
#include "cli/manifest-file.h"

/* Text of the manifest goes to a terminal: printable ASCII alone. */
static void print_clean(const char *name, const char *text)
{
    printf("%s", name);
    for (; *text; text++)
        putchar(*text >= 0x20 && *text <= 0x7e ? *text : '?');
    putchar('\n');
}

static void show_artefacts(const struct manifest *m)
{
    char hex[HEX_TEXT_BYTES(SHA256_BYTES)];

    puts("artefacts (SHA-256, bytes, name)");
    for (size_t i = 0; i < m->artefact_count; i++) {
        hex_encode(m->artefacts[i].sha256, SHA256_BYTES, hex);
        printf("  %s %10" PRIu64 " %s\n", hex, m->artefacts[i].size, m->artefacts[i].name);
    }
}

static void show_inputs(const struct manifest *m)
{
    puts("\nlaunch");
    for (int role = 0; role < MANIFEST_ROLES; role++)
        if (m->roles[role] != MANIFEST_NO_ARTEFACT)
            printf("  %-10s %s\n", manifest_role_name((enum manifest_role)role), m->artefacts[m->roles[role]].name);
    if (m->has_cmdline)
        print_clean("  cmdline    ", m->cmdline);
}

static void show_table(const struct manifest *m)
{
    uint32_t least = 0, most = 0;

    for (uint32_t n = 1; n <= VCPUS_MAX; n++)
        if (m->plan.vcpus[n]) {
            least = least ? least : n;
            most = n;
        }
    printf("\ntable of %zu launch digests\n  vCPUs      %u to %u\n", m->row_count, least, most);
    for (size_t i = 0; i < m->plan.vmm_count; i++)
        printf("  VMM        %s\n", vmm_name(m->plan.vmms[i]));
    for (size_t i = 0; i < m->plan.cpu_count; i++)
        printf("  CPU        0x%06x %s\n", m->plan.cpus[i].signature, m->plan.cpus[i].name);
    for (size_t i = 0; i < m->plan.feature_count; i++)
        printf("  features   0x%" PRIx64 "\n", m->plan.features[i]);
}

static void show_rest(const struct manifest_file_read *file)
{
    puts("\ntools");
    for (size_t i = 0; i < file->manifest->tool_count; i++) {
        printf("  %-24s", file->manifest->tools[i].name);
        print_clean(" ", file->manifest->tools[i].version);
    }
    puts("\nsignatures (not verified here: postern manifest verify)");
    for (size_t i = 0; i < file->envelope.signature_count; i++)
        print_clean("  says it is by key ", file->envelope.signatures[i].keyid);
    if (!file->envelope.signature_count)
        puts("  none");
}

static void show_rows(const struct manifest *m)
{
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    for (size_t i = 0; i < m->row_count; i++) {
        struct manifest_row row = manifest_plan_row(&m->plan, i);

        hex_encode(m->digests[i], LAUNCH_DIGEST_BYTES, hex);
        printf("%s %s %s %u 0x%" PRIx64 "\n", hex, vmm_name(row.vmm), row.cpu ? row.cpu->name : "any", row.vcpus,
               row.features);
    }
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP_MANIFEST_FILE struct manifest_file_read file = MANIFEST_FILE_NONE;
    const char *path = NULL;
    bool json = false, rows_only = false;
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("json", NULL, "the signed Statement itself, for jq", OPTION_FLAG, &json),
        OPTION("rows", NULL, "the table: digest, VMM, CPU type, vCPUs, features", OPTION_FLAG, &rows_only),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which manifest? usage: postern manifest show MANIFEST");
        return COMMAND_MISUSE;
    }
    r = manifest_file_read(path, &file, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (json) {
        (void)fwrite(file.envelope.payload, 1, file.envelope.payload_size, stdout);
        putchar('\n');
    } else if (rows_only) {
        show_rows(file.manifest);
    } else {
        show_artefacts(file.manifest);
        show_inputs(file.manifest);
        show_table(file.manifest);
        show_rest(&file);
    }
    return COMMAND_OK;
}

const struct command verb_manifest_show = {
    .program = "postern",
    .name = "manifest show",
    .summary = "Shows what a manifest says.",
    .usage = "MANIFEST [OPTION…]",
    .example = "  postern manifest show manifest.json\n"
               "  postern manifest show manifest.json --json | jq '.predicate.rows[] | select(.vcpus == 4)'\n",
    .run = run,
};
