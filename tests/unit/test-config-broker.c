/* init/config-broker-parse.c, and the volumes whose key comes without a record: which configurations there may be. */
#include "unit.h"

#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "init/config.h"

#define PIN "1111111111111111111111111111111111111111111111111111111111111111"
#define STOCK "\"brokers\":[{\"url\":\"https://10.0.2.2:1\",\"spki_sha256\":[\"" PIN "\"]}]"
#define VOLUME "\"id\":\"data\",\"device\":\"d\",\"filesystem\":\"ext4\",\"mount\":\"/data\""
#define NAMED "\"resource\":\"a/b/c\""
#define INIT_DATA "\"init_data\":{\"device\":\"postern-init\"}"

static char root_p384[256], root_ed25519[256]; /* the second is a key of another kind */

static int parse(const char *members, struct config *ret_config, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    buffer_printf(&text,
                  "{\"version\":1,\"root\":{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha256\",\"data_blocks\":5,"
                  "\"hash_start_block\":5,\"salt\":\"\",\"root_hash\":\"" PIN "\"},"
                  "\"workload\":{\"process\":{\"args\":[\"/x\"]}},%s}", members);
    return config_parse(text.data, text.size, ret_config, why);
}

static struct config accepted(const char *members)
{
    struct config config;
    struct reason why = { "" };

    if (parse(members, &config, &why) < 0)
        fail_msg("%s: %s", members, why.text);
    return config;
}

static void keys_come_without_records(void **state UNUSED)
{
    struct config c = accepted(STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432}]");

    assert_false(c.brokers[0].record_key.given);
    assert_true(config_volume_is_released(&c.volumes[0]));
    assert_false(config_volume_has_record(&c.volumes[0]));
    assert_int_equal(c.volumes[0].payload, PAYLOAD_KEY);
    assert_int_equal(c.volumes[0].length, 33554432);
    assert_int_equal(c.volumes[0].offset, 0);
    assert_int_equal(c.volumes[0].sector_size, 4096);
    assert_string_equal(c.volumes[0].integrity, "hmac(sha256)");
    config_free(&c);
    c = accepted(STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"passphrase\"," NAMED
                       ",\"length\":16777216,\"integrity\":\"none\",\"sector_size\":512,\"offset\":1048576,"
                       "\"read_only\":true}]");
    assert_int_equal(c.volumes[0].payload, PAYLOAD_PASSPHRASE);
    assert_int_equal(c.volumes[0].offset, 17u << 20);
    assert_int_equal(c.volumes[0].sector_size, 512);
    assert_true(c.volumes[0].read_only);
    config_free(&c);
    c = accepted(STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"confdata\",\"payload_name\":\"root\","
                       "\"resource\":\"kbs+provisioner:///default/x/root\",\"length\":16777216,\"integrity\":\"none\"}]");
    assert_int_equal(c.volumes[0].payload, PAYLOAD_CONFDATA);
    assert_string_equal(c.volumes[0].payload_name, "root");
    assert_string_equal(c.volumes[0].resource.plugin, "provisioner");
    config_free(&c);
}

static void names_stand_beside_an_address(void **state UNUSED)
{
    struct config c = accepted("\"brokers\":[{\"url\":\"https://keys.example.org:8443\",\"address\":\"10.0.2.2\","
                               "\"spki_sha256\":[\"" PIN "\"]}]");

    assert_string_equal(c.brokers[0].peer.endpoint.authority, "keys.example.org:8443");
    assert_string_equal(c.brokers[0].peer.endpoint.name, "keys.example.org");
    assert_int_equal(c.brokers[0].peer.endpoint.address.ss_family, AF_INET);
    config_free(&c);
}

static void roots_sign_identities(void **state UNUSED)
{
    struct config c;
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "\"broker_root\":{\"key\":\"%s\",\"release\":7}," INIT_DATA ",\"volumes\":[{" VOLUME
                   ",\"resource_from_init_data\":true}]", root_p384);
    c = accepted(text);
    assert_true(c.broker_root.given);
    assert_int_equal(c.release, 7);
    assert_int_equal(c.broker_count, 0);
    assert_string_equal(c.init_data_device, "postern-init");
    assert_true(c.volumes[0].resource_from_init_data);
    config_free(&c);
}

static void each_wrong_part_is_named(void **state UNUSED)
{
    static const struct {
        const char *members, *words; /* %s: the root key */
    } wrongs[] = {
        { "\"brokers\":[{\"url\":\"https://keys:1\",\"spki_sha256\":[\"" PIN "\"]}]",
          "brokers[0].url: \"https://keys:1\" is not of the form https://ADDRESS:PORT with a literal address; with a name" },
        { "\"brokers\":[{\"url\":\"https://keys:1\",\"address\":\"keys\",\"spki_sha256\":[\"" PIN "\"]}]",
          "is not of the form https://NAME:PORT, or \"address\" is no literal address" },
        { STOCK ",\"volumes\":[{" VOLUME "," NAMED "}]", "brokers: element 0: record_key is missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\"," NAMED "}]", "record_key is missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED "}]", "volumes[0].length: missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432,\"payload\":\"passphrase\"}]",
          "volumes[0].payload: unknown member" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432,\"initialise\":true}]",
          "volumes[0].initialise: unknown member" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432,\"offset\":100}]",
          "volumes[0].offset: 100 is no multiple" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432,\"sector_size\":512}]",
          "volumes[0].sector_size: expected 4096, or 512 without tags" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"length\":33554432,\"integrity\":\"none\","
                "\"sector_size\":1024}]", "volumes[0].sector_size" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\",\"length\":33554432}]", "volumes[0].resource: missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"record\",\"payload\":\"passphrase\"," NAMED "}]",
          "volumes[0].payload: unknown member" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"raw\"," NAMED "}]",
          "volumes[0].payload: expected record, key, passphrase or confdata, found \"raw\"" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"guess\"," NAMED "}]", "found \"guess\"" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"passphrase\"," NAMED "}]",
          "volumes[0].length: missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"passphrase\"," NAMED
                ",\"length\":16777216,\"offset\":1}]", "volumes[0].offset: 1 is no multiple of 4096" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"confdata\"," NAMED
                ",\"length\":16777216}]", "volumes[0].payload_name: missing" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"header\",\"payload\":\"passphrase\",\"payload_name\":\"x\"," NAMED
                ",\"length\":16777216}]", "volumes[0].payload_name: unknown member" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\",\"resource\":\"http://x/a/b/c\",\"length\":33554432}]",
          "volumes[0].resource: \"http://x/a/b/c\" is not" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\"," NAMED ",\"resource_from_init_data\":true,"
                "\"length\":33554432}]", "volumes[0].resource: unknown member" },
        { STOCK ",\"volumes\":[{" VOLUME ",\"mode\":\"key\",\"resource_from_init_data\":true,\"length\":33554432}]",
          "init_data: missing: a volume's resource" },
        { "\"volumes\":[{" VOLUME "," NAMED "}]", "brokers: missing: volumes need a broker" },
        { "\"broker_root\":{\"key\":\"%s\",\"release\":7}", "init_data: missing: identities" },
        { "\"broker_root\":{\"key\":\"%s\"}," INIT_DATA, "broker_root.release: missing" },
        { "\"broker_root\":{\"key\":\"%s\",\"release\":-1}," INIT_DATA, "broker_root.release" },
        { "\"broker_root\":{\"key\":\"%s\",\"release\":4294967296}," INIT_DATA, "broker_root.release: expected" },
        { "\"broker_root\":{\"key\":\"%s\",\"release\":1,\"pins\":[]}," INIT_DATA, "broker_root.pins: unknown member" },
        { "\"broker_root\":{\"key\":\"AAAA\",\"release\":7}," INIT_DATA, "broker_root.key: not a P-384 public key" },
        { "\"broker_root\":{\"release\":7}," INIT_DATA, "broker_root.key: missing" },
        { "\"broker_root\":[]," INIT_DATA, "broker_root" },
        { "\"init_data\":{}", "init_data.device: missing" },
        { "\"init_data\":{\"device\":\"x\",\"url\":\"y\"}", "init_data.url: unknown member" },
        { "\"init_data\":{\"device\":\"a_b\"}", "init_data.device" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        struct config config = { .broker_count = 77 };
        struct reason why = { "" };
        char text[1024];
        int r;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(text, sizeof(text), wrongs[i].members, root_p384);
#pragma GCC diagnostic pop
        r = parse(text, &config, &why);
        if (r != -EBADMSG)
            fail_msg("%s: gave %d", text, r);
        assert_reason(&why, wrongs[i].words);
        assert_int_equal(config.broker_count, 77);
    }
}

static void roots_have_one_kind(void **state UNUSED)
{
    struct config config;
    struct reason why = { "" };
    char text[1024];

    (void)snprintf(text, sizeof(text), "\"broker_root\":{\"key\":\"%s\",\"release\":7}," INIT_DATA, root_ed25519);
    assert_int_equal(parse(text, &config, &why), -EBADMSG);
    assert_reason(&why, "broker_root.key: not a P-384 public key");
}

static void write_key(EVP_PKEY *key, char to[256])
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, to);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static int make_keys(void **state UNUSED)
{
    write_key(EVP_EC_gen("P-384"), root_p384);
    write_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), root_ed25519);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_without_records),
        cmocka_unit_test(names_stand_beside_an_address),
        cmocka_unit_test(roots_sign_identities),
        cmocka_unit_test(each_wrong_part_is_named), cmocka_unit_test(roots_have_one_kind),
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
