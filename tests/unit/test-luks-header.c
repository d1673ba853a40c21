/*
 * luks/header: what a host can write into a LUKS2 header, and what becomes of it. V1 to V12 are the published ways to
 * bend one: null ciphers in keyslot and segment, weak modes, IVs and places, re-encryption states, persistent flags,
 * tokens, costs, keyslot areas, copies that differ, old headers, whole new containers.
 */
#include "unit.h"

#include <fcntl.h>
#include <libcryptsetup.h>
#include <unistd.h>

#include "base/file.h"
#include "luks-header.h"

static void assert_code(const uint8_t *bytes, size_t size, enum header_code code, const char *what)
{
    uint8_t *copy = exact_copy(bytes, size);
    struct header header = { .sequence = 77 };
    enum header_code found = HEADER_CODE_COUNT;
    struct reason why = { "" };
    int r = header_parse(copy, size, NULL, &header, &found, &why);

    free(copy);
    if (r != (code ? -EBADMSG : 0) || found != code || (code && strncmp(why.text, header_code_text(code), 6) != 0))
        fail_msg("%s: gave %d, %s \"%s\", expected %s", what, r, header_code_text(found), why.text,
                 header_code_text(code));
    if (code)
        assert_int_equal(header.sequence, 77);
}

/* One place of the accepted JSON replaced. */
struct edit {
    enum header_code code;
    const char *find, *replace;
};

#define KEYSLOT "\"0\":{\"type\":\"luks2\","
#define SEGMENT "\"0\":{\"type\":\"crypt\","
#define DIGEST "\"0\":{\"type\":\"pbkdf2\",\"keyslots\""
#define AREA "\"offset\":\"32768\",\"size\":\"258048\""
#define KDF "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":1000"
#define DATA "\"segments\":[\"0\"],\"hash\":\"sha256\",\"iterations\":1000"
#define ENCRYPTION "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\""
#define CONFIG "\"keyslots_size\":\"16744448\""
#define ARGON "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":32,\"cpus\":1"

static const struct edit edits[] = {
    /* V1: a null cipher for the keyslot */
    { HEADER_AREA_CIPHER, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}",
      "\"encryption\":\"cipher_null-ecb\",\"key_size\":64}" },
    { HEADER_AREA_CIPHER, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}",
      "\"encryption\":\"cipher_null\",\"key_size\":64}" },
    { HEADER_AREA_CIPHER, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}", "\"encryption\":[],\"key_size\":64}" },
    { HEADER_AREA_CIPHER, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}", "\"key_size\":64}" },
    { HEADER_AREA_KEY_SIZE, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}",
      "\"encryption\":\"aes-xts-plain64\",\"key_size\":0}" },
    { HEADER_AREA_KEY_SIZE, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}",
      "\"encryption\":\"aes-xts-plain64\",\"key_size\":32}" },
    { HEADER_AREA_KEY_SIZE, "\"encryption\":\"aes-xts-plain64\",\"key_size\":64}",
      "\"encryption\":\"aes-xts-plain64\",\"key_size\":\"64\"}" },
    /* V2: a null cipher for the data */
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"cipher_null-ecb\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"cipher_null\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":null" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\"" },
    /* V3: weak or slow modes */
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"capi:xts(ecb(aes-generic))-plain64\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-cbc-essiv:sha256\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-null\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-ecb\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64 \"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64\\n\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION, "\"iv_tweak\":\"0\",\"encryption\":\"serpent-xts-plain64\"" },
    { HEADER_SEGMENT_CIPHER, ENCRYPTION,
      "\"iv_tweak\":\"0\",\"encryption\":\"aes-xts-plain64aes-xts-plain64aes-xts-plain64\"" },
    /* V4: IVs, sectors, places, sizes */
    { HEADER_SEGMENT_IV, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"8\"" },
    { HEADER_SEGMENT_IV, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"00\"" },
    { HEADER_SEGMENT_IV, "\"iv_tweak\":\"0\"", "\"iv_tweak\":0" },
    { HEADER_SEGMENT_IV, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"18446744073709551616\"" },
    { HEADER_SEGMENT_IV, "\"iv_tweak\":\"0\",", "" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":1024" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":0" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":8192" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":-4096" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":18446744073709551615" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":4294971392" },
    { HEADER_SEGMENT_SECTOR, "\"sector_size\":4096", "\"sector_size\":\"4096\"" },
    { HEADER_SEGMENT_SECTOR, ",\"sector_size\":4096", "" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"0\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"16777728\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"016777216\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"-1\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"+16777216\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"9223372036854775808\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":16777216" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\"", "\"offset\":\"\"" },
    { HEADER_SEGMENT_OFFSET, "\"offset\":\"16777216\",", "" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\"", "\"size\":\"0\"" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\"", "\"size\":\"4097\"" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\"", "\"size\":\"Dynamic\"" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\"", "\"size\":\"18446744073709547520\"" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\"", "\"size\":4096" },
    { HEADER_SEGMENT_SIZE, "\"size\":\"dynamic\",", "" },
    { HEADER_SEGMENT_TYPE, "\"type\":\"crypt\"", "\"type\":\"linear\"" },
    { HEADER_SEGMENT_TYPE, "\"type\":\"crypt\"", "\"type\":1" },
    { HEADER_SEGMENT_COUNT, SEGMENT, "\"1\":{\"type\":\"crypt\"," },
    { HEADER_SEGMENT_COUNT, SEGMENT, "\"00\":{\"type\":\"crypt\"," },
    { HEADER_MEMBER, SEGMENT, "\"0\":{\"opal\":1,\"type\":\"crypt\"," },
    { HEADER_MEMBER, SEGMENT, "\"0\":{\"\":1,\"type\":\"crypt\"," },
    /* V5: re-encryption */
    { HEADER_SEGMENT_COUNT, SEGMENT,
      "\"1\":{\"type\":\"linear\",\"offset\":\"16777216\",\"size\":\"dynamic\"}," SEGMENT },
    { HEADER_SEGMENT_FLAGS, SEGMENT, "\"0\":{\"flags\":[\"in-reencryption\"],\"type\":\"crypt\"," },
    { HEADER_SEGMENT_FLAGS, SEGMENT, "\"0\":{\"flags\":null,\"type\":\"crypt\"," },
    { HEADER_CONFIG_REQUIREMENTS, CONFIG, CONFIG ",\"requirements\":{\"mandatory\":[\"online-reencrypt-v2\"]}" },
    { HEADER_CONFIG_REQUIREMENTS, CONFIG, CONFIG ",\"requirements\":{\"mandatory\":[\"offline-reencrypt\"]}" },
    { HEADER_CONFIG_REQUIREMENTS, CONFIG, CONFIG ",\"requirements\":{}" },
    { HEADER_CONFIG_REQUIREMENTS, CONFIG, CONFIG ",\"requirements\":null" },
    { HEADER_KEYSLOT_TYPE, KEYSLOT, "\"0\":{\"type\":\"reencrypt\"," },
    { HEADER_KEYSLOT_TYPE, KEYSLOT, "\"0\":{\"type\":[\"luks2\"]," },
    /* V6: persistent flags */
    { HEADER_CONFIG_FLAGS, CONFIG, CONFIG ",\"flags\":[\"allow-discards\"]" },
    { HEADER_CONFIG_FLAGS, CONFIG, CONFIG ",\"flags\":[\"no-journal\"]" },
    { HEADER_CONFIG_FLAGS, CONFIG, CONFIG ",\"flags\":[]" },
    { HEADER_CONFIG_FLAGS, CONFIG, CONFIG ",\"flags\":null" },
    { HEADER_MEMBER, CONFIG, CONFIG ",\"flag\":[]" },
    /* V7: tokens */
    { HEADER_TOKENS, "\"tokens\":{}", "\"tokens\":{\"0\":{\"type\":\"systemd-tpm2\",\"keyslots\":[\"0\"]}}" },
    { HEADER_TOKENS, "\"tokens\":{}", "\"tokens\":{\"0\":{\"type\":\"../../evil\",\"keyslots\":[]}}" },
    { HEADER_TOKENS, "\"tokens\":{}", "\"tokens\":[]" },
    { HEADER_TOKENS, "\"tokens\":{},", "" },
    { HEADER_TOKENS, "\"tokens\":{}", "\"tokens\":null" },
    /* V8: costs */
    { HEADER_KDF_ITERATIONS, KDF, "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":10000001" },
    { HEADER_KDF_ITERATIONS, KDF, "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":999" },
    { HEADER_KDF_ITERATIONS, KDF, "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"iterations\":4294968296" },
    { HEADER_KDF_HASH, KDF, "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha1\",\"iterations\":1000" },
    { HEADER_KDF_TYPE, KDF, "\"kdf\":{\"type\":\"argon2i\",\"hash\":\"sha256\",\"iterations\":1000" },
    { HEADER_KDF_TYPE, KDF, "\"kdf\":{\"type\":\"\",\"hash\":\"sha256\",\"iterations\":1000" },
    { HEADER_KDF_TYPE, "\"kdf\":{", "\"kdf2\":{" },
    { HEADER_KDF_MEMORY, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":1048577,\"cpus\":1" },
    { HEADER_KDF_MEMORY, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":4194304,\"cpus\":1" },
    { HEADER_KDF_MEMORY, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":0,\"cpus\":1" },
    { HEADER_KDF_TIME, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":11,\"memory\":32,\"cpus\":1" },
    { HEADER_KDF_TIME, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":0,\"memory\":32,\"cpus\":1" },
    { HEADER_KDF_CPUS, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":32,\"cpus\":5" },
    { HEADER_KDF_CPUS, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":4,\"memory\":32,\"cpus\":true" },
    { HEADER_MEMBER, KDF, "\"kdf\":{\"type\":\"pbkdf2\",\"hash\":\"sha256\",\"time\":4,\"iterations\":1000" },
    { HEADER_KDF_SALT, "\"salt\":\"0vyBAAV9TlO3ZKIshfmEUx40tCuxMf+5ZLrvHZUMBiU=\"", "\"salt\":\"AAAA\"" },
    { HEADER_KDF_SALT, "\"salt\":\"0vyBAAV9TlO3ZKIshfmEUx40tCuxMf+5ZLrvHZUMBiU=\"", "\"salt\":\"not base64\"" },
    { HEADER_DIGEST_ITERATIONS, DATA, "\"segments\":[\"0\"],\"hash\":\"sha256\",\"iterations\":10000001" },
    { HEADER_DIGEST_ITERATIONS, DATA, "\"segments\":[\"0\"],\"hash\":\"sha256\",\"iterations\":0" },
    { HEADER_DIGEST_ITERATIONS, DATA, "\"segments\":[\"0\"],\"hash\":\"sha256\",\"iterations\":4294967296" },
    { HEADER_KEYSLOT_COUNT, KEYSLOT, "\"1\":{\"type\":\"luks2\"}," KEYSLOT },
    { HEADER_KEYSLOT_COUNT, KEYSLOT, "\"31\":{\"type\":\"luks2\"," },
    { HEADER_KEYSLOT_COUNT, "{\"keyslots\":{\"0\":{\"type\"", "{\"keyslots\":{\"0\":[],\"1\":{\"type\"" },
    { HEADER_KEYSLOT_PRIORITY, KEYSLOT, KEYSLOT "\"priority\":3," },
    { HEADER_KEYSLOT_PRIORITY, KEYSLOT, KEYSLOT "\"priority\":null," },
    { HEADER_KEYSLOT_KEY_SIZE, KEYSLOT "\"key_size\":64", KEYSLOT "\"key_size\":32" },
    { HEADER_KEYSLOT_KEY_SIZE, KEYSLOT "\"key_size\":64", KEYSLOT "\"key_size\":96" },
    { HEADER_KEYSLOT_KEY_SIZE, KEYSLOT "\"key_size\":64", KEYSLOT "\"key_size\":4294967360" },
    { HEADER_AF_STRIPES, "\"stripes\":4000", "\"stripes\":1" },
    { HEADER_AF_STRIPES, "\"stripes\":4000", "\"stripes\":4294967296" },
    { HEADER_AF_HASH, "\"stripes\":4000,\"hash\":\"sha256\"", "\"stripes\":4000,\"hash\":\"md5\"" },
    { HEADER_AF_TYPE, "\"type\":\"luks1\"", "\"type\":\"none\"" },
    { HEADER_AF_TYPE, "\"af\":{", "\"ag\":{" },
    { HEADER_MEMBER, "\"type\":\"luks1\"", "\"type\":\"luks1\",\"more\":{}" },
    /* V9: keyslot areas elsewhere */
    { HEADER_AREA_OFFSET, AREA, "\"offset\":\"0\",\"size\":\"258048\"" },
    { HEADER_AREA_OFFSET, AREA, "\"offset\":\"28672\",\"size\":\"258048\"" },
    { HEADER_AREA_OFFSET, AREA, "\"offset\":\"32769\",\"size\":\"258048\"" },
    { HEADER_AREA_OFFSET, AREA, "\"offset\":\"16777216\",\"size\":\"258048\"" },
    { HEADER_AREA_OFFSET, AREA, "\"offset\":\"18446744073709518848\",\"size\":\"258048\"" },
    { HEADER_AREA_OFFSET, AREA, "\"offset\":32768,\"size\":\"258048\"" },
    { HEADER_AREA_SIZE, AREA, "\"offset\":\"16519168\",\"size\":\"262144\"" },
    { HEADER_AREA_SIZE, AREA, "\"offset\":\"32768\",\"size\":\"0\"" },
    { HEADER_AREA_SIZE, AREA, "\"offset\":\"32768\",\"size\":\"253952\"" },
    { HEADER_AREA_SIZE, AREA, "\"offset\":\"32768\",\"size\":\"9223372036854771712\"" },
    { HEADER_AREA_SIZE, AREA, "\"offset\":\"32768\",\"size\":\"18446744073709551615\"" },
    { HEADER_AREA_TYPE, "\"type\":\"raw\"", "\"type\":\"datashift\"" },
    { HEADER_AREA_TYPE, "\"area\":{", "\"area\":[],\"b\":{" },
    { HEADER_MEMBER, "\"type\":\"raw\"", "\"type\":\"raw\",\"shift_size\":\"0\"" },
    /* the rest of the list */
    { HEADER_CONFIG_JSON_SIZE, "\"json_size\":\"12288\"", "\"json_size\":\"12289\"" },
    { HEADER_CONFIG_JSON_SIZE, "\"json_size\":\"12288\"", "\"json_size\":12288" },
    { HEADER_CONFIG_JSON_SIZE, "\"config\":{", "\"config\":[],\"c\":{" },
    { HEADER_CONFIG_KEYSLOTS_SIZE, CONFIG, "\"keyslots_size\":\"0\"" },
    { HEADER_CONFIG_KEYSLOTS_SIZE, CONFIG, "\"keyslots_size\":\"16748544\"" },
    { HEADER_CONFIG_KEYSLOTS_SIZE, "," CONFIG, "" },
    { HEADER_DIGEST_COUNT, DIGEST, "\"1\":{\"type\":\"pbkdf2\",\"keyslots\"" },
    { HEADER_DIGEST_COUNT, DIGEST, "\"1\":{\"type\":\"pbkdf2\"}," DIGEST },
    { HEADER_DIGEST_TYPE, DIGEST, "\"0\":{\"type\":\"none\",\"keyslots\"" },
    { HEADER_DIGEST_KEYSLOTS, "\"keyslots\":[\"0\"]", "\"keyslots\":[]" },
    { HEADER_DIGEST_KEYSLOTS, "\"keyslots\":[\"0\"]", "\"keyslots\":[\"1\"]" },
    { HEADER_DIGEST_KEYSLOTS, "\"keyslots\":[\"0\"]", "\"keyslots\":[\"0\",\"0\"]" },
    { HEADER_DIGEST_KEYSLOTS, "\"keyslots\":[\"0\"]", "\"keyslots\":[0]" },
    { HEADER_DIGEST_SEGMENTS, "\"segments\":[\"0\"]", "\"segments\":[]" },
    { HEADER_DIGEST_SEGMENTS, "\"segments\":[\"0\"]", "\"segments\":[\"0\",\"1\"]" },
    { HEADER_DIGEST_SEGMENTS, "\"segments\":[\"0\"]", "\"segments\":\"0\"" },
    { HEADER_DIGEST_HASH, DATA, "\"segments\":[\"0\"],\"hash\":\"sha1\",\"iterations\":1000" },
    { HEADER_DIGEST_SALT, "60qiSgODYqI0aqv0JmkPT99ihZRmVGkW5p/G4KxNxGo=", "60qi" },
    { HEADER_DIGEST_SALT, "60qiSgODYqI0aqv0JmkPT99ihZRmVGkW5p/G4KxNxGo=",
      "60qiSgODYqI0aqv0JmkPT99ihZRmVGkW5p/G4KxNxGp=" },
    { HEADER_DIGEST_VALUE, "eUh6OHTMBTXiuqSuOAiQPn20rrWhXL33Sl75hIII2mQ=", "eQ==" },
    { HEADER_DIGEST_VALUE, "eUh6OHTMBTXiuqSuOAiQPn20rrWhXL33Sl75hIII2mQ=",
      "eUh6OHTMBTXiuqSuOAiQPn20rrWhXL33Sl75hIII2mRl" },
    { HEADER_MEMBER, DIGEST, "\"0\":{\"more\":1,\"type\":\"pbkdf2\",\"keyslots\"" },
    { HEADER_MEMBER, KEYSLOT, KEYSLOT "\"opaque\":{}," },
    { HEADER_MEMBER, "{\"keyslots\":{\"0\"", "{\"Config\":{},\"keyslots\":{\"0\"" },
    { HEADER_KEYSLOT_COUNT, "{\"keyslots\":{", "{\"keyslot\":{" },
    { HEADER_SEGMENT_COUNT, "\"segments\":{", "\"segmentz\":{" },
    { HEADER_DIGEST_COUNT, "\"digests\":{", "\"digestz\":{" },
    { HEADER_CONFIG_JSON_SIZE, "\"config\":{", "\"configz\":{" },
    { HEADER_SEGMENT_INTEGRITY, SEGMENT, "\"0\":{\"integrity\":{},\"type\":\"crypt\"," },
    { HEADER_SEGMENT_INTEGRITY, SEGMENT, "\"0\":{\"integrity\":null,\"type\":\"crypt\"," },
    { HEADER_SEGMENT_INTEGRITY, SEGMENT,
      "\"0\":{\"integrity\":{\"type\":\"none\","
      "\"journal_encryption\":\"none\",\"journal_integrity\":\"none\"},\"type\":\"crypt\"," },
    { HEADER_SEGMENT_INTEGRITY, SEGMENT,
      "\"0\":{\"integrity\":{\"type\":\"hmac(sha256)\","
      "\"journal_encryption\":\"cipher_null\",\"journal_integrity\":\"none\"},\"type\":\"crypt\"," },
    { HEADER_KEYSLOT_KEY_SIZE, SEGMENT,
      "\"0\":{\"integrity\":{\"type\":\"hmac(sha256)\","
      "\"journal_encryption\":\"none\",\"journal_integrity\":\"none\"},\"type\":\"crypt\"," },
    /* not JSON, or not strict */
    { HEADER_JSON, "\"sector_size\":4096", "\"sector_size\":4096,\"sector_size\":4096" },
    { HEADER_JSON, "\"iv_tweak\":\"0\"", "\"iv_tweak\":\"0\",\"iv_\\u0074weak\":\"8\"" },
    { HEADER_JSON, "\"tokens\":{}", "\"tokens\":{},\"tokens\":{}" },
    { HEADER_JSON, "\"sector_size\":4096", "\"sector_size\":4096.0" },
    { HEADER_JSON, "\"sector_size\":4096", "\"sector_size\":4.096e3" },
    { HEADER_JSON, "\"sector_size\":4096", "\"sector_size\":18446744073709551616" },
    { HEADER_JSON, "\"sector_size\":4096", "\"sector_size\":04096" },
    { HEADER_JSON, "\"tokens\":{}", "\"tokens\":[[[[[[[[[[]]]]]]]]]]" },
    { HEADER_JSON, "\"tokens\":{}", "\"tokens\":{/**/}" },
    { HEADER_JSON, "\"tokens\":{}", "\"tokens\":{},,\"x\":1" },
    { HEADER_JSON, "{\"keyslots\":{\"0\"", " {\"keyslots\":{\"0\"" },
    { HEADER_JSON, "{\"keyslots\":{\"0\"", "[\"keyslots\"]{\"keyslots\":{\"0\"" },
    { HEADER_JSON, "\"type\":\"crypt\"", "\"type\":\"cr\xffypt\"" },
    { HEADER_JSON, "\"tokens\":{}", "\"tokens\":NaN" },
    { HEADER_JSON, "\"keyslots_size\":\"16744448\"}}", "\"keyslots_size\":\"16744448\"}" },
    { HEADER_JSON, "\"keyslots_size\":\"16744448\"}}", "\"keyslots_size\":\"16744448\"}}}" },
};

/* The accepted JSON with one place replaced; the caller frees. */
static char *edited(const struct edit *edit)
{
    const char *at = strstr(right_header_json, edit->find);
    char *json = NULL;

    if (!at)
        fail_msg("nothing is called %s", edit->find);
    if (asprintf(&json, "%.*s%s%s", (int)(at - right_header_json), right_header_json, edit->replace,
                 at + strlen(edit->find)) < 0)
        abort();
    return json;
}

static void every_edit_has_its_code(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES];

    assert_true(ARRAY_SIZE(edits) >= 100);
    for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
        char *json = edited(&edits[i]);

        for (unsigned copies = FIRST_COPY; copies <= BOTH_COPIES; copies++) {
            header_right(bytes);
            header_put_json(bytes, json, copies);
            header_seal(bytes);
            assert_code(bytes, sizeof(bytes), edits[i].code, json);
        }
        free(json);
    }
}

struct patch {
    enum header_code code;
    size_t at;
    uint8_t byte;
};

static const struct patch patches[] = {
    { HEADER_MAGIC, 0, 'l' },          { HEADER_MAGIC, 3, 0 },
    { HEADER_MAGIC, 5, 0xbf },         { HEADER_VERSION, 7, 1 },
    { HEADER_VERSION, 7, 3 },          { HEADER_VERSION, 6, 2 },
    { HEADER_SIZE, 14, 0x80 },         { HEADER_SIZE, 15, 1 },
    { HEADER_SIZE, 8, 0xff },          { HEADER_SEQUENCE, 23, 0 },
    { HEADER_SEQUENCE, 16, 0x80 },     { HEADER_LABEL, 24, 0x1b },
    { HEADER_LABEL, 40, 'x' },         { HEADER_LABEL, 25, 0xe4 },
    { HEADER_LABEL, 71, 'x' },         { HEADER_CHECKSUM_HASH, 77, '1' },
    { HEADER_CHECKSUM_HASH, 78, 'x' }, { HEADER_CHECKSUM_HASH, 72, 0 },
    { HEADER_UUID, 168, 'X' },         { HEADER_UUID, 176, '0' },
    { HEADER_UUID, 203, 0 },           { HEADER_UUID, 204, 'a' },
    { HEADER_UUID, 168, 'A' },         { HEADER_SUBSYSTEM, 208, 's' },
    { HEADER_SUBSYSTEM, 255, 1 },      { HEADER_PLACE, 263, 1 },
    { HEADER_PLACE, 256, 1 },          { HEADER_PADDING, 264, 1 },
    { HEADER_PADDING, 447, 1 },        { HEADER_PADDING, 512, 1 },
    { HEADER_PADDING, 4095, 1 },       { HEADER_JSON, 16383, 1 },
    { HEADER_JSON, 4096 + 2000, '}' }, { HEADER_JSON, 4096, 0 },
};

static void every_byte_has_its_code(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(patches); i++) {
        for (unsigned copies = FIRST_COPY; copies <= BOTH_COPIES; copies++) {
            header_right(bytes);
            for (size_t copy = 0; copy < 2; copy++)
                if (copies & 1u << copy)
                    bytes[copy * HEADER_COPY_BYTES + patches[i].at] = patches[i].byte;
            header_seal(bytes);
            assert_code(bytes, sizeof(bytes), patches[i].code, "a byte");
        }
    }
}

/* V10: two copies that differ, each good by itself. */
static void copies_have_to_agree(void **state UNUSED)
{
    static const struct edit other = { HEADER_COPY_JSON, "1000,\"salt\":\"60", "1001,\"salt\":\"60" };
    static uint8_t bytes[HEADER_BYTES];

    for (size_t copy = 0; copy < 2; copy++) {
        uint8_t *at = bytes + copy * HEADER_COPY_BYTES;
        char *json = edited(&other);

        header_right(bytes);
        at[23] = 4;
        header_seal(bytes);
        assert_code(bytes, sizeof(bytes), HEADER_COPY_SEQUENCE, "seqid");
        header_right(bytes);
        at[24] = 'A';
        header_seal(bytes);
        assert_code(bytes, sizeof(bytes), HEADER_COPY_NAMES, "label");
        header_right(bytes);
        at[168] = '9';
        header_seal(bytes);
        assert_code(bytes, sizeof(bytes), HEADER_COPY_NAMES, "uuid");
        header_right(bytes);
        header_put_json(bytes, json, 1u << copy);
        header_seal(bytes);
        assert_code(bytes, sizeof(bytes), HEADER_COPY_JSON, "json");
        header_right(bytes);
        at[448] ^= 1; /* libcryptsetup would take the other copy */
        assert_code(bytes, sizeof(bytes), HEADER_CHECKSUM, "checksum");
        header_right(bytes);
        at[104] ^= 1; /* its salt: covered by the checksum like the rest */
        assert_code(bytes, sizeof(bytes), HEADER_CHECKSUM, "salt");
        header_right(bytes);
        memset(at, 0, HEADER_COPY_BYTES);
        assert_code(bytes, sizeof(bytes), HEADER_MAGIC, "one copy wiped");
        free(json);
    }
    header_right(bytes);
    assert_code(bytes, HEADER_BYTES - 1, HEADER_SHORT, "short");
    assert_code(bytes, 0, HEADER_SHORT, "empty");
    memset(bytes, 0, sizeof(bytes));
    assert_code(bytes, sizeof(bytes), HEADER_MAGIC, "zeros");
}

/* V11, V12: an old header and another container are good headers; it is the key that they are not of. */
static void another_key_is_noticed(void **state UNUSED)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE, other = SECRET_NONE;
    struct header header = { .digest_iterations = 1000, .digest_salt_size = 32 };

    assert_int_equal(secret_random(64, &key), 0);
    assert_int_equal(secret_random(64, &other), 0);
    assert_int_equal(header_digest_key(&header, &key, header.digest), 0);
    assert_int_equal(header_check_key(&header, &key), 0);
    assert_int_equal(header_check_key(&header, &other), -EKEYREJECTED);
    header.digest[HEADER_DIGEST_BYTES - 1] ^= 1;
    assert_int_equal(header_check_key(&header, &key), -EKEYREJECTED);
}

static const struct edit allowed[] = {
    { HEADER_GOOD, "\"tokens\":{}", "\"tokens\":{ }" },
    { HEADER_GOOD, "\"sector_size\":4096", "\"sector_size\":512" },
    { HEADER_GOOD, "\"size\":\"dynamic\"", "\"size\":\"8192\"" },
    { HEADER_GOOD, DATA, "\"segments\":[\"0\"],\"hash\":\"sha256\",\"iterations\":10000000" },
    { HEADER_GOOD, KDF, ARGON },
    { HEADER_GOOD, KDF, "\"kdf\":{\"type\":\"argon2id\",\"time\":10,\"memory\":1048576,\"cpus\":4" },
    { HEADER_GOOD, KEYSLOT, KEYSLOT "\"priority\":2," },
    { HEADER_GOOD, AREA, "\"offset\":\"16519168\",\"size\":\"258048\"" },
};

/* What libcryptsetup makes of the same bytes: it has to accept, and to see what we see. */
struct disk {
    char path[32];
    int fd;
};

static void open_disk(struct disk *disk)
{
    memcpy(disk->path, "/tmp/test-header.XXXXXX", sizeof("/tmp/test-header.XXXXXX"));
    disk->fd = mkstemp(disk->path);
    assert_true(disk->fd >= 0);
    assert_int_equal(ftruncate(disk->fd, 32 << 20), 0);
    assert_int_equal(crypt_metadata_locking(NULL, 0), 0);
}

static void close_disk(struct disk *disk)
{
    (void)unlink(disk->path);
    fd_close(&disk->fd);
}

static void assert_library_agrees(const struct disk *disk, const uint8_t *bytes, const struct header *header)
{
    struct crypt_device *device = NULL;
    struct crypt_params_integrity integrity = { .tag_size = 0 };
    char cipher[64];

    assert_int_equal(pwrite(disk->fd, bytes, HEADER_BYTES, 0), HEADER_BYTES);
    assert_int_equal(crypt_init(&device, disk->path), 0);
    if (crypt_load(device, CRYPT_LUKS2, NULL) != 0)
        fail_msg("libcryptsetup refuses what we accept: %s", (const char *)bytes + HEADER_BINARY_BYTES);
    (void)snprintf(cipher, sizeof(cipher), "%s-%s", crypt_get_cipher(device), crypt_get_cipher_mode(device));
    assert_string_equal(cipher, header->cipher);
    assert_string_equal(crypt_get_uuid(device), header->uuid);
    assert_int_equal(crypt_get_data_offset(device) * 512, header->offset);
    assert_int_equal(crypt_get_iv_offset(device), 0);
    assert_int_equal(crypt_get_sector_size(device), header->sector_size);
    if (header->has_keyslot) /* that is where it looks for the size */
        assert_int_equal(crypt_get_volume_key_size(device), header->key_size);
    (void)crypt_get_integrity_info(device, &integrity);
    assert_string_equal(integrity.integrity ? integrity.integrity : "none", header->integrity);
    assert_int_equal(crypt_reencrypt_status(device, NULL), CRYPT_REENCRYPT_NONE);
    assert_int_equal(crypt_keyslot_status(device, 0),
                     header->has_keyslot ? CRYPT_SLOT_ACTIVE_LAST : CRYPT_SLOT_INACTIVE);
    crypt_free(device);
}

static void the_list_admits_what_it_says(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES];
    struct header header;
    struct disk disk;

    open_disk(&disk);
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        char *json = edited(&allowed[i]);

        header_right(bytes);
        header_put_json(bytes, json, BOTH_COPIES);
        header_seal(bytes);
        assert_code(bytes, sizeof(bytes), HEADER_GOOD, json);
        assert_int_equal(header_parse(bytes, sizeof(bytes), NULL, &header, NULL, NULL), 0);
        if (header.digest_iterations < 100000)
            assert_library_agrees(&disk, bytes, &header);
        free(json);
    }
    close_disk(&disk);
    header_right(bytes);
    assert_int_equal(header_parse(bytes, sizeof(bytes), NULL, &header, NULL, NULL), 0);
    assert_string_equal(header.label, "a label");
    assert_int_equal(header.sequence, 3);
    assert_int_equal(header.length, 0);
    assert_true(header.has_keyslot);
    assert_int_equal(header.digest_salt_size, 32);
    assert_int_equal(header.digest[0], 0x79);
}

static void made_headers_are_accepted(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES], untouched[HEADER_BYTES];
    struct header made = { .uuid = "8f8f281e-0e8f-45a1-aa22-d93b716e9bee", .label = "l", .sequence = 1,
                           .cipher = "aes-xts-plain64", .integrity = "hmac(sha256)", .sector_size = 4096,
                           .offset = HEADER_DATA_OFFSET_BYTES, .digest_iterations = 1000, .digest_salt_size = 32 };
    struct header found;
    struct disk disk;

    open_disk(&disk);
    assert_int_equal(header_make(&made, bytes), 0);
    assert_int_equal(header_parse(bytes, sizeof(bytes), NULL, &found, NULL, NULL), 0);
    assert_int_equal(found.key_size, 96);
    assert_library_agrees(&disk, bytes, &found);
    made.length = 8192;
    memcpy(made.integrity, "none", 5);
    assert_int_equal(header_make(&made, bytes), 0);
    assert_int_equal(header_parse(bytes, sizeof(bytes), NULL, &found, NULL, NULL), 0);
    assert_int_equal(found.length, 8192);
    assert_library_agrees(&disk, bytes, &found);
    close_disk(&disk);
    made.sector_size = 1024;
    assert_int_equal(header_make(&made, untouched), -EINVAL);
    assert_int_equal(untouched[0], 0);
}

/* Values that stand in headers and that somebody might want there; a mutation puts one in the place of another. */
static const char *const values[] = {
    "0", "1", "-1", "64", "96", "512", "4096", "1000", "10000000", "18446744073709551615", "\"0\"", "\"1\"", "\"512\"",
    "\"32768\"", "\"258048\"", "\"16777216\"", "\"12288\"", "\"dynamic\"", "\"sha256\"", "\"sha1\"", "\"raw\"",
    "\"luks1\"", "\"luks2\"", "\"crypt\"", "\"linear\"", "\"pbkdf2\"", "\"argon2id\"", "\"aes-xts-plain64\"",
    "\"cipher_null-ecb\"", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", "[]", "{}", "null", "true", "[\"0\"]",
    "{\"0\":{}}", "\"\"", "1e3", "\"reencrypt\"", "\"hmac(sha256)\"",
};

/* Where values start in the accepted JSON: behind each colon. */
static size_t value_length(const char *at)
{
    const char *end = at;
    int depth = 0;

    do {
        if (*end == '{' || *end == '[')
            depth++;
        if (*end == '}' || *end == ']')
            depth--;
        end++;
    } while (depth > 0 || (*end != ',' && *end != '}' && *end != ']'));
    return (size_t)(end - at);
}

static void mutate_json(uint8_t *bytes, unsigned copies)
{
    size_t colons = 0, wanted;
    const char *at = right_header_json;
    char *json = NULL;

    for (const char *c = right_header_json; *c; c++)
        colons += *c == ':';
    wanted = 1 + random_u64() % colons;
    while (wanted)
        wanted -= *at++ == ':';
    if (asprintf(&json, "%.*s%s%s", (int)(at - right_header_json), right_header_json,
                 values[random_u64() % ARRAY_SIZE(values)], at + value_length(at)) < 0)
        abort();
    header_put_json(bytes, json, copies);
    free(json);
}

static void mutate(uint8_t *bytes)
{
    unsigned copies = 1 + (unsigned)(random_u64() % 3);

    header_right(bytes);
    if (random_u64() % 4)
        mutate_json(bytes, copies);
    else
        for (size_t i = 0, at = random_u64() % HEADER_COPY_BYTES, byte = random_u64(); i < 2; i++)
            if (copies & 1u << i)
                bytes[i * HEADER_COPY_BYTES + at] = (uint8_t)byte;
    header_seal(bytes);
}

/* No mutation that is accepted would be opened by another table than the list admits. */
static void mutations_are_refused_or_harmless(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES];
    size_t accepted = 0;
    struct header header;
    struct disk disk;

    open_disk(&disk);
    for (size_t i = 0; i < 10000; i++) {
        mutate(bytes);
        if (header_parse(bytes, sizeof(bytes), NULL, &header, NULL, NULL) < 0)
            continue;
        accepted++;
        assert_string_equal(header.cipher, "aes-xts-plain64");
        assert_string_equal(header.integrity, "none");
        assert_int_equal(header.offset, 16777216);
        assert_true(header.sector_size == 512 || header.sector_size == 4096);
        assert_int_equal(header.key_size, 64);
        assert_library_agrees(&disk, bytes, &header);
    }
    close_disk(&disk);
    print_message("# %zu of 10000 mutations left a header that is on the list\n", accepted);
    assert_true(accepted > 10 && accepted < 2000);
}

/* All of it is read, in one go; nothing is read of a disk that is too small. */
static void reading_is_bounded(void **state UNUSED)
{
    static uint8_t bytes[HEADER_BYTES], right[HEADER_BYTES];
    struct disk disk;

    open_disk(&disk);
    header_right(right);
    assert_int_equal(pwrite(disk.fd, right, HEADER_BYTES, 8192), HEADER_BYTES);
    assert_int_equal(header_read(disk.fd, 8192, bytes), 0);
    assert_memory_equal(bytes, right, HEADER_BYTES);
    assert_int_equal(ftruncate(disk.fd, HEADER_BYTES - 1), 0);
    memset(bytes, 0x77, sizeof(bytes));
    assert_int_equal(header_read(disk.fd, 0, bytes), -ENODATA);
    assert_int_equal(bytes[0], 0x77);
    assert_int_equal(header_read(-1, 0, bytes), -EBADF);
    close_disk(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edit_has_its_code),
        cmocka_unit_test(every_byte_has_its_code),
        cmocka_unit_test(copies_have_to_agree),
        cmocka_unit_test(another_key_is_noticed),
        cmocka_unit_test(the_list_admits_what_it_says),
        cmocka_unit_test(made_headers_are_accepted),
        cmocka_unit_test(mutations_are_refused_or_harmless),
        cmocka_unit_test(reading_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
