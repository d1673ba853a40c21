/* postern: its verbs. */
#include "cli/cli.h"

#include "base/crypto.h"
#include "base/log.h"

static const struct command *const verbs[] = {
    &verb_measure,
    &verb_id_block,
    &verb_generate_id_block,
    &verb_generate_key_digest,
    &verb_manifest_create,
    &verb_manifest_sign,
    &verb_manifest_verify,
    &verb_manifest_show,
    &verb_manifest_lookup,
    &verb_audit,
    &verb_volume_create,
    &verb_launch,
    &verb_timeline,
    &verb_boot_chart,
    &verb_host,
    &verb_host_selftest,
    &verb_report,
    &verb_certificates,
    &verb_fetch_ca,
    &verb_fetch_vlek_ca,
    &verb_fetch_vcek,
    &verb_fetch_crl,
    &verb_key,
    &verb_ok,
    &verb_verify_certs,
    &verb_verify_attestation,
    &verb_verify_report,
    &verb_verify_selftest,
    &verb_display_report,
    &verb_display_certs,
    &verb_display_key,
    &verb_display_firmware,
    &verb_generate_measurement,
    &verb_generate_ovmf_hash,
    &verb_volume_inspect,
    &verb_volume_adopt,
    &verb_volume_open,
    &verb_volume_close,
    &verb_volume_verify_table,
    &verb_volume_rekey,
    &verb_volume_sign_tree,
    &verb_get_resource,
    &verb_broker_identity_sign,
    &verb_broker_identity_verify,
    &verb_broker_identity_root,
    &verb_init_data_create,
    &verb_init_data_check,
};

int main(int argc, char **argv)
{
    if (crypto_library_init() < 0) {
        log_error("OpenSSL cannot be set up: out of memory");
        return COMMAND_MISUSE;
    }
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
