/* Firmware tables as JSON: whoever wrote the file controls it, and it is held to the rules for images. */
#include "measure/firmware-metadata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define METADATA_TYPE "urn:postern:firmware-metadata:v1"

void firmware_metadata_encode(const struct firmware *firmware, struct buffer *to)
{
    buffer_printf(to, "{\"type\": \"%s\", \"size\": %llu, \"reset_eip\": %u,\n", METADATA_TYPE,
                  (unsigned long long)firmware->size, firmware->reset_eip);
    if (firmware->hash_table_gpa)
        buffer_printf(to, " \"hash_table\": {\"gpa\": %llu, \"size\": %u},\n",
                      (unsigned long long)firmware->hash_table_gpa, firmware->hash_table_size);
    buffer_add_text(to, " \"sections\": [");
    for (size_t i = 0; i < firmware->section_count; i++) {
        const struct firmware_section *section = &firmware->sections[i];

        buffer_printf(to, "%s\n  {\"kind\": \"%s\", \"gpa\": %llu, \"size\": %llu}", i ? "," : "",
                      section_kind_name(section->kind), (unsigned long long)section->gpa,
                      (unsigned long long)section->size);
    }
    buffer_add_text(to, "\n ]}\n");
}

static void read_hash_table(struct json_reader *top, struct firmware *firmware)
{
    struct json_reader table;
    struct reason why;
    uint64_t size = 0;

    if (!json_read_object(top, "hash_table", JSON_OPTIONAL, &table))
        return;
    (void)json_read_u64(&table, "gpa", JSON_REQUIRED, 1, UINT32_MAX, &firmware->hash_table_gpa);
    (void)json_read_u64(&table, "size", JSON_REQUIRED, 0, UINT32_MAX, &size);
    json_read_done(&table);
    firmware->hash_table_size = (uint32_t)size;
    if (firmware_check_hash_table(firmware, &why) < 0)
        json_refuse(&table, NULL, "%s", why.text);
}

static void read_section(struct json_reader *sections, size_t index, struct firmware *firmware)
{
    struct firmware_section section = { .gpa = 0 };
    struct json_reader row;
    const char *kind = NULL;
    struct reason why;
    char where[32];

    if (!json_element_object(sections, index, &row))
        return;
    if (json_read_string(&row, "kind", JSON_REQUIRED, 16, &kind) && section_kind_find(kind, &section.kind) < 0)
        json_refuse(&row, "kind", "\"%s\" is no kind of section", kind);
    (void)json_read_u64(&row, "gpa", JSON_REQUIRED, 0, UINT32_MAX, &section.gpa);
    (void)json_read_u64(&row, "size", JSON_REQUIRED, 0, UINT32_MAX, &section.size);
    json_read_done(&row);
    (void)snprintf(where, sizeof(where), "number %zu", index);
    if (!row.status->error && firmware_add_section(firmware, &section, where, &why) < 0)
        json_refuse(&row, NULL, "%s", why.text);
}

static void read_tables(struct json_reader *top, struct firmware *firmware)
{
    struct json_reader sections;
    const char *type = NULL;
    uint64_t reset = 0;
    size_t count = 0;
    struct reason why;

    if (json_read_string(top, "type", JSON_REQUIRED, 64, &type) && strcmp(type, METADATA_TYPE) != 0)
        json_refuse(top, "type", "\"%s\", expected \"%s\"", type, METADATA_TYPE);
    if (json_read_u64(top, "size", JSON_REQUIRED, 0, UINT32_MAX, &firmware->size) &&
        firmware_check_size(firmware->size, &why) < 0)
        json_refuse(top, "size", "%s", why.text);
    firmware->gpa = FIRMWARE_END_GPA - firmware->size;
    (void)json_read_u64(top, "reset_eip", JSON_REQUIRED, 1, UINT32_MAX, &reset);
    firmware->reset_eip = (uint32_t)reset;
    read_hash_table(top, firmware);
    if (json_read_array(top, "sections", JSON_REQUIRED, FIRMWARE_MAX_SECTIONS, &sections, &count))
        for (size_t i = 0; i < count; i++)
            read_section(&sections, i, firmware);
    json_read_done(top);
}

int firmware_metadata_decode(const void *text, size_t size, struct firmware *ret_firmware, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct firmware firmware = { .size = 0 };
    struct json_status status = { 0, why };
    struct json_reader top;
    int r = json_parse(text, size, FIRMWARE_METADATA_MAX_BYTES, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &top);
    read_tables(&top, &firmware);
    if (status.error)
        return status.error;
    *ret_firmware = firmware;
    return 0;
}

int firmware_metadata_read(const char *path, struct firmware *ret_firmware, struct reason *why)
{
    CLEANUP_FREE uint8_t *text = NULL;
    size_t size = 0;
    int r = file_read(path, FIRMWARE_METADATA_MAX_BYTES, &text, &size, why);

    if (r < 0)
        return r;
    r = firmware_metadata_decode(text, size, ret_firmware, why);
    if (r < 0)
        reason_prefix(why, path);
    return r;
}
