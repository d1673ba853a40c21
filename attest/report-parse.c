/* Attestation reports: whoever presents one controls all 1184 bytes. Pure. */
#include "attest/report.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

#define KEY_INFO_SIGNING_KEY_SHIFT 2
#define KEY_INFO_SIGNING_KEY_MASK 7u
/* Turin's identifiers have 8 bytes, the rest of CHIP_ID is zero. */
#define TURIN_CHIP_ID_BYTES 8

/* Reads a reserved area; the first byte of the first one that is not zero is remembered. */
static void reserved(struct cursor *c, const uint8_t *start, size_t size, struct report *report)
{
    struct cursor area = cursor_sub(c, size);

    while (area.left) {
        size_t offset = (size_t)(area.p - start);

        if (cursor_u8(&area) && !report->reserved_offset)
            report->reserved_offset = offset;
    }
}

static void read_firmware_version(struct cursor *c, const uint8_t *start, struct report *report,
                                  struct firmware_version *ret_version)
{
    ret_version->build = cursor_u8(c);
    ret_version->minor = cursor_u8(c);
    ret_version->major = cursor_u8(c);
    reserved(c, start, 1, report);
}

/* 0x00 to 0x17f: what the guest is. */
static void read_guest(struct cursor *c, const uint8_t *start, struct report *report)
{
    report->version = cursor_u32le(c);
    report->guest_svn = cursor_u32le(c);
    report->policy = cursor_u64le(c);
    cursor_copy(c, report->family_id, sizeof(report->family_id));
    cursor_copy(c, report->image_id, sizeof(report->image_id));
    report->vmpl = cursor_u32le(c);
    report->signature_algorithm = cursor_u32le(c);
    report->current_tcb = cursor_u64le(c);
    report->platform_info = cursor_u64le(c);
    report->key_info = cursor_u32le(c);
    reserved(c, start, 4, report);
    cursor_copy(c, report->report_data, sizeof(report->report_data));
    cursor_copy(c, report->measurement, sizeof(report->measurement));
    cursor_copy(c, report->host_data, sizeof(report->host_data));
    cursor_copy(c, report->id_key_digest, sizeof(report->id_key_digest));
    cursor_copy(c, report->author_key_digest, sizeof(report->author_key_digest));
    cursor_copy(c, report->report_id, sizeof(report->report_id));
    cursor_copy(c, report->report_id_ma, sizeof(report->report_id_ma));
}

/* 0x180 to 0x29f: what the platform is. */
static void read_platform(struct cursor *c, const uint8_t *start, struct report *report)
{
    report->reported_tcb = cursor_u64le(c);
    if (report->version >= 3) {
        report->cpuid_family = cursor_u8(c);
        report->cpuid_model = cursor_u8(c);
        report->cpuid_stepping = cursor_u8(c);
    } else {
        reserved(c, start, 3, report);
    }
    reserved(c, start, 0x1a0 - 0x18b, report);
    cursor_copy(c, report->chip_id, sizeof(report->chip_id));
    report->committed_tcb = cursor_u64le(c);
    read_firmware_version(c, start, report, &report->current);
    read_firmware_version(c, start, report, &report->committed);
    report->launch_tcb = cursor_u64le(c);
    if (report->version >= 5) {
        report->launch_mit_vector = cursor_u64le(c);
        report->current_mit_vector = cursor_u64le(c);
    } else {
        reserved(c, start, 16, report);
    }
    reserved(c, start, REPORT_SIGNED_BYTES - 0x208, report);
}

int report_parse(const void *data, size_t size, struct report *ret_report, struct reason *why)
{
    struct report report = { .reserved_offset = 0 };
    struct cursor c = cursor_over(data, size);

    if (size != REPORT_BYTES)
        return reason_set(why, -EBADMSG, "report of %zu bytes, expected %u", size, REPORT_BYTES);
    read_guest(&c, data, &report);
    if (report.version < 2 || report.version > 5)
        return reason_set(why, -EBADMSG, "report of version %u, expected 2 to 5", report.version);
    read_platform(&c, data, &report);
    cursor_copy(&c, report.signature_r, sizeof(report.signature_r));
    cursor_copy(&c, report.signature_s, sizeof(report.signature_s));
    reserved(&c, data, REPORT_BYTES - 0x330, &report);
    if (cursor_end(&c) < 0)
        return reason_set(why, -EBADMSG, "report does not have the expected layout");
    *ret_report = report;
    return 0;
}

enum product report_product(const struct report *report)
{
    if (report->version >= 3)
        return product_from_cpuid(report->cpuid_family, report->cpuid_model);
    if (all_zero(report->chip_id, sizeof(report->chip_id)))
        return PRODUCT_UNKNOWN;
    if (all_zero(report->chip_id + TURIN_CHIP_ID_BYTES, sizeof(report->chip_id) - TURIN_CHIP_ID_BYTES))
        return PRODUCT_TURIN;
    /* Milan and Genoa look alike here; Milan is the generation that version 2 firmware was made for. */
    return PRODUCT_MILAN;
}

const char *report_generation(const struct report *report)
{
    return report->version >= 3 ? product_generation(report->cpuid_family, report->cpuid_model)
                                : product_name(report_product(report));
}

enum signing_key report_signing_key(const struct report *report)
{
    return (enum signing_key)(report->key_info >> KEY_INFO_SIGNING_KEY_SHIFT & KEY_INFO_SIGNING_KEY_MASK);
}
