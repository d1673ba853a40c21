/* Reports and certificates as text; they need not have been verified. */
#include "cli/show.h"

#include <openssl/bio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/bits.h"
#include "base/command.h"
#include "base/encode.h"
#include "base/log.h"

#define TEXT_BYTES 512

void show_line(struct buffer *to, const char *name, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_printf(to, "  %-20s %s\n", name, text);
}

void show_bytes(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    char text[HEX_TEXT_BYTES(CHIP_ID_BYTES)];

    hex_encode(data, size, text);
    show_line(to, name, "%s", text);
}

void show_tcb(struct buffer *to, const char *name, const struct tcb *tcb)
{
    show_line(to, name, "fmc %u bootloader %u tee %u snp %u microcode %u", tcb->fmc, tcb->bootloader, tcb->tee,
              tcb->snp, tcb->microcode);
}

void show_tcb_json(struct buffer *to, const struct tcb *tcb)
{
    buffer_printf(to, "{\"fmc\":%u,\"bootloader\":%u,\"tee\":%u,\"snp\":%u,\"microcode\":%u}", tcb->fmc,
                  tcb->bootloader, tcb->tee, tcb->snp, tcb->microcode);
}

void show_hex_json(struct buffer *to, const char *name, const uint8_t *data, size_t size)
{
    char text[HEX_TEXT_BYTES(SIGNATURE_PART_BYTES)];

    hex_encode(data, size, text);
    buffer_printf(to, ",\"%s\":\"%s\"", name, text);
}

const char *show_signing_key(enum signing_key key)
{
    switch (key) {
    case SIGNING_KEY_VCEK:
        return "VCEK";
    case SIGNING_KEY_VLEK:
        return "VLEK";
    case SIGNING_KEY_NONE:
        return "none";
    }
    return "unknown";
}

/* Components where the layout is known, the number where it is not. */
static void show_raw_tcb(struct buffer *to, const char *name, enum product product, uint64_t raw)
{
    struct tcb tcb = tcb_decode(product, raw);

    if (product == PRODUCT_UNKNOWN)
        show_line(to, name, "0x%016llx", (unsigned long long)raw);
    else
        show_tcb(to, name, &tcb);
}

static void show_bits(struct buffer *to, const char *name, const struct bit_names *bits, uint64_t value)
{
    char text[320];

    bit_describe(bits, value, text, sizeof(text));
    show_line(to, name, "0x%llx: %s", (unsigned long long)value, text);
}

static void show_launch(const struct report *report, struct buffer *to)
{
    char policy[320];

    show_line(to, "version", "%u", report->version);
    show_line(to, "guest SVN", "%u", report->guest_svn);
    bit_describe(&guest_policy_bits, report->policy & ~UINT64_C(0xffff), policy, sizeof(policy));
    show_line(to, "guest policy", "0x%llx: ABI at least %llu.%llu, %s", (unsigned long long)report->policy,
              (unsigned long long)(report->policy >> 8 & 0xff), (unsigned long long)(report->policy & 0xff), policy);
    show_bytes(to, "family id", report->family_id, sizeof(report->family_id));
    show_bytes(to, "image id", report->image_id, sizeof(report->image_id));
    show_line(to, "VMPL", "%u", report->vmpl);
    show_bytes(to, "report data", report->report_data, sizeof(report->report_data));
    show_bytes(to, "measurement", report->measurement, sizeof(report->measurement));
    show_bytes(to, "host data", report->host_data, sizeof(report->host_data));
    show_bytes(to, "id key digest", report->id_key_digest, sizeof(report->id_key_digest));
    show_bytes(to, "author key digest", report->author_key_digest, sizeof(report->author_key_digest));
    show_bytes(to, "report id", report->report_id, sizeof(report->report_id));
    show_bytes(to, "report id of MA", report->report_id_ma, sizeof(report->report_id_ma));
}

void show_report(const struct report *report, enum product product, struct buffer *to)
{
    show_launch(report, to);
    show_line(to, "product", "%s", report_generation(report));
    if (report->version >= 3)
        show_line(to, "CPUID", "family 0x%x model 0x%x stepping 0x%x", report->cpuid_family, report->cpuid_model,
                  report->cpuid_stepping);
    show_bits(to, "platform info", &platform_info_bits, report->platform_info);
    show_line(to, "key info", "0x%x: signed by %s, author key %s, chip key %s", report->key_info,
              show_signing_key(report_signing_key(report)), report->key_info & 1 ? "enabled" : "not enabled",
              report->key_info & 2 ? "masked" : "not masked");
    show_raw_tcb(to, "current TCB", product, report->current_tcb);
    show_raw_tcb(to, "reported TCB", product, report->reported_tcb);
    show_raw_tcb(to, "committed TCB", product, report->committed_tcb);
    show_raw_tcb(to, "launch TCB", product, report->launch_tcb);
    show_line(to, "current firmware", "%u.%u.%u", report->current.major, report->current.minor, report->current.build);
    show_line(to, "committed firmware", "%u.%u.%u", report->committed.major, report->committed.minor,
              report->committed.build);
    if (report->version >= 5) {
        show_line(to, "launch mitigations", "0x%llx", (unsigned long long)report->launch_mit_vector);
        show_line(to, "current mitigations", "0x%llx", (unsigned long long)report->current_mit_vector);
    }
    show_bytes(to, "chip id", report->chip_id, sizeof(report->chip_id));
    show_line(to, "signature algorithm", "%u%s", report->signature_algorithm,
              report->signature_algorithm == 1 ? ": ECDSA P-384 with SHA-384" : "");
    if (report->reserved_offset)
        show_line(to, "reserved", "the byte at 0x%zx is not zero", report->reserved_offset);
}

static void bits_json(struct buffer *to, const char *name, const struct bit_names *bits, uint64_t value)
{
    char text[320], *word = text, *end;
    const char *comma = "";

    bit_describe(bits, value, text, sizeof(text));
    buffer_printf(to, ",\"%s\":{\"value\":\"0x%llx\",\"bits\":[", name, (unsigned long long)value);
    for (; value && word; word = end ? end + 1 : NULL) {
        end = strchr(word, ' ');
        if (end)
            *end = '\0';
        buffer_printf(to, "%s\"%s\"", comma, word);
        comma = ",";
    }
    buffer_add_text(to, "]}");
}

static void raw_tcb_json(struct buffer *to, const char *name, enum product product, uint64_t raw)
{
    struct tcb tcb = tcb_decode(product, raw);

    buffer_printf(to, ",\"%s\":{\"value\":\"0x%016llx\",\"components\":", name, (unsigned long long)raw);
    if (product == PRODUCT_UNKNOWN)
        buffer_add_text(to, "null");
    else
        show_tcb_json(to, &tcb);
    buffer_add_text(to, "}");
}

void show_report_json(const struct report *report, enum product product, struct buffer *to)
{
    buffer_printf(to, "{\"version\":%u,\"guest_svn\":%u,\"vmpl\":%u", report->version, report->guest_svn,
                  report->vmpl);
    bits_json(to, "guest_policy", &guest_policy_bits, report->policy & ~UINT64_C(0xffff));
    buffer_printf(to, ",\"policy\":\"0x%llx\",\"minimum_abi\":\"%llu.%llu\"", (unsigned long long)report->policy,
                  (unsigned long long)(report->policy >> 8 & 0xff), (unsigned long long)(report->policy & 0xff));
    show_hex_json(to, "family_id", report->family_id, sizeof(report->family_id));
    show_hex_json(to, "image_id", report->image_id, sizeof(report->image_id));
    show_hex_json(to, "report_data", report->report_data, sizeof(report->report_data));
    show_hex_json(to, "measurement", report->measurement, sizeof(report->measurement));
    show_hex_json(to, "host_data", report->host_data, sizeof(report->host_data));
    show_hex_json(to, "id_key_digest", report->id_key_digest, sizeof(report->id_key_digest));
    show_hex_json(to, "author_key_digest", report->author_key_digest, sizeof(report->author_key_digest));
    show_hex_json(to, "report_id", report->report_id, sizeof(report->report_id));
    show_hex_json(to, "report_id_ma", report->report_id_ma, sizeof(report->report_id_ma));
    buffer_printf(to, ",\"product\":\"%s\",\"cpuid\":{\"family\":%u,\"model\":%u,\"stepping\":%u}",
                  report_generation(report), report->cpuid_family, report->cpuid_model, report->cpuid_stepping);
    bits_json(to, "platform_info", &platform_info_bits, report->platform_info);
    buffer_printf(to, ",\"key_info\":%u,\"signing_key\":\"%s\",\"signature_algorithm\":%u", report->key_info,
                  show_signing_key(report_signing_key(report)), report->signature_algorithm);
    raw_tcb_json(to, "current_tcb", product, report->current_tcb);
    raw_tcb_json(to, "reported_tcb", product, report->reported_tcb);
    raw_tcb_json(to, "committed_tcb", product, report->committed_tcb);
    raw_tcb_json(to, "launch_tcb", product, report->launch_tcb);
    buffer_printf(to, ",\"current_firmware\":\"%u.%u.%u\",\"committed_firmware\":\"%u.%u.%u\"", report->current.major,
                  report->current.minor, report->current.build, report->committed.major, report->committed.minor,
                  report->committed.build);
    if (report->version >= 5)
        buffer_printf(to, ",\"launch_mitigations\":\"0x%llx\",\"current_mitigations\":\"0x%llx\"",
                      (unsigned long long)report->launch_mit_vector, (unsigned long long)report->current_mit_vector);
    show_hex_json(to, "chip_id", report->chip_id, sizeof(report->chip_id));
    show_hex_json(to, "signature_r", report->signature_r, sizeof(report->signature_r));
    show_hex_json(to, "signature_s", report->signature_s, sizeof(report->signature_s));
    buffer_add_text(to, ",\"reserved_offset\":");
    if (report->reserved_offset)
        buffer_printf(to, "%zu}", report->reserved_offset);
    else
        buffer_add_text(to, "null}");
}

/* A name or time as OpenSSL prints it, made printable by show_line() and JSON. */
static void print_part(X509 *certificate, int part, char *to, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int size = -1;

    if (bio) {
        if (part < 2)
            (void)X509_NAME_print_ex(bio, part ? X509_get_issuer_name(certificate) : X509_get_subject_name(certificate),
                                     0, XN_FLAG_RFC2253);
        else
            (void)ASN1_TIME_print_ex(bio, part == 2 ? X509_get0_notBefore(certificate) : X509_get0_notAfter(certificate),
                                     ASN1_DTFLGS_ISO8601);
        size = BIO_read(bio, to, (int)room - 1);
    }
    to[size > 0 ? size : 0] = '\0';
    for (char *c = to; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    BIO_free(bio);
}

static const char *const parts[] = { "subject", "issuer", "not before", "not after" };
static const char *const members[] = { "subject", "issuer", "not_before", "not_after" };

void show_certificate(X509 *certificate, struct buffer *to)
{
    struct reason why = { "" };
    struct vek vek;

    for (int i = 0; i < 4; i++) {
        char text[320];

        print_part(certificate, i, text, sizeof(text));
        show_line(to, parts[i], "%s", text);
    }
    if (vek_parse(certificate, &vek, &why) < 0)
        return;
    show_line(to, "product", "%s", product_name(vek.product));
    show_tcb(to, "TCB", &vek.tcb);
    if (vek.kind == SIGNING_KEY_VCEK)
        show_bytes(to, "chip id", vek.hwid, sizeof(vek.hwid));
    else
        show_line(to, "provider", "%s", vek.csp_id);
}

void show_certificate_json(X509 *certificate, struct buffer *to)
{
    struct reason why = { "" };
    struct vek vek;

    for (int i = 0; i < 4; i++) {
        char text[320];

        print_part(certificate, i, text, sizeof(text));
        buffer_printf(to, "%s\"%s\":", i ? "," : "{", members[i]);
        buffer_add_json_string(to, text);
    }
    if (vek_parse(certificate, &vek, &why) == 0) {
        buffer_printf(to, ",\"product\":\"%s\",\"tcb\":", product_name(vek.product));
        show_tcb_json(to, &vek.tcb);
        if (vek.kind == SIGNING_KEY_VCEK) {
            show_hex_json(to, "chip_id", vek.hwid, sizeof(vek.hwid));
        } else {
            buffer_add_text(to, ",\"csp_id\":");
            buffer_add_json_string(to, vek.csp_id);
        }
    }
    buffer_add_text(to, "}");
}

int show_print(struct buffer *text)
{
    if (buffer_error(text) < 0) {
        log_error("out of memory");
        return COMMAND_MISUSE;
    }
    (void)fwrite(text->data, 1, text->size, stdout); /* command_main() looks whether it arrived */
    return COMMAND_OK;
}
