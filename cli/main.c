/* postern: its verbs. */
#include "cli/cli.h"

#include "base/crypto.h"
#include "base/log.h"

static const struct command *const verbs[] = {
    &verb_measure,
    &verb_manifest_create,
    &verb_volume_create,
    &verb_launch,
    &verb_timeline,
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
    &verb_display_report,
    &verb_display_certs,
    &verb_display_key,
    &verb_display_firmware,
};

int main(int argc, char **argv)
{
    if (crypto_library_init() < 0) {
        log_error("OpenSSL cannot be set up: out of memory");
        return COMMAND_MISUSE;
    }
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
