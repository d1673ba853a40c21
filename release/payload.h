/*
 * What a broker's answer holds once it is decrypted. The caller's configuration says which kind it is; nothing here
 * looks at the bytes to find out. Only a signed volume record says how a disk is to be treated: the other kinds are
 * secrets alone, whose sender is known by its TLS key and nothing else.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"

enum payload_kind {
    PAYLOAD_RECORD,     /* Postern's volume record, signed for this session and report */
    PAYLOAD_KEY,        /* a volume key, 64 or 96 bytes */
    PAYLOAD_PASSPHRASE, /* the bytes as they are, 1 to 512 */
    PAYLOAD_CONFDATA,   /* TOML of Trustee's provisioner, with a passphrase under "io.cryptsetup.key.text.NAME" */
    PAYLOAD_RAW,        /* any bytes */
};

#define PAYLOAD_MAX_PASSPHRASE_BYTES 512u

/* "record", "key", "passphrase", "confdata", "raw". */
const char *payload_kind_name(enum payload_kind kind);

/* The kind of that name. Errors: -EINVAL. */
int payload_kind_parse(const char *name, enum payload_kind *ret_kind) MUST_CHECK;

/*
 * The secret in an answer of a kind other than PAYLOAD_RECORD. `name`: with PAYLOAD_CONFDATA, which volume's. The
 * sentence never has a byte of the answer. Errors: -EBADMSG, -ENOMEM.
 */
int payload_take(enum payload_kind kind, const char *name, const struct secret *answer, struct secret *ret_secret,
                 struct reason *why) MUST_CHECK;
