/*
 * cli/: the command `postern`, one file a verb, thin over the libraries. Its arguments are the user's own; the files
 * they name may come from anybody and go through the libraries' parsers.
 */
#pragma once

#include "base/command.h"

#define POSTERN_VERSION "0.3"
/* This guest's secure processor cannot be asked, or refuses; for what does not verify see verify_exit in evidence.h. */
#define EXIT_DEVICE 6

extern const struct command verb_measure;
extern const struct command verb_generate_key_digest;
extern const struct command verb_generate_id_block;
extern const struct command verb_id_block;
extern const struct command verb_manifest_create;
extern const struct command verb_manifest_sign;
extern const struct command verb_manifest_verify;
extern const struct command verb_manifest_show;
extern const struct command verb_manifest_lookup;
extern const struct command verb_host_selftest;
extern const struct command verb_verify_selftest;
extern const struct command verb_audit;
extern const struct command verb_volume_create;
extern const struct command verb_get_resource;
extern const struct command verb_broker_identity_sign;
extern const struct command verb_broker_identity_verify;
extern const struct command verb_broker_identity_root;
extern const struct command verb_init_data_create;
extern const struct command verb_init_data_check;
extern const struct command verb_volume_inspect;
extern const struct command verb_volume_adopt;
extern const struct command verb_volume_open;
extern const struct command verb_volume_close;
extern const struct command verb_volume_verify_table;
extern const struct command verb_volume_rekey;
extern const struct command verb_volume_sign_tree;
#define EXIT_DISK 2 /* a disk that is not what it has to be */
extern const struct command verb_launch;
extern const struct command verb_timeline;
extern const struct command verb_boot_chart;
extern const struct command verb_host;
extern const struct command verb_report;
extern const struct command verb_certificates;
extern const struct command verb_fetch_ca;
extern const struct command verb_fetch_vlek_ca;
extern const struct command verb_fetch_vcek;
extern const struct command verb_fetch_crl;
extern const struct command verb_key;
extern const struct command verb_ok;
extern const struct command verb_verify_certs;
extern const struct command verb_verify_attestation;
extern const struct command verb_verify_report;
extern const struct command verb_display_report;
extern const struct command verb_display_certs;
extern const struct command verb_display_key;
extern const struct command verb_display_firmware;
extern const struct command verb_generate_measurement;
extern const struct command verb_generate_ovmf_hash;
