/* Reading evidence: whoever asks a broker for something controls all of it. Pure. */
#include <string.h>

#include "attest/report.h"
#include "release/evidence.h"
#include "release/fold.h"

/* An array of numbers, folded (fold.h) or not: how many there were, or -1. */
static ssize_t read_array(struct json_reader *reader, const char *name, uint8_t *ret_data, size_t max)
{
    struct json_reader array;
    const char *text = NULL;
    size_t count = 0;

    if (json_is_string(reader, name))
        return json_read_string(reader, name, JSON_REQUIRED, 1 + 2 * max, &text) ? fold_read(text, ret_data, max) : -1;
    if (!json_read_array(reader, name, JSON_REQUIRED, max, &array, &count))
        return -1;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;

        (void)json_element_u64(&array, i, UINT8_MAX, &value);
        ret_data[i] = (uint8_t)value;
    }
    return (ssize_t)count;
}

static void read_bytes(struct json_reader *reader, const char *name, uint8_t *ret_data, size_t size)
{
    ssize_t count = read_array(reader, name, ret_data, size);

    if (count != (ssize_t)size)
        json_refuse(reader, name, "%zd numbers, expected %zu", count, size);
}

static uint32_t read_u32(struct json_reader *reader, const char *name)
{
    uint64_t value = 0;

    (void)json_read_u64(reader, name, JSON_REQUIRED, 0, UINT32_MAX, &value);
    return (uint32_t)value;
}

static uint8_t read_u8(struct json_reader *reader, const char *name)
{
    uint64_t value = 0;

    (void)json_read_u64(reader, name, JSON_REQUIRED, 0, UINT8_MAX, &value);
    return (uint8_t)value;
}

/* A byte that reports of some versions and products have; null stands for it in others, where a value would be lost. */
static uint8_t read_u8_if(struct json_reader *reader, const char *name, bool there)
{
    if (there)
        return read_u8(reader, name);
    if (json_has(reader, name) && !json_read_null(reader, name))
        json_refuse(reader, name, "expected null: reports of this version and processor have no such field");
    return 0;
}

/* The same for 64 bits, which senders may also leave out. */
static uint64_t read_u64_if(struct json_reader *reader, const char *name, bool there)
{
    uint64_t value = 0;

    if (!there)
        return read_u8_if(reader, name, false);
    (void)json_read_u64(reader, name, JSON_OPTIONAL, 0, UINT64_MAX, &value);
    return value;
}

static uint64_t read_tcb(struct json_reader *reader, const char *name, enum product product)
{
    struct json_reader object;
    struct tcb tcb;

    memset(&tcb, 0, sizeof(tcb));
    if (!json_read_object(reader, name, JSON_REQUIRED, &object))
        return 0;
    tcb.fmc = read_u8_if(&object, "fmc", product == PRODUCT_TURIN);
    tcb.bootloader = read_u8(&object, "bootloader");
    tcb.tee = read_u8(&object, "tee");
    tcb.snp = read_u8(&object, "snp");
    tcb.microcode = read_u8(&object, "microcode");
    json_read_done(&object);
    return tcb_encode(product, &tcb);
}

static void read_version(struct json_reader *reader, const char *name, struct firmware_version *ret_version)
{
    struct json_reader object;

    if (!json_read_object(reader, name, JSON_REQUIRED, &object))
        return;
    ret_version->major = read_u8(&object, "major");
    ret_version->minor = read_u8(&object, "minor");
    ret_version->build = read_u8(&object, "build");
    json_read_done(&object);
}

static void read_guest_fields(struct json_reader *reader, struct report *report)
{
    report->version = read_u32(reader, "version");
    report->guest_svn = read_u32(reader, "guest_svn");
    (void)json_read_u64(reader, "policy", JSON_REQUIRED, 0, UINT64_MAX, &report->policy);
    read_bytes(reader, "family_id", report->family_id, sizeof(report->family_id));
    read_bytes(reader, "image_id", report->image_id, sizeof(report->image_id));
    report->vmpl = read_u32(reader, "vmpl");
    report->signature_algorithm = read_u32(reader, "sig_algo");
    (void)json_read_u64(reader, "plat_info", JSON_REQUIRED, 0, UINT64_MAX, &report->platform_info);
    report->key_info = read_u32(reader, "key_info");
    read_bytes(reader, "report_data", report->report_data, sizeof(report->report_data));
    read_bytes(reader, "measurement", report->measurement, sizeof(report->measurement));
    read_bytes(reader, "host_data", report->host_data, sizeof(report->host_data));
    read_bytes(reader, "id_key_digest", report->id_key_digest, sizeof(report->id_key_digest));
    read_bytes(reader, "author_key_digest", report->author_key_digest, sizeof(report->author_key_digest));
    read_bytes(reader, "report_id", report->report_id, sizeof(report->report_id));
    read_bytes(reader, "report_id_ma", report->report_id_ma, sizeof(report->report_id_ma));
}

static void read_platform_fields(struct json_reader *reader, struct report *report)
{
    enum product product;

    report->cpuid_family = read_u8_if(reader, "cpuid_fam_id", report->version >= 3);
    report->cpuid_model = read_u8_if(reader, "cpuid_mod_id", report->version >= 3);
    report->cpuid_stepping = read_u8_if(reader, "cpuid_step", report->version >= 3);
    read_bytes(reader, "chip_id", report->chip_id, sizeof(report->chip_id));
    product = report_product(report);
    report->current_tcb = read_tcb(reader, "current_tcb", product);
    report->reported_tcb = read_tcb(reader, "reported_tcb", product);
    report->committed_tcb = read_tcb(reader, "committed_tcb", product);
    report->launch_tcb = read_tcb(reader, "launch_tcb", product);
    read_version(reader, "current", &report->current);
    read_version(reader, "committed", &report->committed);
    report->launch_mit_vector = read_u64_if(reader, "launch_mit_vector", report->version >= 5);
    report->current_mit_vector = read_u64_if(reader, "current_mit_vector", report->version >= 5);
}

static void read_report(struct json_reader *reader, uint8_t ret_report[REPORT_BYTES])
{
    struct json_reader object, signature;
    struct report report;

    memset(&report, 0, sizeof(report));
    if (!json_read_object(reader, "attestation_report", JSON_REQUIRED, &object))
        return;
    read_guest_fields(&object, &report);
    read_platform_fields(&object, &report);
    if (json_read_object(&object, "signature", JSON_REQUIRED, &signature)) {
        read_bytes(&signature, "r", report.signature_r, sizeof(report.signature_r));
        read_bytes(&signature, "s", report.signature_s, sizeof(report.signature_s));
        json_read_done(&signature);
    }
    json_read_done(&object);
    report_encode(&report, ret_report);
}

/* "VCEK" and the like, or {"OTHER": uuid} for what we do not use. */
static enum certificate_kind read_kind(struct json_reader *entry)
{
    static const struct {
        const char *name;
        enum certificate_kind kind;
    } kinds[] = {
        { "VCEK", CERTIFICATE_VCEK }, { "VLEK", CERTIFICATE_VLEK }, { "ASK", CERTIFICATE_ASK },
        { "ARK", CERTIFICATE_ARK },   { "CRL", CERTIFICATE_CRL },   { "Empty", CERTIFICATE_OTHER },
    };
    const char *text = NULL;

    if (json_is_object(entry, "cert_type")) {
        json_ignore(entry, "cert_type");
        return CERTIFICATE_OTHER;
    }
    if (!json_read_string(entry, "cert_type", JSON_REQUIRED, 16, &text))
        return CERTIFICATE_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(text, kinds[i].name) == 0)
            return kinds[i].kind;
    json_refuse(entry, "cert_type", "unknown kind \"%s\"", text);
    return CERTIFICATE_OTHER;
}

static void read_certificate(struct json_reader *entry, struct evidence *evidence)
{
    struct certificate_entry *to = &evidence->table.entries[evidence->table.count];
    uint8_t *place = evidence->storage + evidence->table.count * EVIDENCE_MAX_CERTIFICATE_BYTES;
    ssize_t count;

    to->kind = read_kind(entry);
    count = read_array(entry, "data", place, EVIDENCE_MAX_CERTIFICATE_BYTES);
    if (count < 0) {
        json_refuse(entry, "data", "not an array of bytes");
        return;
    }
    to->data = place;
    to->size = (size_t)count;
    evidence->table.count++;
    json_read_done(entry);
}

void evidence_read(struct json_reader *reader, struct evidence *ret_evidence)
{
    struct json_reader chain, entry;
    size_t count = 0;

    memset(ret_evidence, 0, sizeof(*ret_evidence));
    read_report(reader, ret_evidence->report);
    if (json_read_array(reader, "cert_chain", JSON_OPTIONAL, EVIDENCE_MAX_CERTIFICATES, &chain, &count))
        for (size_t i = 0; i < count; i++)
            if (json_element_object(&chain, i, &entry))
                read_certificate(&entry, ret_evidence);
    json_read_done(reader);
}
