/* Reports as processors lay them out; what goes in is the caller's own. Not in the guest. */
#include <string.h>

#include "attest/report.h"
#include "base/cursor.h"

static void put_firmware_version(uint8_t *to, const struct firmware_version *version)
{
    to[0] = version->build;
    to[1] = version->minor;
    to[2] = version->major;
}

void report_encode(const struct report *report, uint8_t ret_data[REPORT_BYTES])
{
    uint8_t *d = ret_data;

    memset(d, 0, REPORT_BYTES);
    put_u32le(d + 0x00, report->version);
    put_u32le(d + 0x04, report->guest_svn);
    put_u64le(d + 0x08, report->policy);
    memcpy(d + 0x10, report->family_id, sizeof(report->family_id));
    memcpy(d + 0x20, report->image_id, sizeof(report->image_id));
    put_u32le(d + 0x30, report->vmpl);
    put_u32le(d + 0x34, report->signature_algorithm);
    put_u64le(d + 0x38, report->current_tcb);
    put_u64le(d + 0x40, report->platform_info);
    put_u32le(d + 0x48, report->key_info);
    memcpy(d + 0x50, report->report_data, sizeof(report->report_data));
    memcpy(d + 0x90, report->measurement, sizeof(report->measurement));
    memcpy(d + 0xc0, report->host_data, sizeof(report->host_data));
    memcpy(d + 0xe0, report->id_key_digest, sizeof(report->id_key_digest));
    memcpy(d + 0x110, report->author_key_digest, sizeof(report->author_key_digest));
    memcpy(d + 0x140, report->report_id, sizeof(report->report_id));
    memcpy(d + 0x160, report->report_id_ma, sizeof(report->report_id_ma));
    put_u64le(d + 0x180, report->reported_tcb);
    if (report->version >= 3) {
        d[0x188] = report->cpuid_family;
        d[0x189] = report->cpuid_model;
        d[0x18a] = report->cpuid_stepping;
    }
    memcpy(d + 0x1a0, report->chip_id, sizeof(report->chip_id));
    put_u64le(d + 0x1e0, report->committed_tcb);
    put_firmware_version(d + 0x1e8, &report->current);
    put_firmware_version(d + 0x1ec, &report->committed);
    put_u64le(d + 0x1f0, report->launch_tcb);
    if (report->version >= 5) {
        put_u64le(d + 0x1f8, report->launch_mit_vector);
        put_u64le(d + 0x200, report->current_mit_vector);
    }
    memcpy(d + 0x2a0, report->signature_r, sizeof(report->signature_r));
    memcpy(d + 0x2e8, report->signature_s, sizeof(report->signature_s));
}
