/*
 * postern display firmware: an image's tables, sections and sizes, and why it cannot do measured direct boot when it
 * cannot. Whoever built the image controls every byte.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/show.h"
#include "measure/firmware.h"
#include "measure/guid.h"
#include "measure/kernel-hashes.h"

#define LINT_FAILS 2 /* exit status: no measured direct boot */

/* edk2 OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm, OvmfPkg/Include/Guid */
static const struct {
    struct guid guid;
    const char *name;
} known_tables[] = {
    { GUID(0x00f771de, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e), "reset-block" },
    { GUID(0x7255371f, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54), "hash-table" },
    { GUID(0x4c2eb361, 0x7d9b, 0x4cc3, 0x80, 0x81, 0x12, 0x7c, 0x90, 0xd3, 0xd2, 0x94), "secret-area" },
    { GUID(0xdc886566, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc), "sev-metadata" },
    { GUID(0xe47a6535, 0x984a, 0x4798, 0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2), "tdx-metadata" },
    { GUID(0xa789a612, 0x0597, 0x4c4b, 0xa4, 0x9f, 0xcb, 0xb1, 0xfe, 0x9d, 0x1d, 0xdd), "svsm-info" },
};

static const char *table_name(const uint8_t guid[GUID_BYTES])
{
    for (size_t i = 0; i < ARRAY_SIZE(known_tables); i++)
        if (memcmp(known_tables[i].guid.bytes, guid, GUID_BYTES) == 0)
            return known_tables[i].name;
    return "other";
}

/* The usual text form: the first three fields are stored little-endian. */
static void guid_text(const uint8_t g[GUID_BYTES], char ret_text[37])
{
    (void)snprintf(ret_text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3], g[2],
                   g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

/*
 * Why a kernel that this firmware starts directly is not measured, and what to do; NULL when it is. `snp_why` is why
 * the image cannot be launched as an SEV-SNP guest at all.
 */
static const char *find_fault(const struct firmware *firmware, const char *snp_why)
{
    bool section = false;

    for (size_t i = 0; i < firmware->section_count; i++)
        section |= firmware->sections[i].kind == SECTION_KERNEL_HASHES;
    if (snp_why)
        return snp_why;
    if (!firmware->hash_table_gpa)
        return "the footer has no hash table entry (7255371f-...): QEMU refuses kernel-hashes=on. Firmware for direct "
               "boot is built from OvmfPkg/AmdSev/AmdSevX64.dsc; other platforms start a kernel without looking at it";
    if (firmware->hash_table_size < KERNEL_HASHES_BYTES)
        return "the hash table has less room than QEMU's 176 bytes";
    if (!section)
        return "the SEV metadata has no KERNEL_HASHES section around the hash table: the page is not part of an SNP "
               "launch. The edk2 that it was built from is too old";
    if (!firmware_has_kernel_hashes(firmware))
        return "the KERNEL_HASHES section does not hold the whole hash table";
    return NULL;
}

static void show_text(const char *path, const struct firmware *firmware, const char *fault, struct buffer *text)
{
    char guid[37];

    buffer_printf(text, "%s: %llu bytes at 0x%llx, processors start at 0x%x\n", path,
                  (unsigned long long)firmware->size, (unsigned long long)firmware->gpa, firmware->reset_eip);
    for (size_t i = 0; i < firmware->table_count; i++) {
        guid_text(firmware->tables[i].guid, guid);
        show_line(text, "table", "%s %s, %u bytes at offset 0x%llx", guid, table_name(firmware->tables[i].guid),
                  firmware->tables[i].size, (unsigned long long)firmware->tables[i].offset);
    }
    for (size_t i = 0; i < firmware->section_count; i++)
        show_line(text, "section", "%s, 0x%llx, %llu bytes", section_kind_name(firmware->sections[i].kind),
                  (unsigned long long)firmware->sections[i].gpa, (unsigned long long)firmware->sections[i].size);
    if (fault)
        show_line(text, "kernel", "NOT measured: %s", fault);
    else
        show_line(text, "kernel", "measured: hashes at 0x%llx, %u bytes", (unsigned long long)firmware->hash_table_gpa,
                  firmware->hash_table_size);
}

static void show_json(const struct firmware *firmware, const char *fault, struct buffer *text)
{
    char guid[37];

    buffer_printf(text, "{\"size\":%llu,\"gpa\":\"0x%llx\",\"reset_eip\":\"0x%x\",\"hash_table_gpa\":\"0x%llx\","
                  "\"hash_table_size\":%u,\"tables\":[", (unsigned long long)firmware->size,
                  (unsigned long long)firmware->gpa, firmware->reset_eip, (unsigned long long)firmware->hash_table_gpa,
                  firmware->hash_table_size);
    for (size_t i = 0; i < firmware->table_count; i++) {
        guid_text(firmware->tables[i].guid, guid);
        buffer_printf(text, "%s{\"guid\":\"%s\",\"name\":\"%s\",\"offset\":%llu,\"size\":%u}", i ? "," : "", guid,
                      table_name(firmware->tables[i].guid), (unsigned long long)firmware->tables[i].offset,
                      firmware->tables[i].size);
    }
    buffer_add_text(text, "],\"sections\":[");
    for (size_t i = 0; i < firmware->section_count; i++)
        buffer_printf(text, "%s{\"kind\":\"%s\",\"gpa\":\"0x%llx\",\"size\":%llu}", i ? "," : "",
                      section_kind_name(firmware->sections[i].kind), (unsigned long long)firmware->sections[i].gpa,
                      (unsigned long long)firmware->sections[i].size);
    buffer_printf(text, "],\"measured_direct_boot\":%s,\"fault\":", fault ? "false" : "true");
    if (fault)
        buffer_add_json_string(text, fault);
    else
        buffer_add_text(text, "null");
    buffer_add_text(text, "}\n");
}

/* As an SEV-SNP guest's, else as whatever its tables say. Errors: those of firmware_parse(). */
static int read_firmware(const char *path, struct firmware *ret_firmware, struct reason *ret_snp_why,
                         struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    struct firmware_tail tail = { .kind = FIRMWARE_SEV, .end_gpa = FIRMWARE_END_GPA };
    size_t size = 0;
    int r = file_read(path, FIRMWARE_MAX_BYTES, &data, &size, why);

    if (r < 0)
        return r;
    r = firmware_parse(data, size, ret_firmware, ret_snp_why);
    if (r == 0)
        return 0;
    tail.size = size;
    tail.data = data + size - firmware_tail_size(size);
    r = firmware_parse_tail(&tail, ret_firmware, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct reason why = { "" }, snp_why = { "" };
    struct firmware firmware;
    const char *path = NULL, *fault;
    bool json = false, lint = false;
    const struct option_row rows[] = {
        OPTION("lint", NULL, "exit status 2 when a kernel would not be measured", OPTION_FLAG, &lint),
        OPTION("json", NULL, "for programs", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which file? usage: postern %s %s", command->name, command->usage);
        return COMMAND_MISUSE;
    }
    r = read_firmware(path, &firmware, &snp_why, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return lint && r == -EBADMSG ? LINT_FAILS : COMMAND_MISUSE;
    }
    fault = find_fault(&firmware, snp_why.text[0] ? snp_why.text : NULL);
    (json ? show_json(&firmware, fault, &text) : show_text(path, &firmware, fault, &text));
    r = show_print(&text);
    return r != COMMAND_OK ? r : lint && fault ? LINT_FAILS : COMMAND_OK;
}

const struct command verb_display_firmware = {
    .program = "postern",
    .name = "display firmware",
    .summary = "Shows a firmware image's tables and sections, and whether a kernel that it starts is measured.",
    .usage = "FILE [--lint] [--json]",
    .example = "  postern display firmware OVMF.amdsev.fd\n"
               "  postern display firmware --lint OVMF.fd || echo not for direct boot\n",
    .run = run,
};
