/*
 * LUKS2 headers held against an allow-list. The host controls every byte of a header and its checksums protect nothing:
 * what is accepted here decides nothing that the list does not.
 *
 * Both copies of the header are judged, all their fields, from bytes that were read once. The list admits what plain
 * `cryptsetup luksFormat`, systemd-repart and mkosi write for aes-xts-plain64, and volumes with hmac(sha256) tags; each
 * refusal has a stable code. Format: LUKS2 On-Disk Format Specification 1.1.1.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"
#include "base/secret.h"

#define HEADER_COPY_BYTES 16384u
#define HEADER_BINARY_BYTES 4096u
#define HEADER_JSON_BYTES (HEADER_COPY_BYTES - HEADER_BINARY_BYTES)
#define HEADER_BYTES (2 * HEADER_COPY_BYTES) /* both copies: all that is ever read of a header */
#define HEADER_DATA_OFFSET_BYTES (16u * 1024 * 1024)

#define HEADER_LABEL_BYTES 48
#define HEADER_UUID_BYTES 40
#define HEADER_SALT_MAX_BYTES 64
#define HEADER_DIGEST_BYTES 32
#define HEADER_MAC_BYTES 32
#define HEADER_AF_STRIPES_COUNT 4000u /* of the anti-forensic splitter, the only number that there is */
#define HEADER_WORD_BYTES 32

#define HEADER_DIGEST_ITERATIONS_MOST 10000000u
#define HEADER_KDF_MEMORY_MOST_KIB 1048576u /* what cryptsetup never exceeds by itself */

/* Name and code; postern-volume(1) says what each of them means. */
#define HEADER_CODES(X) \
    X(GOOD, "") \
    X(SHORT, "H-SHORT") X(MAGIC, "H-MAGIC") X(VERSION, "H-VERSION") X(SIZE, "H-SIZE") X(PLACE, "H-PLACE") \
    X(SEQUENCE, "H-SEQUENCE") X(LABEL, "H-LABEL") X(SUBSYSTEM, "H-SUBSYSTEM") X(UUID, "H-UUID") \
    X(PADDING, "H-PADDING") X(CHECKSUM_HASH, "H-CHECKSUM-HASH") X(CHECKSUM, "H-CHECKSUM") \
    X(COPY_SEQUENCE, "H-COPY-SEQUENCE") X(COPY_NAMES, "H-COPY-NAMES") X(COPY_JSON, "H-COPY-JSON") \
    X(JSON, "H-JSON") X(MEMBER, "H-MEMBER") X(TOKENS, "H-TOKENS") X(CONFIG_JSON_SIZE, "H-CONFIG-JSON-SIZE") \
    X(CONFIG_KEYSLOTS_SIZE, "H-CONFIG-KEYSLOTS-SIZE") X(CONFIG_FLAGS, "H-CONFIG-FLAGS") \
    X(CONFIG_REQUIREMENTS, "H-CONFIG-REQUIREMENTS") \
    X(SEGMENT_COUNT, "H-SEGMENT-COUNT") X(SEGMENT_TYPE, "H-SEGMENT-TYPE") X(SEGMENT_OFFSET, "H-SEGMENT-OFFSET") \
    X(SEGMENT_SIZE, "H-SEGMENT-SIZE") X(SEGMENT_IV, "H-SEGMENT-IV") X(SEGMENT_CIPHER, "H-SEGMENT-CIPHER") \
    X(SEGMENT_SECTOR, "H-SEGMENT-SECTOR") X(SEGMENT_INTEGRITY, "H-SEGMENT-INTEGRITY") \
    X(SEGMENT_FLAGS, "H-SEGMENT-FLAGS") \
    X(DIGEST_COUNT, "H-DIGEST-COUNT") X(DIGEST_TYPE, "H-DIGEST-TYPE") X(DIGEST_KEYSLOTS, "H-DIGEST-KEYSLOTS") \
    X(DIGEST_SEGMENTS, "H-DIGEST-SEGMENTS") X(DIGEST_HASH, "H-DIGEST-HASH") \
    X(DIGEST_ITERATIONS, "H-DIGEST-ITERATIONS") X(DIGEST_SALT, "H-DIGEST-SALT") X(DIGEST_VALUE, "H-DIGEST-VALUE") \
    X(KEYSLOT_COUNT, "H-KEYSLOT-COUNT") X(KEYSLOT_TYPE, "H-KEYSLOT-TYPE") X(KEYSLOT_KEY_SIZE, "H-KEYSLOT-KEY-SIZE") \
    X(KEYSLOT_PRIORITY, "H-KEYSLOT-PRIORITY") X(AF_TYPE, "H-AF-TYPE") X(AF_STRIPES, "H-AF-STRIPES") \
    X(AF_HASH, "H-AF-HASH") \
    X(AREA_TYPE, "H-AREA-TYPE") X(AREA_OFFSET, "H-AREA-OFFSET") X(AREA_SIZE, "H-AREA-SIZE") \
    X(AREA_CIPHER, "H-AREA-CIPHER") X(AREA_KEY_SIZE, "H-AREA-KEY-SIZE") \
    X(KDF_TYPE, "H-KDF-TYPE") X(KDF_HASH, "H-KDF-HASH") X(KDF_ITERATIONS, "H-KDF-ITERATIONS") \
    X(KDF_TIME, "H-KDF-TIME") X(KDF_MEMORY, "H-KDF-MEMORY") X(KDF_CPUS, "H-KDF-CPUS") X(KDF_SALT, "H-KDF-SALT")

enum header_code {
#define X(name, code) HEADER_##name,
    HEADER_CODES(X)
#undef X
        HEADER_CODE_COUNT,
};

/* "H-SEGMENT-CIPHER" and the like; "" for HEADER_GOOD. */
const char *header_code_text(enum header_code code);

/* How a passphrase becomes the key of the keyslot's area (luks/keyslot.h). */
struct header_keyslot {
    bool argon2id;         /* or pbkdf2 with sha256 */
    uint32_t iterations;   /* argon2id: passes */
    uint32_t memory_kib;   /* argon2id */
    uint32_t lanes;        /* argon2id */
    uint8_t salt[HEADER_SALT_MAX_BYTES];
    size_t salt_size;
    uint64_t area_offset; /* bytes from the start of the header */
};

/* What an accepted header says. */
struct header {
    char uuid[HEADER_UUID_BYTES];
    char label[HEADER_LABEL_BYTES];
    uint64_t sequence;
    char cipher[HEADER_WORD_BYTES];    /* "aes-xts-plain64" */
    char integrity[HEADER_WORD_BYTES]; /* "none", "hmac(sha256)" */
    size_t key_size;                   /* of the volume key, bytes */
    uint32_t sector_size;
    uint64_t offset; /* bytes */
    uint64_t length; /* bytes; 0: to the end of the disk */
    bool has_keyslot;
    struct header_keyslot keyslot;
    uint32_t digest_iterations;
    uint8_t digest_salt[HEADER_SALT_MAX_BYTES];
    size_t digest_salt_size;
    uint8_t digest[HEADER_DIGEST_BYTES];
};

/* One field of one copy, as it was found. The texts live during the call alone. */
struct header_field {
    unsigned copy;         /* 1 or 2; 0: both together */
    const char *name;      /* "uuid", "segments.0.encryption" */
    const char *found;     /* its value, or what is wrong with it */
    const char *allowed;   /* in words */
    enum header_code code; /* HEADER_GOOD: accepted */
};

/* For those who want to see every field, and not just the first refusal. */
struct header_sink {
    void (*field)(void *context, const struct header_field *field);
    void *context;
};

/*
 * Judges the first HEADER_BYTES of a disk. `sink` may be NULL. Only when every field of both copies is on the list is
 * ret_header written. ret_code is the first refusal's, also on success (HEADER_GOOD); it may be NULL. Errors: -EBADMSG
 * with code, copy and field in `why`, -ENOMEM.
 */
int header_parse(const void *bytes, size_t size, const struct header_sink *sink, struct header *ret_header,
                 enum header_code *ret_code, struct reason *why) MUST_CHECK;

/*
 * Reads both copies once, from `offset` on (a multiple of 4096), past the page cache where the file system can. Errors:
 * -ENODATA for a disk that is too small, -errno.
 */
int header_read(int disk, uint64_t offset, uint8_t ret_bytes[HEADER_BYTES]) MUST_CHECK;

/*
 * Whether the volume key is the one that the header's digest was made of (PBKDF2, at most
 * HEADER_DIGEST_ITERATIONS_MOST). Says nothing about cipher and place: the digest covers the key alone. Errors:
 * -EKEYREJECTED, -ENOMEM.
 */
int header_check_key(const struct header *header, const struct secret *key) MUST_CHECK;

/* The digest of a key with the header's salt and iterations. Errors: -ENOMEM. */
int header_digest_key(const struct header *header, const struct secret *key,
                      uint8_t ret_digest[HEADER_DIGEST_BYTES]) MUST_CHECK;

/*
 * HMAC-SHA-256 by which a header is known again: every bit of both copies, for one volume, at one state of the header
 * (LUKS2 counts its sequence number up with each change). Over "PSTNHDR1", the volume id (63 bytes at most, padded with
 * zeros to 64), header->sequence (64 bits, little-endian), the HEADER_BYTES; its key is HKDF-SHA-256 of the volume key
 * without salt, with the info "postern volume header". Errors: -ENOMEM.
 */
int header_make_mac(const uint8_t bytes[HEADER_BYTES], const struct header *header, const char *volume_id,
                    const struct secret *key, uint8_t ret_mac[HEADER_MAC_BYTES]) MUST_CHECK;

/* Both copies of a header without keyslots. Errors: -EINVAL for one that header_parse() would refuse, -ENOMEM, -EIO. */
int header_make(const struct header *header, uint8_t ret_bytes[HEADER_BYTES]) MUST_CHECK;
