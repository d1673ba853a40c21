/* Reports: filled from the launch and the chip, signed with the chip's endorsement key. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <string.h>

#include "psp/firmware.h"

#define SIGNATURE_ALGORITHM_P384 1
#define KEY_INFO_AUTHOR_KEY_ENABLED 1u
#define KEY_INFO_SIGNED_BY_VLEK (1u << 2)
#define KEY_SELECT_VCEK 1u

/* The operator's key where it is loaded, unless the chip's own is asked for. */
static bool uses_vlek(const struct chip *chip, const struct report_request *request)
{
    return chip->vlek_key && request->key_select != KEY_SELECT_VCEK;
}

static struct report fill(const struct chip *chip, const struct launch *launch, const struct report_request *request)
{
    const struct chip_identity *identity = &chip->identity;
    uint64_t tcb = tcb_encode(identity->product, &identity->tcb);
    struct report report = {
        .version = launch->report_version,
        .guest_svn = launch->guest_svn,
        .policy = launch->policy,
        .vmpl = request->vmpl,
        .signature_algorithm = SIGNATURE_ALGORITHM_P384,
        .current_tcb = tcb,
        .platform_info = identity->platform_info,
        .key_info = launch->has_author_key ? KEY_INFO_AUTHOR_KEY_ENABLED : 0,
        .reported_tcb = tcb,
        .committed_tcb = tcb,
        .launch_tcb = tcb,
        .current = identity->firmware,
        .committed = identity->firmware,
    };

    memcpy(report.family_id, launch->family_id, sizeof(report.family_id));
    memcpy(report.image_id, launch->image_id, sizeof(report.image_id));
    memcpy(report.report_data, request->report_data, sizeof(report.report_data));
    memcpy(report.measurement, launch->measurement, sizeof(report.measurement));
    memcpy(report.host_data, launch->host_data, sizeof(report.host_data));
    memcpy(report.id_key_digest, launch->id_key_digest, sizeof(report.id_key_digest));
    memcpy(report.author_key_digest, launch->author_key_digest, sizeof(report.author_key_digest));
    memcpy(report.report_id, launch->report_id, sizeof(report.report_id));
    memset(report.report_id_ma, 0xff, sizeof(report.report_id_ma)); /* no migration agent */
    if (uses_vlek(chip, request))
        report.key_info |= KEY_INFO_SIGNED_BY_VLEK; /* and the chip id stays zero */
    else
        memcpy(report.chip_id, identity->chip_id, sizeof(report.chip_id));
    if (launch->report_version >= 3) {
        report.cpuid_family = identity->cpuid_family;
        report.cpuid_model = identity->cpuid_model;
        report.cpuid_stepping = identity->cpuid_stepping;
    }
    if (launch->report_version >= 5) {
        report.launch_mit_vector = identity->mitigation_vector;
        report.current_mit_vector = identity->mitigation_vector;
    }
    return report;
}

/* ECDSA over the signed part, as two little-endian numbers. */
static bool sign(EVP_PKEY *key, const uint8_t data[REPORT_BYTES], struct report *report)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[128];
    const unsigned char *at = der;
    size_t size = sizeof(der);
    ECDSA_SIG *signature = NULL;
    bool ok = context && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key) == 1 &&
              EVP_DigestSign(context, der, &size, data, REPORT_SIGNED_BYTES) == 1 &&
              (signature = d2i_ECDSA_SIG(NULL, &at, (long)size)) &&
              BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report->signature_r, SIGNATURE_PART_BYTES) > 0 &&
              BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report->signature_s, SIGNATURE_PART_BYTES) > 0;

    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
    return ok;
}

int firmware_sign_report(const struct chip *chip, const struct launch *launch, const struct report_request *request,
                         uint8_t ret_report[REPORT_BYTES], struct reason *why)
{
    struct report report = fill(chip, launch, request);
    uint8_t data[REPORT_BYTES];

    report_encode(&report, data);
    if (!sign(uses_vlek(chip, request) ? chip->vlek_key : chip->vcek_key, data, &report))
        return reason_set(why, -EIO, "the report cannot be signed");
    report_encode(&report, ret_report);
    return 0;
}
