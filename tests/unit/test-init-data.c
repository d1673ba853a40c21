/* release/init-data and release/resource: what init-data may say, what it may not, and that HOST_DATA binds it. */
#include "unit.h"

#include <openssl/evp.h>

#include "base/buffer.h"
#include "release/init-data.h"

#define HEAD "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n"

static int parse(const char *text, struct init_data *ret, struct reason *why)
{
    char *copy = exact_copy(text, strlen(text));
    int r = init_data_parse(copy, strlen(text), ret, why);

    free(copy);
    return r;
}

static void names_are_taken(void **state UNUSED)
{
    static const char text[] = HEAD "\"postern.name\" = \"shop-7\"\n"
                                    "\"trustee.kbs.resource\" = \"kbs+provisioner:///default/u-1/root\"\n"
                                    "\"postern.broker-identity.b\" = '{\"x\":1}'\n"
                                    "\"postern.broker-identity.a\" = \"\"\"\n{\"y\":\\\"2\\\"}\n\"\"\"\n";
    struct init_data found;
    struct reason why = { "" };

    if (parse(text, &found, &why) < 0)
        fail_msg("%s", why.text);
    assert_string_equal(found.algorithm, "sha256");
    assert_string_equal(found.name, "shop-7");
    assert_true(found.has_resource);
    assert_string_equal(found.resource.plugin, "provisioner");
    assert_string_equal(found.resource.path, "default/u-1/root");
    assert_int_equal(found.identity_count, 2);
    assert_string_equal(found.identities[0], "{\"x\":1}");
    assert_string_equal(found.identities[1], "{\"y\":\"2\"}\n");
    init_data_free(&found);
    assert_int_equal(parse(HEAD, &found, &why), 0);
    assert_false(found.has_resource);
    assert_string_equal(found.name, "");
    init_data_free(&found);
}

static void nothing_else_may_be_set(void **state UNUSED)
{
    static const char *const names[] = {
        "brokers", "postern.brokers", "spki_sha256", "postern.spki_sha256", "record_key", "broker_root",
        "postern.broker_root", "signers", "postern.signers", "manifests", "volumes", "postern.volumes", "root",
        "root_hash", "postern.root_hash", "workload", "network", "expect", "release", "aa.toml", "cdh.toml",
        "policy.rego", "postern.name.x", "postern.broker-identity", "POSTERN.NAME",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct init_data found = { .identity_count = 77 };
        struct reason why = { "" };
        char text[256];

        (void)snprintf(text, sizeof(text), HEAD "\"postern.name\" = 'a'\n\"%s\" = \"x\"\n", names[i]);
        assert_int_equal(parse(text, &found, &why), -EBADMSG);
        assert_reason(&why, "not for init-data to set");
        assert_reason(&why, names[i]);
        assert_int_equal(found.identity_count, 77);
    }
}

static void malformed_texts_are_refused(void **state UNUSED)
{
    static const struct {
        const char *text, *words;
    } texts[] = {
        { "", "version is missing" },
        { "algorithm = 'sha256'\n[data]", "version is missing" },
        { "version = '0.1.0'\n[data]", "algorithm is missing" },
        { "version = '0.1.0'\nalgorithm = 'sha256'\n", "[data] is missing" },
        { "version = '0.2.0'\nalgorithm = 'sha256'\n[data]", "version: expected \"0.1.0\"" },
        { "version = ''\nalgorithm = 'sha256'\n[data]", "version: empty" },
        { "version = '0.1.0'\nalgorithm = 'sha1'\n[data]", "algorithm: expected sha256" },
        { "version = '0.1.0'\nalgorithm = 'SHA256'\n[data]", "algorithm: expected sha256" },
        { "version = '0.1.0'\nalgorithm = 'sha256'\nname = 'x'\n[data]", "name: not a member of init-data" },
        { "version = '0.1.0'\nversion = '0.1.0'\n", "init-data: line 2: a key that was there before" },
        { HEAD "'postern.name' = 'a'\n'postern.name' = 'b'", "a key that was there before" },
        { HEAD "'postern.name' = ''", "postern.name: expected" },
        { HEAD "'postern.name' = '-a'", "postern.name: expected" },
        { HEAD "'postern.name' = 'Shop'", "postern.name: expected" },
        { HEAD "'postern.name' = '0123456789012345678901234567890123456789012345678901234567890123'",
          "postern.name: expected" },
        { HEAD "'trustee.kbs.resource' = 'https://x/a/b/c'", "trustee.kbs.resource: expected" },
        { HEAD "'trustee.kbs.resource' = 'kbs:///a/b'", "trustee.kbs.resource: expected" },
        { HEAD "'trustee.kbs.resource' = ''", "trustee.kbs.resource: expected" },
        { HEAD "'postern.broker-identity.' = ''", "expected a name behind the last dot" },
        { HEAD "'postern.broker-identity.1'='1'\n'postern.broker-identity.2'='1'\n'postern.broker-identity.3'='1'\n"
               "'postern.broker-identity.4'='1'\n'postern.broker-identity.5'='1'\n'postern.broker-identity.6'='1'\n"
               "'postern.broker-identity.7'='1'\n'postern.broker-identity.8'='1'\n'postern.broker-identity.9'='1'\n",
          "postern.broker-identity.9: more than 8" },
        { HEAD "a = 1", "init-data: line 4: expected a string" },
        { HEAD "[brokers]", "init-data: line 4: another table" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct init_data found;
        struct reason why = { "" };

        assert_int_equal(parse(texts[i].text, &found, &why), -EBADMSG);
        assert_reason(&why, texts[i].words);
    }
}

static void sizes_are_bounded(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct init_data found;
    struct reason why = { "" };

    buffer_add_text(&text, HEAD "#");
    while (text.size < INIT_DATA_MAX_BYTES)
        buffer_add_text(&text, "x");
    assert_int_equal(parse(buffer_text(&text), &found, &why), 0);
    init_data_free(&found);
    buffer_add_text(&text, "x");
    assert_int_equal(parse(buffer_text(&text), &found, &why), -EMSGSIZE);
    assert_reason(&why, "65537 bytes, at most 65536");
    text.size = 0;
    buffer_add_text(&text, HEAD "'postern.broker-identity.a' = '");
    for (size_t i = 0; i <= IDENTITY_MAX_BYTES; i++)
        buffer_add_text(&text, "x");
    buffer_add_text(&text, "'");
    assert_int_equal(parse(buffer_text(&text), &found, &why), -EBADMSG);
    assert_reason(&why, "at most 16384");
}

/* HOST_DATA is the digest of the exact text, cut or filled to 32 bytes. */
static void host_data_binds_it(void **state UNUSED)
{
    static const struct {
        const char *name;
        const EVP_MD *(*hash)(void);
    } algorithms[] = { { "sha256", EVP_sha256 }, { "sha384", EVP_sha384 }, { "sha512", EVP_sha512 } };

    for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
        uint8_t host_data[EVP_MAX_MD_SIZE];
        struct init_data found;
        struct reason why = { "" };
        char text[128];

        (void)snprintf(text, sizeof(text), "version = '0.1.0'\nalgorithm = '%s'\n[data]\n", algorithms[i].name);
        assert_int_equal(EVP_Digest(text, strlen(text), host_data, NULL, algorithms[i].hash(), NULL), 1);
        assert_int_equal(init_data_verify(text, strlen(text), host_data, &found, &why), 0);
        init_data_free(&found);
        assert_int_equal(init_data_match(text, strlen(text), host_data, &why), 0);
        for (size_t byte = 0; byte < INIT_DATA_HOST_DATA_BYTES; byte++) {
            host_data[byte] ^= 1;
            assert_int_equal(init_data_verify(text, strlen(text), host_data, &found, &why), -EKEYREJECTED);
            assert_reason(&why, "but HOST_DATA of this launch is");
            assert_int_equal(init_data_match(text, strlen(text), host_data, &why), -EKEYREJECTED);
            host_data[byte] ^= 1;
        }
        text[strlen(text) - 1] = ' '; /* the same meaning in other bytes */
        assert_int_equal(init_data_verify(text, strlen(text), host_data, &found, &why), -EKEYREJECTED);
    }
}

/* A broker passes on what it does not know the names of. */
static void others_names_match_too(void **state UNUSED)
{
    static const char text[] = "version = \"0.1.0\"\nalgorithm = \"sha384\"\n\n[data]\n\"aa.toml\" = '''\n[token]\n'''\n";
    uint8_t host_data[EVP_MAX_MD_SIZE];
    struct reason why = { "" };

    assert_int_equal(EVP_Digest(text, strlen(text), host_data, NULL, EVP_sha384(), NULL), 1);
    assert_int_equal(init_data_match(text, strlen(text), host_data, &why), 0);
    assert_int_equal(init_data_match("version = '0.1.0'\n", 18, host_data, &why), -EBADMSG);
    assert_reason(&why, "algorithm: expected");
    assert_int_equal(init_data_match("algorithm = 'md5'\n", 18, host_data, &why), -EBADMSG);
    assert_int_equal(init_data_match("algorithm = 5\n", 14, host_data, &why), -EBADMSG);
}

static void resources_have_names(void **state UNUSED)
{
    static const struct {
        const char *text, *plugin, *path;
    } names[] = {
        { "a/b/c", "resource", "a/b/c" },
        { "default/volume-x/data_1.2", "resource", "default/volume-x/data_1.2" },
        { "kbs/x/y", "resource", "kbs/x/y" },
        { "kbs:///a/b/c", "resource", "a/b/c" },
        { "kbs+provisioner:///a/b/c", "provisioner", "a/b/c" },
        { "kbs+nebula-ca:///a/b/c", "nebula-ca", "a/b/c" },
    };
    static const char *const bad[] = {
        "", "a", "a/b", "a/b/c/d", "/a/b/c", "a/b/c/", "a//c", "a/./c", "a/../c", ".a/b/c", "a/b/.c", "a/b/c?x",
        "a/b/c#x", "a/b c/d", "a/b%2f/c", "kbs://host/a/b/c", "kbs:/a/b/c", "kbs:a/b/c", "kbs+:///a/b/c",
        "kbs+x_y:///a/b/c", "kbs+X:///a/b/c", "kbs+x///a/b/c", "kbs+x", "kbs:///", "https:///a/b/c",
        "kbs+0123456789012345678901234567890123456789:///a/b/c", "a/b/c\n", "a/b/c\r\nHost: x",
    };
    struct resource found;
    char text[RELEASE_MAX_RESOURCE_BYTES + 16] = "a/b/";

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(resource_parse(names[i].text, strlen(names[i].text), &found), 0);
        assert_string_equal(found.plugin, names[i].plugin);
        assert_string_equal(found.path, names[i].path);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *copy = exact_copy(bad[i], strlen(bad[i]));

        if (resource_parse(copy, strlen(bad[i]), &found) != -EBADMSG)
            fail_msg("\"%s\" was accepted", bad[i]);
        free(copy);
    }
    memset(text + 4, 'x', RELEASE_MAX_RESOURCE_BYTES - 3);
    assert_int_equal(resource_parse(text, RELEASE_MAX_RESOURCE_BYTES, &found), 0);
    assert_int_equal(resource_parse(text, RELEASE_MAX_RESOURCE_BYTES + 1, &found), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken),        cmocka_unit_test(nothing_else_may_be_set),
        cmocka_unit_test(malformed_texts_are_refused), cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(host_data_binds_it),     cmocka_unit_test(others_names_match_too),
        cmocka_unit_test(resources_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
