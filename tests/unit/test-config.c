/* init/config: the guest's configuration, member by member. */
#include "unit.h"

#include <arpa/inet.h>
#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "init/config.h"

static char record_key[256];

#define DIGEST "1111111111111111111111111111111111111111111111111111111111111111"

/* The parts of a configuration that works; tests replace one. NULL leaves a part out. */
struct parts {
    const char *version, *brokers, *network, *root, *volumes, *workload, *more;
};

static struct parts right(void)
{
    static char brokers[512];

    (void)snprintf(brokers, sizeof(brokers),
                   "[{\"url\":\"https://10.0.2.2:8443\",\"spki_sha256\":[\"" DIGEST "\"],\"record_key\":\"%s\"}]", record_key);
    return (struct parts){
        .version = "1",
        .brokers = brokers,
        .network = "{\"interface\":\"eth0\",\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.2.2\"}",
        .root = "{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha256\",\"data_blocks\":500,"
                "\"hash_start_block\":500,\"salt\":\"abcd\",\"root_hash\":\"" DIGEST "\"}",
        .volumes = "[{\"id\":\"data\",\"device\":\"disk0\",\"resource\":\"default/volume/data\",\"integrity\":\"none\","
                   "\"filesystem\":\"ext4\",\"mount\":\"/data\",\"read_only\":true}]",
        .workload = "{\"process\":{\"args\":[\"/bin/x\",\"-f\"],\"env\":[\"A=1\"],\"cwd\":\"/data\","
                    "\"user\":{\"uid\":1000,\"gid\":1001}}}",
        .more = "\"release_deadline_s\":30,\"expect\":{\"vmpl\":1}",
    };
}

static void add(struct buffer *to, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_printf(to, "%s\"%s\":%s", to->size > 1 ? "," : "", name, value);
}

static int parse(const struct parts *parts, struct config *ret_config, struct reason *why)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    buffer_add_text(&text, "{");
    add(&text, "version", parts->version);
    add(&text, "brokers", parts->brokers);
    add(&text, "network", parts->network);
    add(&text, "root", parts->root);
    add(&text, "volumes", parts->volumes);
    add(&text, "workload", parts->workload);
    if (parts->more)
        buffer_printf(&text, ",%s", parts->more);
    buffer_add_text(&text, "}");
    assert_int_equal(buffer_error(&text), 0);
    return config_parse(text.data, text.size, ret_config, why);
}

static void assert_refused(const struct parts *parts, const char *words)
{
    struct config config = { .broker_count = 77 };
    struct reason why = { "" };
    int r = parse(parts, &config, &why);

    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("gave %d \"%s\", expected \"%s\"", r, why.text, words);
    assert_int_equal(config.broker_count, 77);
}

static void volumes_have_modes(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;

    parts.brokers = NULL; /* none of these needs one */
    parts.volumes = "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"block_size\":4096,\"hash\":\"sha256\","
                    "\"data_blocks\":7,\"hash_start_block\":7,\"salt\":\"\",\"root_hash\":\"" DIGEST "\","
                    "\"mount\":\"/a\",\"filesystem\":\"erofs\"},"
                    "{\"id\":\"b\",\"device\":\"e\",\"mode\":\"scratch\",\"length\":33554432,\"integrity\":\"none\","
                    "\"mount\":\"/b\",\"filesystem\":\"ext4\"},"
                    "{\"id\":\"c\",\"device\":\"f\",\"mode\":\"sealed\",\"length\":16777216,\"initialise\":true,"
                    "\"mount\":\"/c\",\"filesystem\":\"ext4\"}]";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.volumes[0].mode, VOLUME_VERITY);
    assert_true(c.volumes[0].read_only);
    assert_int_equal(c.volumes[0].tree.data_blocks, 7);
    assert_int_equal(c.volumes[1].mode, VOLUME_SCRATCH);
    assert_int_equal(c.volumes[1].length, 33554432);
    assert_string_equal(c.volumes[1].integrity, "none");
    assert_int_equal(c.volumes[2].mode, VOLUME_SEALED);
    assert_string_equal(c.volumes[2].integrity, "hmac(sha256)");
    assert_true(c.volumes[2].initialise);
    for (size_t i = 0; i < 3; i++)
        assert_false(config_volume_is_released(&c.volumes[i]));
    config_free(&c);
    parts.volumes = "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"header\",\"resource\":\"a/b/c\",\"mount\":\"/a\","
                    "\"filesystem\":\"ext4\"}]";
    assert_refused(&parts, "brokers: missing: volumes need a broker");
    parts.brokers = right().brokers;
    assert_int_equal(parse(&parts, &c, &why), 0);
    assert_true(config_volume_is_released(&c.volumes[0]));
    assert_string_equal(c.volumes[0].integrity, "hmac(sha256)");
    config_free(&c);
}

static void trees_may_be_signed(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    char text[1024];
    struct config c;

    (void)snprintf(text, sizeof(text),
                   "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"offset\":8192,\"signed\":{\"signer\":\"%s\","
                   "\"block\":9,\"least_version\":3},\"mount\":\"/a\",\"filesystem\":\"erofs\"}]", record_key);
    parts.volumes = text;
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_true(c.volumes[0].signer.given);
    assert_int_equal(c.volumes[0].signed_block, 9);
    assert_int_equal(c.volumes[0].least_version, 3);
    assert_int_equal(c.volumes[0].tree.offset, 8192);
    config_free(&c);
    parts.volumes = "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"signed\":{\"signer\":\"AAAA\"}}]";
    assert_refused(&parts, "volumes[0].signed.signer: not a P-384 public key");
    parts.volumes = "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"length\":33554432,\"signed\":{},"
                    "\"mount\":\"/a\",\"filesystem\":\"ext4\"}]";
    assert_refused(&parts, "volumes[0].signed");
}

static void everything_is_read(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;
    struct in_addr address;

    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.broker_count, 1);
    assert_string_equal(c.brokers[0].peer.endpoint.authority, "10.0.2.2:8443");
    assert_int_equal(c.brokers[0].peer.pin_count, 1);
    assert_int_equal(c.brokers[0].peer.pins[0][31], 0x11);
    assert_true(c.brokers[0].record_key.given);
    assert_int_equal(c.release_deadline_ms, 30000);
    assert_true(c.network.enabled && c.network.has_gateway);
    assert_string_equal(c.network.interface, "eth0");
    assert_int_equal(c.network.address.prefix_bits, 24);
    memcpy(&address, c.network.address.bytes, sizeof(address));
    assert_string_equal(inet_ntoa(address), "10.0.2.15");
    assert_int_equal(c.expect.vmpl, 1);
    assert_null(c.expect.measurements);
    assert_string_equal(c.root.device, "root");
    assert_int_equal(c.root.tree.data_blocks, 500);
    assert_int_equal(c.root.tree.salt_size, 2);
    assert_int_equal(c.volume_count, 1);
    assert_string_equal(c.volumes[0].device, "disk0");
    assert_string_equal(c.volumes[0].resource.path, "default/volume/data");
    assert_string_equal(c.volumes[0].mount, "/data");
    assert_true(c.volumes[0].read_only);
    assert_string_equal(c.workload.args[1], "-f");
    assert_null(c.workload.args[2]);
    assert_string_equal(c.workload.env[0], "A=1");
    assert_string_equal(c.workload.cwd, "/data");
    assert_int_equal(c.workload.uid, 1000);
    assert_int_equal(c.workload.gid, 1001);
    config_free(&c);
}

static void optional_parts_have_their_defaults(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;

    parts.brokers = parts.network = parts.volumes = parts.more = NULL;
    parts.workload = "{\"process\":{\"args\":[\"/bin/x\"]}}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.broker_count + c.volume_count, 0);
    assert_false(c.network.enabled);
    assert_int_equal(c.release_deadline_ms, 120000);
    assert_int_equal(c.deadline_ms, 120000);
    assert_int_equal(c.expect.vmpl, 0);
    assert_null(c.expect.measurements);
    assert_false(c.expect.allow_debug);
    assert_string_equal(c.workload.cwd, "/");
    assert_int_equal(c.workload.uid, 0);
    config_free(&c);
}

static void users_with_evidence_are_read(void **state UNUSED)
{
    static const struct {
        const char *text, *words;
    } wrongs[] = {
        { "[]", "attestation: expected an object" },
        { "{}", "attestation.uids: missing" },
        { "{\"uids\":[]}", "attestation.uids: empty: nobody could ever ask" },
        { "{\"uids\":[-1]}", "attestation.uids[0]: expected a number" },
        { "{\"uids\":[4294967295]}", "attestation.uids[0]: expected a number" },
        { "{\"uids\":[\"root\"]}", "attestation.uids[0]: expected a number" },
        { "{\"uids\":[1,2,3,4,5,6,7,8,9]}", "attestation.uids: " },
        { "{\"uids\":[1],\"gids\":[1]}", "attestation.gids: unknown member" },
        { "{\"uids\":[1],\"resources\":\"a/b/c\"}", "attestation.resources: expected an array" },
        { "{\"uids\":[1],\"resources\":[\"a/b\"]}",
          "attestation.resources: element 0: \"a/b\" is not of the form REPOSITORY/TYPE/TAG" },
        { "{\"uids\":[1],\"resources\":[\"a/b/c\",\"a/b/../c\"]}", "attestation.resources: element 1: " },
        { "{\"uids\":[1],\"resources\":[\"a/b/1\",\"a/b/2\",\"a/b/3\",\"a/b/4\",\"a/b/5\"]}", "attestation.resources: " },
    };
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;
    char more[96];

    assert_int_equal(parse(&parts, &c, &why), 0);
    assert_int_equal(c.attestation.uid_count, 0);
    config_free(&c);
    parts.more = "\"attestation\":{\"uids\":[0,1000,4294967294]}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.attestation.uid_count, 3);
    assert_int_equal(c.attestation.uids[0], 0);
    assert_int_equal(c.attestation.uids[1], 1000);
    assert_int_equal(c.attestation.uids[2], UINT32_MAX - 1);
    assert_int_equal(c.attestation.resource_count, 0);
    config_free(&c);
    parts.more = "\"attestation\":{\"uids\":[0],\"resources\":[\"default/app/token\",\"kbs+vault:///a/b/c\"]}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.attestation.resource_count, 2);
    assert_string_equal(c.attestation.resources[0].path, "default/app/token");
    assert_string_equal(c.attestation.resources[1].plugin, "vault");
    config_free(&c);
    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        (void)snprintf(more, sizeof(more), "\"attestation\":%s", wrongs[i].text);
        parts.more = more;
        assert_refused(&parts, wrongs[i].words);
    }
}

/* RFC 8032's first key, in DER and base64. */
#define ED25519_KEY "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void signers_of_manifests_are_read(void **state UNUSED)
{
    static const struct {
        const char *text, *words;
    } wrongs[] = {
        { "{}", "manifest.device: missing" },
        { "{\"device\":\"m\"}", "manifest.signers: missing" },
        { "{\"device\":\"m\",\"signers\":[]}", "manifest.signers: empty: a manifest is trusted by its signers" },
        { "{\"device\":\"m\",\"signers\":[\"AAAA\"]}", "element 0: expected a public key on P-384 or Ed25519" },
        { "{\"device\":\"m\",\"signers\":[\"\"]}", "element 0: expected a public key" },
        { "{\"device\":\"m\",\"signers\":[\"" ED25519_KEY "\",\"AAAA\"],\"threshold\":2}",
          "manifest.signers: element 1: expected a public key" },
        { "{\"device\":\"m m\",\"signers\":[\"" ED25519_KEY "\"]}", "manifest.device: \"m m\"" },
        { "{\"device\":\"m\",\"signers\":[\"" ED25519_KEY "\"],\"threshold\":2}", "threshold: expected a number" },
        { "{\"device\":\"m\",\"signers\":[\"" ED25519_KEY "\",\"" ED25519_KEY "\"],\"threshold\":2}",
          "threshold: expected a number from 1 to 1" },
        { "{\"device\":\"m\",\"signers\":[\"" ED25519_KEY "\"],\"threshold\":0}", "threshold: expected a number" },
        { "{\"device\":\"m\",\"signers\":[\"" ED25519_KEY "\"],\"digest\":\"\"}", "manifest.digest: unknown member" },
    };
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;
    char more[512];

    assert_int_equal(parse(&parts, &c, &why), 0);
    assert_false(c.manifest.wanted);
    config_free(&c);
    (void)snprintf(more, sizeof(more), "\"manifest\":{\"device\":\"m\",\"signers\":[\"%s\",\"" ED25519_KEY "\"],"
                   "\"threshold\":2}", record_key);
    parts.more = more;
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_true(c.manifest.wanted);
    assert_string_equal(c.manifest.device, "m");
    assert_int_equal(c.manifest.signers.count, 2);
    assert_int_equal(c.manifest.threshold, 2);
    config_free(&c);
    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        (void)snprintf(more, sizeof(more), "\"manifest\":%s", wrongs[i].text);
        assert_refused(&parts, wrongs[i].words);
    }
}

static void ipv6_works_too(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;

    parts.network = "{\"interface\":\"eth0\",\"address\":\"fd00::15/64\",\"gateway\":\"fd00::2\"}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.network.address.family, AF_INET6);
    assert_int_equal(c.network.address.prefix_bits, 64);
    assert_int_equal(c.network.address.bytes[15], 0x15);
    config_free(&c);
}

static void networks_have_methods(void **state UNUSED)
{
    struct parts parts = right();
    struct reason why = { "" };
    struct config c;

    parts.network = "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"mtu\":1400,\"wait_s\":5,"
                    "\"resolvers\":[\"10.0.2.3\",\"fd00::3\"]}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.network.method, NETWORK_DHCP);
    assert_int_equal(c.network.mtu, 1400);
    assert_int_equal(c.network.wait_ms, 5000);
    assert_int_equal(c.network.resolver_count, 2);
    assert_int_equal(c.network.resolvers[1].bytes[15], 3);
    config_free(&c);
    parts.network = "{\"interface\":\"eth0\",\"method\":\"router-advertisement\"}";
    if (parse(&parts, &c, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(c.network.method, NETWORK_ROUTER_ADVERTISEMENT);
    assert_int_equal(c.network.wait_ms, 30000);
    config_free(&c);
}

struct wrong {
    size_t part; /* offset in struct parts */
    const char *value, *words;
};

#define PART(name) offsetof(struct parts, name)

static void each_wrong_part_is_named(void **state UNUSED)
{
    static const struct wrong wrongs[] = {
        { PART(version), "2", "version: expected a number from 1 to 1" },
        { PART(version), NULL, "version: missing" },
        { PART(root), NULL, "root: missing" },
        { PART(workload), NULL, "workload: missing" },
        { PART(brokers), NULL, "brokers: missing: volumes need a broker" },
        { PART(brokers), "[{}]", "brokers[0].url: missing" },
        { PART(brokers), "[{\"url\":\"https://broker:8443\"}]", "brokers[0].url: \"https://broker:8443\" is not of the form" },
        { PART(brokers), "[{\"url\":\"http://10.0.2.2:1\"}]", "brokers[0].url: \"http://10.0.2.2:1\" is not" },
        { PART(brokers), "[{\"url\":\"https://10.0.2.2:1\",\"spki_sha256\":[]}]", "empty: no broker could ever be accepted" },
        { PART(brokers), "[{\"url\":\"https://10.0.2.2:1\",\"spki_sha256\":[\"11\"]}]", "spki_sha256[0]: expected 64" },
        { PART(brokers), "[{\"url\":\"https://10.0.2.2:1\",\"spki_sha256\":[\"" DIGEST "\"],\"record_key\":\"AAAA\"}]",
          "brokers[0].record_key: not a P-384 public key" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"10.0.2.15\"}", "network.address: \"10.0.2.15\" is not" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"10.0.2.15/33\"}", "network.address" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"10.0.2.15/024\"}", "network.address" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"10.0.2.15/2x\"}", "network.address" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"fd00::1/129\"}", "network.address" },
        { PART(network), "{\"interface\":\"eth 0\",\"address\":\"10.0.2.15/24\"}", "network.interface: \"eth 0\"" },
        { PART(network), "{\"interface\":\"\",\"address\":\"10.0.2.15/24\"}", "network.interface: \"\" is empty" },
        { PART(network), "{\"interface\":\"eth0\",\"address\":\"10.0.2.15/24\",\"gateway\":\"fd00::1\"}", "network.gateway" },
        { PART(root), "{\"device\":\"root\",\"block_size\":512}", "root.block_size: expected a number from 4096 to 4096" },
        { PART(root), "{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha1\"}", "root.hash: expected \"sha256\"" },
        { PART(root), "{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha256\",\"data_blocks\":0}",
          "root.data_blocks: expected a number from 1" },
        { PART(root), "{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha256\",\"data_blocks\":1,"
          "\"hash_start_block\":1,\"salt\":\"abc\"}", "root.salt" },
        { PART(root), "{\"device\":\"a_serial_number_that_is_too_long\"}", "root.device: 32 bytes, at most 20" },
        { PART(root), "{\"device\":\"pci-0000:00:05\"}", "root.device: \"pci-0000:00:05\" is neither" },
        { PART(root), "{\"device\":\"pci-0000:00:05.g\"}", "root.device: \"pci-0000:00:05.g\" is neither" },
        { PART(root), "{\"device\":\"pci-0000:00:05.00\"}", "is neither" },
        { PART(root), "{\"device\":\"usb-0000:00:05.0\"}", "is neither" },
        { PART(root), "{\"device\":\"a.b\"}", "is neither" },
        { PART(root), "{\"device\":\"root\",\"block_size\":4096,\"hash\":\"sha256\",\"offset\":4097}",
          "root.offset: 4097 is no multiple of 4096" },
        { PART(volumes), "[{\"id\":\"Data\"}]", "volumes[0].id: \"Data\" is empty or has other characters" },
        { PART(volumes), "[{\"id\":\"root\",\"device\":\"d\",\"resource\":\"a/b/c\",\"integrity\":\"none\","
          "\"filesystem\":\"ext4\",\"mount\":\"/d\"}]", "volumes[0].id: \"root\" is taken" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b\"}]", "volumes[0].resource: \"a/b\" is not" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c/d\"}]", "volumes[0].resource" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/../c\"}]", "volumes[0].resource" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a//c\"}]", "volumes[0].resource" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c\"}]", "volumes[0].mount: missing" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"raw\",\"resource\":\"a/b/c\",\"mount\":\"/a\","
          "\"filesystem\":\"ext4\"}]",
          "volumes[0].mode: expected record, header, key, verity, scratch or sealed, found \"raw\"" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"record\",\"resource\":\"a/b/c\","
          "\"integrity\":\"hmac(sha1)\",\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].integrity: expected hmac(sha256) or none" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"record\",\"resource\":\"a/b/c\","
          "\"length\":16777216,\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].length: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"record\",\"resource\":\"a/b/c\","
          "\"root_hash\":\"00\",\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].root_hash: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"header\",\"mount\":\"/a\","
          "\"filesystem\":\"ext4\"}]",
          "volumes[0].resource: missing" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"block_size\":4096,\"hash\":\"sha256\","
          "\"data_blocks\":500,\"hash_start_block\":500,\"salt\":\"abcd\",\"root_hash\":\"" DIGEST "\","
          "\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].filesystem: expected \"erofs\"" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"mount\":\"/a\","
          "\"filesystem\":\"erofs\"}]",
          "volumes[0].block_size: missing" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"block_size\":4096,\"hash\":\"sha256\","
          "\"data_blocks\":500,\"hash_start_block\":500,\"salt\":\"abcd\",\"root_hash\":\"" DIGEST "\","
          "\"resource\":\"a/b/c\",\"mount\":\"/a\",\"filesystem\":\"erofs\"}]",
          "volumes[0].resource: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"block_size\":4096,\"hash\":\"sha256\","
          "\"data_blocks\":500,\"hash_start_block\":500,\"salt\":\"abcd\",\"root_hash\":\"" DIGEST "\","
          "\"integrity\":\"none\",\"mount\":\"/a\",\"filesystem\":\"erofs\"}]",
          "volumes[0].integrity: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"verity\",\"block_size\":4096,\"hash\":\"sha256\","
          "\"data_blocks\":500,\"hash_start_block\":500,\"salt\":\"abcd\",\"root_hash\":\"" DIGEST "\","
          "\"mount\":\"/a\",\"filesystem\":\"erofs\",\"read_only\":false}]",
          "volumes[0].read_only: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"mount\":\"/a\","
          "\"filesystem\":\"ext4\"}]",
          "volumes[0].length: missing" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"length\":16773120,\"mount\":\"/a\","
          "\"filesystem\":\"ext4\"}]",
          "volumes[0].length: expected a number from 16777216" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"length\":16777217,\"mount\":\"/a\","
          "\"filesystem\":\"ext4\"}]",
          "volumes[0].length: 16777217 is no multiple of 4096" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"resource\":\"a/b/c\","
          "\"length\":16777216,\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].resource: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"length\":16777216,\"initialise\":true,"
          "\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].initialise: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"scratch\",\"length\":16777216,\"mount\":\"/a\","
          "\"filesystem\":\"ext4\",\"read_only\":true}]",
          "volumes[0].read_only: unknown member" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"mode\":\"sealed\",\"length\":16777216,\"initialise\":1,"
          "\"mount\":\"/a\",\"filesystem\":\"ext4\"}]",
          "volumes[0].initialise: expected true or false" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c\",\"integrity\":\"none\",\"mount\":\"data\"}]",
          "volumes[0].mount: \"data\" is not an absolute path" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c\",\"integrity\":\"none\",\"mount\":\"/a/../b\"}]",
          "volumes[0].mount" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c\",\"integrity\":\"none\",\"mount\":\"/a//b\"}]",
          "volumes[0].mount" },
        { PART(volumes), "[{\"id\":\"a\",\"device\":\"d\",\"resource\":\"a/b/c\",\"integrity\":\"none\",\"mount\":\"/a\","
          "\"filesystem\":\"btrfs\"}]", "volumes[0].filesystem: expected \"ext4\"" },
        { PART(workload), "{\"process\":{\"args\":[]}}", "workload.process.args: the first word has to be an absolute path" },
        { PART(workload), "{\"process\":{\"args\":[\"httpd\"]}}", "workload.process.args: the first word" },
        { PART(workload), "{\"process\":{\"args\":[\"/x\", 1]}}", "workload.process.args[1]: expected a string, found int" },
        { PART(workload), "{\"process\":{\"args\":[\"/x\"],\"cwd\":\"x\"}}", "workload.process.cwd" },
        { PART(workload), "{\"process\":{\"args\":[\"/x\"],\"user\":{\"uid\":1}}}", "workload.process.user.gid: missing" },
        { PART(workload), "{\"process\":{\"args\":[\"/x\"],\"user\":{\"uid\":4294967295,\"gid\":1}}}",
          "workload.process.user.uid: expected a number from 0 to 4294967294" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"bootp\"}",
          "network.method: expected static, dhcp or router-advertisement, found \"bootp\"" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"address\":\"10.0.2.15/24\"}",
          "network.address: unknown member" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"resolvers\":[\"example.org\"]}",
          "network.resolvers: element 0: \"example.org\" is not an address" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"mtu\":1279}", "network.mtu: expected" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"wait_s\":0}", "network.wait_s: expected" },
        { PART(more), "\"release_deadline_s\":0", "release_deadline_s: expected a number from 1 to 120" },
        { PART(more), "\"release_deadline_s\":121", "release_deadline_s: expected a number from 1 to 120" },
        { PART(more), "\"deadline_s\":9,\"release_deadline_s\":10", "release_deadline_s: expected a number from 1 to 9" },
        { PART(more), "\"deadline_s\":3601", "deadline_s: expected a number from 1 to 3600" },
        { PART(network), "{\"interface\":\"eth0\",\"method\":\"dhcp\",\"wait_s\":121}",
          "network.wait_s: expected a number from 1 to 120" },
        { PART(more), "\"expect\":{\"measurements\":[]}", "expect.measurements: unknown member" },
        { PART(more), "\"debug\":true", "debug: unknown member" },
        { PART(more), "\"version\":1", "a member name stands twice" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        struct parts parts = right();

        memcpy((char *)&parts + wrongs[i].part, &wrongs[i].value, sizeof(wrongs[i].value));
        assert_refused(&parts, wrongs[i].words);
    }
}

/* A P-384 key as configurations carry it. */
static int make_key(void **state UNUSED)
{
    EVP_PKEY *key = EVP_EC_gen("P-384");
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);

    (void)base64_encode(BASE64_STANDARD, der, (size_t)size, record_key);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(volumes_have_modes),
        cmocka_unit_test(trees_may_be_signed),
        cmocka_unit_test(optional_parts_have_their_defaults),
        cmocka_unit_test(users_with_evidence_are_read),
        cmocka_unit_test(signers_of_manifests_are_read),
        cmocka_unit_test(ipv6_works_too),
        cmocka_unit_test(networks_have_methods),
        cmocka_unit_test(each_wrong_part_is_named),
    };

    return cmocka_run_group_tests(tests, make_key, NULL);
}
