/*
 * postern manifest create: what an image consists of and every digest with which it launches, as an unsigned envelope.
 * The format is docs/manifest.md's.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/image.h"
#include "cli/manifest-file.h"
#include "cli/measure.h"
#include "cli/tools.h"
#include "measure/manifest-files.h"

/* What an image directory has; the last two where they are there. */
static const char *const image_files[] = { "cmdline", "firmware.fd", "initrd", "kernel", "root.img" };
static const char *const more_files[] = { "lock.json", "postern.json" };

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct manifest_artefact *)a)->name, ((const struct manifest_artefact *)b)->name);
}

static int add_artefact(struct manifest *m, const char *name, struct reason *why)
{
    struct manifest_artefact *artefact = &m->artefacts[m->artefact_count];

    if (!manifest_name_ok(name))
        return reason_set(why, -EINVAL, "--artefact: \"%s\" is no file name of letters, digits and ._+- in DIR", name);
    if (manifest_artefact_find(m, name) != MANIFEST_NO_ARTEFACT)
        return reason_set(why, -EINVAL, "--artefact: \"%s\" is in the manifest already", name);
    if (m->artefact_count == MANIFEST_MAX_ARTEFACTS)
        return reason_set(why, -E2BIG, "--artefact: at most %d artefacts", MANIFEST_MAX_ARTEFACTS);
    memcpy(artefact->name, name, strlen(name) + 1);
    m->artefact_count++;
    return 0;
}

static int list_artefacts(const char *directory, const struct option_list *named, struct manifest *m,
                          struct reason *why)
{
    char path[4096];
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(image_files); i++)
        r = add_artefact(m, image_files[i], why);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(more_files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, more_files[i]);
        if (access(path, F_OK) == 0)
            r = add_artefact(m, more_files[i], why);
    }
    for (size_t i = 0; r == 0 && i < named->count; i++)
        r = add_artefact(m, named->values[i], why);
    if (r < 0)
        return r;
    qsort(m->artefacts, m->artefact_count, sizeof(m->artefacts[0]), compare);
    m->roles[MANIFEST_FIRMWARE] = manifest_artefact_find(m, "firmware.fd");
    m->roles[MANIFEST_KERNEL] = manifest_artefact_find(m, "kernel");
    m->roles[MANIFEST_INITRD] = manifest_artefact_find(m, "initrd");
    m->roles[MANIFEST_LOCK] = manifest_artefact_find(m, "lock.json");
    return 0;
}

static int read_tools(const char *directory, struct manifest *m, struct reason *why)
{
    char path[4096];

    if (m->roles[MANIFEST_LOCK] == MANIFEST_NO_ARTEFACT) {
        tools_own(m);
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s/lock.json", directory);
    return tools_read(path, m, why);
}

/* Hashes of all artefacts, and the rows that follow. */
static int fill(const char *directory, struct manifest *m, struct reason *why)
{
    CLEANUP_FREE struct manifest_files *files = calloc(1, sizeof(*files));
    struct kernel_hashes hashes;
    int r = files ? manifest_files_read(directory, m, files, why) : -ENOMEM;

    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < m->artefact_count; i++) {
        m->artefacts[i].size = files->files[i].size;
        memcpy(m->artefacts[i].sha256, files->files[i].sha256, SHA256_BYTES);
        if (files->files[i].error)
            r = reason_set(why, files->files[i].error, "%s/%s: %s", directory, m->artefacts[i].name,
                           reason_text(&files->files[i].why, files->files[i].error));
    }
    if (r == 0 && !files->has_firmware)
        r = reason_set(why, -EBADMSG, "%s", files->firmware_why.text);
    if (r == 0)
        r = manifest_kernel_hashes(m, files, &hashes);
    if (r == 0)
        r = manifest_compute_rows(m, &files->firmware, &hashes, &m->digests, why);
    if (r == 0)
        m->row_count = manifest_plan_rows(&m->plan);
    manifest_files_free(files);
    return r;
}

static int set_cmdline(const char *directory, struct manifest *m, struct reason *why)
{
    CLEANUP(image_free) struct image image = { NULL, NULL, NULL, NULL, NULL };
    int r = image_open(directory, &image, why);

    if (r < 0)
        return r;
    if (strlen(image.cmdline) > MANIFEST_MAX_CMDLINE_BYTES)
        return reason_set(why, -E2BIG, "%s/cmdline: longer than %d bytes", directory, MANIFEST_MAX_CMDLINE_BYTES);
    memcpy(m->cmdline, image.cmdline, strlen(image.cmdline) + 1);
    m->has_cmdline = true;
    return 0;
}

/* What is written can be read: a manifest that contradicts itself never leaves. */
static int write_envelope(const struct manifest *m, const char *path, struct reason *why)
{
    CLEANUP(dsse_free) struct dsse envelope = DSSE_NONE;
    CLEANUP_MANIFEST struct manifest *again = NULL;
    CLEANUP_BUFFER struct buffer statement = BUFFER_EMPTY;
    int r;

    manifest_encode(m, &statement);
    r = buffer_error(&statement);
    if (r == 0)
        r = manifest_parse(statement.data, statement.size, &again, why);
    if (r < 0)
        return r;
    memcpy(envelope.type, MANIFEST_PAYLOAD_TYPE, sizeof(MANIFEST_PAYLOAD_TYPE));
    envelope.payload = statement.data;
    envelope.payload_size = statement.size;
    statement = BUFFER_EMPTY;
    return manifest_file_write(path, &envelope, why);
}

/* CPU types keep their names in the manifest itself. */
static int set_plan(const struct matrix_axes *axes, struct manifest *m, struct reason *why)
{
    int r = matrix_read_axes(axes, &m->plan, why);

    if (r < 0)
        return r;
    for (size_t i = 0; i < m->plan.cpu_count; i++) {
        (void)snprintf(m->cpu_names[i], MANIFEST_NAME_BYTES, "%s", m->plan.cpus[i].name);
        m->plan.cpus[i].name = m->cpu_names[i];
    }
    for (size_t i = 0; i < m->plan.feature_count; i++)
        if (m->plan.features[i] > MANIFEST_MAX_NUMBER)
            return reason_set(why, -EINVAL, "--guest-features: a manifest holds numbers below 2 to the 53rd");
    if (!manifest_plan_rows(&m->plan))
        return reason_set(why, -EINVAL, "the table would have more than %d rows", MANIFEST_MAX_ROWS);
    return 0;
}

static int create(const char *directory, const struct option_list *artefacts, const struct matrix_axes *axes,
                  const char *output, struct reason *why)
{
    CLEANUP_MANIFEST struct manifest *m = manifest_new();
    int r = m ? set_plan(axes, m, why) : -ENOMEM;

    if (r == 0)
        r = set_cmdline(directory, m, why);

    if (r == 0)
        r = list_artefacts(directory, artefacts, m, why);
    if (r == 0)
        r = read_tools(directory, m, why);
    if (r == 0)
        r = fill(directory, m, why);
    return r < 0 ? r : write_envelope(m, output, why);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct option_list artefacts = { .count = 0 };
    const char *directory = NULL, *output = NULL;
    struct matrix_axes axes = { .vcpus = NULL };
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("vcpus", "LIST", "rows for these numbers of virtual CPUs (default 1-512)", OPTION_TEXT, &axes.vcpus),
        OPTION("vcpu-type", "LIST", "QEMU's CPU types (default: one for each EPYC generation)", OPTION_TEXT,
               &axes.types),
        OPTION("vcpu-sig", "LIST", "CPUID signatures besides or instead", OPTION_TEXT, &axes.signatures),
        OPTION("vmm-type", "LIST", "QEMU (default), QEMU-before-6.10, ec2, ec2-2023, gce", OPTION_TEXT, &axes.vmms),
        OPTION("guest-features", "LIST", "SEV_FEATURES (default 0x1)", OPTION_TEXT, &axes.features),
        OPTION("artefact", "NAME", "a further file of DIR to publish; may be repeated", OPTION_LIST, &artefacts),
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
    r = create(directory, &artefacts, &axes, output ? output : path, &why);
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
    .example = "  postern manifest create build/image/app\n"
               "  postern manifest sign build/image/app/manifest.json --key publisher.key\n",
    .run = run,
};
