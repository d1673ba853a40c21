/* Writing evidence: the report comes from the device, that is, through the host. */
#include "release/evidence.h"

#include <errno.h>
#include <string.h>

#include "attest/report.h"

static void write_bytes(struct buffer *to, const uint8_t *data, size_t size)
{
    buffer_add_text(to, "[");
    for (size_t i = 0; i < size; i++)
        buffer_printf(to, i ? ",%u" : "%u", data[i]);
    buffer_add_text(to, "]");
}

static void write_array(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    buffer_printf(to, "\"%s\":", name);
    write_bytes(to, data, size);
    buffer_add_text(to, ",");
}

static void write_tcb(struct buffer *to, const char *name, enum product product, uint64_t raw)
{
    struct tcb tcb = tcb_decode(product, raw);

    buffer_printf(to, "\"%s\":{\"fmc\":", name);
    if (product == PRODUCT_TURIN)
        buffer_printf(to, "%u", tcb.fmc);
    else
        buffer_add_text(to, "null");
    buffer_printf(to, ",\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u},", tcb.bootloader, tcb.tee, tcb.snp,
                  tcb.microcode);
}

static void write_version(struct buffer *to, const char *name, const struct firmware_version *version)
{
    buffer_printf(to, "\"%s\":{\"major\":%u,\"minor\":%u,\"build\":%u},", name, version->major, version->minor,
                  version->build);
}

/* Option<…> of the sev crate: null where the report's version has no such field. */
static void write_optional(struct buffer *to, const char *name, bool there, uint64_t value)
{
    if (there)
        buffer_printf(to, "\"%s\":%llu,", name, (unsigned long long)value);
    else
        buffer_printf(to, "\"%s\":null,", name);
}

static void write_guest_fields(struct buffer *to, const struct report *report)
{
    buffer_printf(to, "\"version\":%u,\"guest_svn\":%u,\"policy\":%llu,", report->version, report->guest_svn,
                  (unsigned long long)report->policy);
    write_array(to, "family_id", report->family_id, sizeof(report->family_id));
    write_array(to, "image_id", report->image_id, sizeof(report->image_id));
    buffer_printf(to, "\"vmpl\":%u,\"sig_algo\":%u,\"plat_info\":%llu,\"key_info\":%u,", report->vmpl,
                  report->signature_algorithm, (unsigned long long)report->platform_info, report->key_info);
    write_array(to, "report_data", report->report_data, sizeof(report->report_data));
    write_array(to, "measurement", report->measurement, sizeof(report->measurement));
    write_array(to, "host_data", report->host_data, sizeof(report->host_data));
    write_array(to, "id_key_digest", report->id_key_digest, sizeof(report->id_key_digest));
    write_array(to, "author_key_digest", report->author_key_digest, sizeof(report->author_key_digest));
    write_array(to, "report_id", report->report_id, sizeof(report->report_id));
    write_array(to, "report_id_ma", report->report_id_ma, sizeof(report->report_id_ma));
}

static void write_platform_fields(struct buffer *to, const struct report *report)
{
    enum product product = report_product(report);

    write_tcb(to, "current_tcb", product, report->current_tcb);
    write_tcb(to, "reported_tcb", product, report->reported_tcb);
    write_tcb(to, "committed_tcb", product, report->committed_tcb);
    write_tcb(to, "launch_tcb", product, report->launch_tcb);
    write_optional(to, "cpuid_fam_id", report->version >= 3, report->cpuid_family);
    write_optional(to, "cpuid_mod_id", report->version >= 3, report->cpuid_model);
    write_optional(to, "cpuid_step", report->version >= 3, report->cpuid_stepping);
    write_array(to, "chip_id", report->chip_id, sizeof(report->chip_id));
    write_version(to, "current", &report->current);
    write_version(to, "committed", &report->committed);
    write_optional(to, "launch_mit_vector", report->version >= 5, report->launch_mit_vector);
    write_optional(to, "current_mit_vector", report->version >= 5, report->current_mit_vector);
}

static const char *const kind_names[] = {
    [CERTIFICATE_VCEK] = "VCEK",
    [CERTIFICATE_VLEK] = "VLEK",
    [CERTIFICATE_ASK] = "ASK",
    [CERTIFICATE_ARK] = "ARK",
    [CERTIFICATE_CRL] = "CRL",
};

/* The chain; null when there is no endorsement key's certificate in it, since Trustee refuses such a list. */
static void write_chain(struct buffer *to, const struct cert_table *table)
{
    bool any = false, useful = false;

    for (size_t i = 0; i < table->count; i++)
        useful = useful || table->entries[i].kind == CERTIFICATE_VCEK || table->entries[i].kind == CERTIFICATE_VLEK;
    if (!useful) {
        buffer_add_text(to, "null");
        return;
    }
    buffer_add_text(to, "[");
    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].kind == CERTIFICATE_OTHER)
            continue;
        buffer_printf(to, "%s{\"cert_type\":\"%s\",\"data\":", any ? "," : "", kind_names[table->entries[i].kind]);
        write_bytes(to, table->entries[i].data, table->entries[i].size);
        buffer_add_text(to, "}");
        any = true;
    }
    buffer_add_text(to, "]");
}

/* Reserved parts of TCB versions have no member in the JSON. */
static bool tcb_survives(enum product product, uint64_t raw)
{
    struct tcb tcb = tcb_decode(product, raw);

    return tcb_encode(product, &tcb) == raw;
}

int evidence_write(const uint8_t report_bytes[REPORT_BYTES], const struct cert_table *table, struct buffer *to,
                   struct reason *why)
{
    struct report report;
    enum product product;
    int r = report_parse(report_bytes, REPORT_BYTES, &report, why);

    if (r < 0)
        return r;
    product = report_product(&report);
    if (report.reserved_offset || !tcb_survives(product, report.current_tcb) ||
        !tcb_survives(product, report.reported_tcb) || !tcb_survives(product, report.committed_tcb) ||
        !tcb_survives(product, report.launch_tcb))
        return reason_set(why, -EBADMSG,
                          "the report has reserved bytes that are not zero: the protocol cannot carry it");
    buffer_add_text(to, "{\"attestation_report\":{");
    write_guest_fields(to, &report);
    write_platform_fields(to, &report);
    buffer_add_text(to, "\"signature\":{\"r\":");
    write_bytes(to, report.signature_r, sizeof(report.signature_r));
    buffer_add_text(to, ",\"s\":");
    write_bytes(to, report.signature_s, sizeof(report.signature_s));
    buffer_add_text(to, "}},\"cert_chain\":");
    write_chain(to, table);
    buffer_add_text(to, "}");
    return buffer_error(to);
}
