/* init/manifest-check: a guest finds itself in a signed manifest, or says why not. */
#include "unit.h"

#include "init/manifest-check.h"
#include "keys.h"
#include "measure/manifest.h"

#define HASH "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_X "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" /* of "x" */
#define DIGEST(d) d d d d d d
#define ROW(n, d)                                                                                                      \
    "{\"digest\":\"" DIGEST(d) "\",\"guest_features\":1,\"vcpu_sig\":8392466,\"vcpu_type\":\"EPYC-v4\",\"vcpus\":" n   \
    ",\"vmm\":\"QEMU\"}"
#define SUBJECT(name, hash) "{\"annotations\":{\"size\":1},\"digest\":{\"sha256\":\"" hash "\"},\"name\":\"" name "\"}"

static const char statement[] =
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicate\":{\"inputs\":{\"cmdline\":\"x\",\"firmware\":"
    "\"firmware.fd\",\"initrd\":\"initrd\",\"kernel\":\"kernel\"},\"matrix\":{\"cpus\":[{\"signature\":8392466,\"type\":"
    "\"EPYC-v4\"}],\"guest_features\":[1],\"vcpus\":[{\"from\":1,\"to\":2}],\"vmms\":[\"QEMU\"]},\"rows\":["
    ROW("1", "1111111111111111") "," ROW("2", "2222222222222222") "],\"tools\":[{\"name\":\"gcc\",\"version\":\"14\"}]},"
    "\"predicateType\":\"urn:postern:launch-table:v1\",\"subject\":[" SUBJECT("cmdline", HASH_X) ","
    SUBJECT("firmware.fd", HASH) "," SUBJECT("initrd", HASH) "," SUBJECT("kernel", HASH) "]}";

static struct config_manifest config;
static EVP_PKEY *signers[3]; /* the third one is nobody's */
static struct report report;
static char note[MANIFEST_NOTE_BYTES];
static struct reason why;

static int set_up(void **state UNUSED)
{
    config = (struct config_manifest){ .wanted = true, .device = "manifest", .threshold = 2 };
    for (size_t i = 0; i < ARRAY_SIZE(signers); i++)
        signers[i] = p384_key((uint8_t)(11 + i));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(EVP_PKEY_up_ref(signers[i]), 1);
        assert_int_equal(dsse_keys_add(&config.signers, signers[i]), 0);
    }
    report = (struct report){ .version = 3 };
    memset(report.measurement, 0x22, sizeof(report.measurement));
    return 0;
}

static int tear_down(void **state UNUSED)
{
    dsse_keys_free(&config.signers);
    for (size_t i = 0; i < ARRAY_SIZE(signers); i++)
        key_free(&signers[i]);
    return 0;
}

/* An envelope of this payload with signatures of signers `from` to `to`. */
static int check(const char *type, const char *payload, size_t from, size_t to)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct dsse envelope = { .payload_size = strlen(payload) };
    char *copy;
    int r;

    (void)snprintf(envelope.type, sizeof(envelope.type), "%s", type);
    envelope.payload = exact_copy(payload, strlen(payload));
    for (size_t i = from; i < to; i++) {
        bool added = false;

        assert_int_equal(dsse_sign(&envelope, signers[i], &added, &why), 0);
        assert_true(added);
    }
    dsse_encode(&envelope, &text);
    dsse_free(&envelope);
    assert_int_equal(buffer_error(&text), 0);
    copy = exact_copy(text.data, text.size);
    why.text[0] = note[0] = '\0';
    r = manifest_check(&config, &report, copy, text.size, note, &why);
    free(copy);
    if (r < 0) {
        assert_int_equal(note[0], '\0');
        assert_true(strncmp(why.text, "manifest: ", 10) == 0);
    }
    return r;
}

static void says_which_launch_it_is(void **state UNUSED)
{
    if (check(MANIFEST_PAYLOAD_TYPE, statement, 0, 2) != 0)
        fail_msg("%s", why.text);
    assert_string_equal(note, "in the manifest: QEMU, EPYC-v4, 2 vCPUs, features 0x1; firmware aaaaaaaaaaaaaaaa kernel "
                              "aaaaaaaaaaaaaaaa initrd aaaaaaaaaaaaaaaa; 2 of 2 signers");
    config.threshold = 1;
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 1, 3), 0);
    assert_non_null(strstr(note, "; 1 of 2 signers"));
}

static void needs_its_signers(void **state UNUSED)
{
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 0, 0), -EKEYREJECTED);
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 0, 1), -EKEYREJECTED);
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 1, 3), -EKEYREJECTED);
    config.threshold = 1;
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 2, 3), -EKEYREJECTED);
    /* What they did not sign is not looked at. */
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, "{", 2, 3), -EKEYREJECTED);
    assert_int_equal(check("text/plain", statement, 2, 3), -EKEYREJECTED);
}

static void needs_its_digest(void **state UNUSED)
{
    report.measurement[47] ^= 1;
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, statement, 0, 2), -ENOENT);
    assert_reason(&why, "manifest: none of its 2 launches has this guest's digest 2222");
}

static void needs_a_manifest(void **state UNUSED)
{
    static const char *const texts[] = { "", "hello", "{}", "{\"payload\":\"\"}", "[]", "\xff\xff\xff\xff" };

    assert_int_equal(check("text/plain", statement, 0, 2), -EBADMSG);
    assert_reason(&why, "holds \"text/plain\", expected \"application/vnd.in-toto+json\"");
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, "{}", 0, 2), -EBADMSG);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char *copy = exact_copy(texts[i], strlen(texts[i]));
        int r = manifest_check(&config, &report, copy, strlen(texts[i]), note, &why);

        assert_true(r == -EBADMSG || r == -EMSGSIZE);
        free(copy);
    }
}

static void a_row_that_is_none_is_named(void **state UNUSED)
{
    char *bent = exact_copy(statement, sizeof(statement)), *last = strstr(bent, "2222222222222222");

    assert_non_null(last);
    last[0] = 'x';
    assert_int_equal(check(MANIFEST_PAYLOAD_TYPE, bent, 0, 2), -EBADMSG);
    assert_reason(&why, "predicate.rows[1].digest");
    free(bent);
}

static void needs_the_disk(void **state UNUSED)
{
    assert_int_equal(manifest_check_disk(&config, &report, 0, note, &why), -ENODEV);
    assert_reason(&why, "no disk with the serial \"manifest\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_which_launch_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(needs_its_signers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(needs_its_digest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_that_is_none_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(needs_a_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(needs_the_disk, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("manifest-check", tests, NULL, NULL);
}
