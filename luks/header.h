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

/* name, code, what is wrong */
#define HEADER_CODES(X)                                                                                                \
    X(GOOD, "", "nothing is wrong")                                                                                    \
    X(SHORT, "H-SHORT", "the disk is too small for both copies of a header")                                           \
    X(MAGIC, "H-MAGIC", "not a LUKS2 header")                                                                          \
    X(VERSION, "H-VERSION", "another version of LUKS")                                                                 \
    X(SIZE, "H-SIZE", "the header says that it has another size")                                                      \
    X(PLACE, "H-PLACE", "the header says that it lies elsewhere")                                                      \
    X(SEQUENCE, "H-SEQUENCE", "the sequence number is 0 or about to wrap")                                             \
    X(LABEL, "H-LABEL", "the label is not printable text padded with zeros")                                           \
    X(SUBSYSTEM, "H-SUBSYSTEM", "the subsystem is not empty")                                                          \
    X(UUID, "H-UUID", "the UUID is not one")                                                                           \
    X(PADDING, "H-PADDING", "bytes that have no meaning are not zero")                                                 \
    X(CHECKSUM_HASH, "H-CHECKSUM-HASH", "the checksum's hash is not sha256")                                           \
    X(CHECKSUM, "H-CHECKSUM", "the checksum does not match")                                                           \
    X(COPY_SEQUENCE, "H-COPY-SEQUENCE", "the copies have different sequence numbers")                                  \
    X(COPY_NAMES, "H-COPY-NAMES", "the copies have different labels or UUIDs")                                         \
    X(COPY_JSON, "H-COPY-JSON", "the copies have different JSON")                                                      \
    X(JSON, "H-JSON", "the JSON area does not hold one strict JSON object with zeros behind it")                       \
    X(MEMBER, "H-MEMBER", "a member that the list does not have")                                                      \
    X(TOKENS, "H-TOKENS", "there are tokens")                                                                          \
    X(CONFIG_JSON_SIZE, "H-CONFIG-JSON-SIZE", "config.json_size is not that of the header")                            \
    X(CONFIG_KEYSLOTS_SIZE, "H-CONFIG-KEYSLOTS-SIZE", "the keyslots' area does not end where the data starts")         \
    X(CONFIG_FLAGS, "H-CONFIG-FLAGS", "there are persistent flags")                                                    \
    X(CONFIG_REQUIREMENTS, "H-CONFIG-REQUIREMENTS", "there are requirements")                                          \
    X(SEGMENT_COUNT, "H-SEGMENT-COUNT", "not exactly one segment with the number 0")                                   \
    X(SEGMENT_TYPE, "H-SEGMENT-TYPE", "the segment's type is not crypt")                                               \
    X(SEGMENT_OFFSET, "H-SEGMENT-OFFSET", "the data does not start at 16 MiB")                                         \
    X(SEGMENT_SIZE, "H-SEGMENT-SIZE", "the segment's size is neither dynamic nor whole sectors")                       \
    X(SEGMENT_IV, "H-SEGMENT-IV", "IVs do not start at 0")                                                             \
    X(SEGMENT_CIPHER, "H-SEGMENT-CIPHER", "the cipher is not aes-xts-plain64")                                         \
    X(SEGMENT_SECTOR, "H-SEGMENT-SECTOR", "sectors have neither 512 nor 4096 bytes, or not 4096 with tags")            \
    X(SEGMENT_INTEGRITY, "H-SEGMENT-INTEGRITY", "the tags are not plain hmac(sha256)")                                 \
    X(SEGMENT_FLAGS, "H-SEGMENT-FLAGS", "the segment has flags")                                                       \
    X(DIGEST_COUNT, "H-DIGEST-COUNT", "not exactly one digest with the number 0")                                      \
    X(DIGEST_TYPE, "H-DIGEST-TYPE", "the digest's type is not pbkdf2")                                                 \
    X(DIGEST_KEYSLOTS, "H-DIGEST-KEYSLOTS", "the digest is not for exactly the keyslots that there are")               \
    X(DIGEST_SEGMENTS, "H-DIGEST-SEGMENTS", "the digest is not for segment 0 alone")                                   \
    X(DIGEST_HASH, "H-DIGEST-HASH", "the digest's hash is not sha256")                                                 \
    X(DIGEST_ITERATIONS, "H-DIGEST-ITERATIONS", "the digest's iterations are out of range")                            \
    X(DIGEST_SALT, "H-DIGEST-SALT", "the digest's salt is not 16 to 64 bytes of base64")                               \
    X(DIGEST_VALUE, "H-DIGEST-VALUE", "the digest is not 32 bytes of base64")                                          \
    X(KEYSLOT_COUNT, "H-KEYSLOT-COUNT", "more than one keyslot, or one that is not number 0")                          \
    X(KEYSLOT_TYPE, "H-KEYSLOT-TYPE", "the keyslot's type is not luks2")                                               \
    X(KEYSLOT_KEY_SIZE, "H-KEYSLOT-KEY-SIZE", "the keyslot does not hold a key of the cipher's size")                  \
    X(KEYSLOT_PRIORITY, "H-KEYSLOT-PRIORITY", "the keyslot's priority is not 0 to 2")                                  \
    X(AF_TYPE, "H-AF-TYPE", "the anti-forensic splitter is not luks1")                                                 \
    X(AF_STRIPES, "H-AF-STRIPES", "the anti-forensic splitter has not 4000 stripes")                                   \
    X(AF_HASH, "H-AF-HASH", "the anti-forensic splitter's hash is not sha256")                                         \
    X(AREA_TYPE, "H-AREA-TYPE", "the keyslot's area is not raw")                                                       \
    X(AREA_OFFSET, "H-AREA-OFFSET", "the keyslot's area does not lie behind the header")                               \
    X(AREA_SIZE, "H-AREA-SIZE", "the keyslot's area does not end before the data, or is too small")                    \
    X(AREA_CIPHER, "H-AREA-CIPHER", "the keyslot is not encrypted with aes-xts-plain64")                               \
    X(AREA_KEY_SIZE, "H-AREA-KEY-SIZE", "the keyslot is not encrypted with a key of 64 bytes")                         \
    X(KDF_TYPE, "H-KDF-TYPE", "the keyslot's key derivation is neither pbkdf2 nor argon2id")                           \
    X(KDF_HASH, "H-KDF-HASH", "the key derivation's hash is not sha256")                                               \
    X(KDF_ITERATIONS, "H-KDF-ITERATIONS", "the key derivation's iterations are out of range")                          \
    X(KDF_TIME, "H-KDF-TIME", "the key derivation makes none or too many passes")                                      \
    X(KDF_MEMORY, "H-KDF-MEMORY", "the key derivation wants no or too much memory")                                    \
    X(KDF_CPUS, "H-KDF-CPUS", "the key derivation wants no or too many threads")                                       \
    X(KDF_SALT, "H-KDF-SALT", "the key derivation's salt is not 16 to 64 bytes of base64")

enum header_code {
#define X(name, code, meaning) HEADER_##name,
    HEADER_CODES(X)
#undef X
        HEADER_CODE_COUNT,
};

/* "H-SEGMENT-CIPHER" and the like; "" for HEADER_GOOD. */
const char *header_code_text(enum header_code code);
const char *header_code_meaning(enum header_code code);

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
