/* measure/dsse: envelopes of every spelling, signatures counted by key, and what is refused. */
#include "keys.h"

#include "base/buffer.h"
#include "measure/dsse.h"

#define TYPE "application/vnd.in-toto+json"

static struct dsse parse_right(const char *text)
{
    struct dsse envelope;
    struct reason why = { "" };

    if (dsse_parse(text, strlen(text), &envelope, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return envelope;
}

static void assert_refused(const char *text, const char *words)
{
    struct dsse envelope = { .payload_size = 77 };
    struct reason why = { "" };
    char *copy = exact_copy(text, strlen(text));
    int r = dsse_parse(copy, strlen(text), &envelope, &why);

    free(copy);
    if (r != -EBADMSG || !strstr(why.text, words))
        fail_msg("%s gave %d \"%s\", expected \"%s\"", text, r, why.text, words);
    assert_int_equal(envelope.payload_size, 77);
}

static void assert_payload(const char *payload, const char *text, size_t size)
{
    char json[256];
    struct dsse envelope;

    (void)snprintf(json, sizeof(json), "{\"payload\":\"%s\",\"payloadType\":\"t\",\"signatures\":[]}", payload);
    envelope = parse_right(json);
    assert_int_equal(envelope.payload_size, size);
    assert_memory_equal(envelope.payload, text, size);
    dsse_free(&envelope);
}

static struct dsse unsigned_envelope(void)
{
    return parse_right("{\"payload\":\"eyJhIjoxfQ==\",\"payloadType\":\"" TYPE "\",\"signatures\":[]}");
}

/* The example of protocol.md. */
static void encodes_what_is_signed(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer pae = BUFFER_EMPTY;

    dsse_pae("http://example.com/HelloWorld", "hello world", 11, &pae);
    assert_int_equal(buffer_error(&pae), 0);
    assert_string_equal(buffer_text(&pae), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    buffer_free(&pae);
    dsse_pae("t\xc3\xa9", "", 0, &pae); /* lengths are bytes; an empty body leaves the blank */
    assert_string_equal(buffer_text(&pae), "DSSEv1 3 t\xc3\xa9 0 ");
}

static void reads_every_spelling_of_base64(void **state UNUSED)
{
    static const char bytes[] = "\xfb\xff\xbf>?";

    assert_payload("aGVsbG8gd29ybGQ=", "hello world", 11);
    assert_payload("aGVsbG8gd29ybGQ", "hello world", 11);
    assert_payload("+/+/Pj8=", bytes, 5);
    assert_payload("-_-_Pj8=", bytes, 5);
    assert_payload("-_-_Pj8", bytes, 5);
    assert_payload("", "", 0);
}

static void refuses_other_base64(void **state UNUSED)
{
    static const char *const wrong[] = {
        "-_+/Pj8=", "+/+/Pj8", "aGVsbG8gd29ybGQ==", "aGVsbG8gd29ybGQ=\\n", "aGVs bG8=", "=", "==", "====", "a", "a===",
        "aGVsbG8gd29ybGR=", "aGVs=bG8", "\xc3\xa9\xc3\xa9",
    };
    char json[256];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        (void)snprintf(json, sizeof(json), "{\"payload\":\"%s\",\"payloadType\":\"t\",\"signatures\":[]}", wrong[i]);
        assert_refused(json, "payload: not base64");
        (void)snprintf(json, sizeof(json),
                       "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"%s\"}]}", wrong[i]);
        assert_refused(json, "signatures[0].sig: not base64");
    }
}

static void reads_what_others_add(void **state UNUSED)
{
    struct dsse envelope = parse_right("{\"extra\":{\"a\":[]},\"payload\":\"\",\"payloadType\":\"t\","
                                       "\"signatures\":[{\"sig\":\"AA==\"},{\"keyid\":\"k\",\"sig\":\"AAE=\",\"cert\":\"c\"},"
                                       "{\"keyid\":null,\"sig\":\"_w\"}]}");

    assert_int_equal(envelope.signature_count, 3);
    assert_string_equal(envelope.signatures[0].keyid, "");
    assert_string_equal(envelope.signatures[1].keyid, "k");
    assert_int_equal(envelope.signatures[1].size, 2);
    assert_string_equal(envelope.signatures[2].keyid, "");
    assert_int_equal(envelope.signatures[2].bytes[0], 0xff);
    dsse_free(&envelope);
    dsse_free(&envelope);
}

static void refuses_other_envelopes(void **state UNUSED)
{
    assert_refused("[]", "top level: expected an object");
    assert_refused("{}", "payloadType: missing");
    assert_refused("{\"payloadType\":\"t\"}", "payload: missing");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\"}", "signatures: missing");
    assert_refused("{\"payloadType\":1,\"payload\":\"\",\"signatures\":[]}", "payloadType: expected a string");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":{}}", "signatures: expected an array");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[1]}", "signatures[0]: expected an object");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[{}]}", "signatures[0].sig: missing");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[{\"sig\":\"\"}]}",
                   "signatures[0].sig: is empty");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[],\"payload\":\"\"}", "stands twice");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[]}x", "something follows it");
    assert_refused("{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[]}{}", "something follows it");
}

static void refuses_too_much(void **state UNUSED)
{
    CLEANUP_BUFFER struct buffer json = BUFFER_EMPTY;
    struct dsse envelope;
    struct reason why = { "" };

    buffer_add_text(&json, "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AA==\"}");
    for (int i = 0; i < DSSE_MAX_SIGNATURES; i++)
        buffer_add_text(&json, ",{\"sig\":\"AA==\"}");
    buffer_add_text(&json, "]}");
    assert_refused(buffer_text(&json), "signatures: 17 elements, at most 16");
    buffer_free(&json);
    buffer_add_text(&json, "{\"payload\":\"\",\"signatures\":[],\"payloadType\":\"");
    for (int i = 0; i <= DSSE_MAX_TYPE_BYTES; i++)
        buffer_add_text(&json, "t");
    buffer_add_text(&json, "\"}");
    assert_refused(buffer_text(&json), "payloadType: 128 bytes, at most 127");
    buffer_free(&json);
    buffer_add_text(&json, "{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"AA==\",\"keyid\":\"");
    for (int i = 0; i <= DSSE_MAX_KEYID_BYTES; i++)
        buffer_add_text(&json, "k");
    buffer_add_text(&json, "\"}]}");
    assert_refused(buffer_text(&json), "signatures[0].keyid: 256 bytes, at most 255");
    buffer_free(&json);
    while (json.size <= DSSE_MAX_BYTES)
        buffer_add_text(&json, "                                                                ");
    assert_int_equal(dsse_parse(json.data, json.size, &envelope, &why), -EMSGSIZE);
    assert_reason(&why, "at most 12582912 are accepted");
    buffer_free(&json);
    buffer_add_text(&json, "{\"payloadType\":\"t\",\"signatures\":[],\"payload\":\"");
    while (json.size <= DSSE_MAX_PAYLOAD_BYTES / 3 * 4 + 64)
        buffer_add_text(&json, "AAAAAAAAAAAAAAAA");
    buffer_add_text(&json, "\"}");
    assert_int_equal(dsse_parse(json.data, json.size, &envelope, &why), -EBADMSG);
    assert_reason(&why, "payload: 1118");
}

static void counts_keys_not_signatures(void **state UNUSED)
{
    EVP_PKEY *a = p384_key(3), *b = ed25519_key(rfc8032_seed);
    CLEANUP_KEY EVP_PKEY *stranger = p384_key(9), *a_again = p384_key(3);
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    struct dsse envelope = unsigned_envelope();
    struct dsse_verdict verdict;
    struct reason why;
    bool added = false;

    assert_int_equal(dsse_keys_add(&keys, a), 0);
    assert_int_equal(dsse_keys_add(&keys, b), 0);
    assert_int_equal(dsse_keys_add(&keys, p384_key(3)), 0); /* is there */
    assert_int_equal(keys.count, 2);
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, &why), -EKEYREJECTED);
    assert_reason(&why, "it is not signed");
    assert_int_equal(dsse_verify(&envelope, &keys, 3, &verdict, &why), -EINVAL);
    assert_reason(&why, "3 signatures are asked for, but there are 2 different keys");
    assert_int_equal(dsse_verify(&envelope, &keys, 0, &verdict, &why), -EINVAL);
    assert_int_equal(dsse_sign(&envelope, stranger, &added, NULL), 0);
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, &why), -EKEYREJECTED);
    assert_reason(&why, "0 of the 2 given keys signed it, 1 are asked for; 1 of its 1 signatures are by other keys");
    assert_int_equal(dsse_sign(&envelope, a_again, &added, NULL), 0);
    assert_true(added);
    assert_int_equal(dsse_sign(&envelope, a, &added, NULL), 0);
    assert_false(added);
    assert_int_equal(envelope.signature_count, 2);
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), 0);
    assert_true(verdict.by[0] && !verdict.by[1] && verdict.keys == 1 && verdict.others == 1);
    /* The same signature once more, under another hint. */
    dsse_encode(&envelope, &text);
    envelope.signatures[2] = envelope.signatures[1];
    envelope.signatures[2].bytes = exact_copy(envelope.signatures[1].bytes, envelope.signatures[1].size);
    envelope.signatures[2].keyid[0] ^= 1;
    envelope.signature_count = 3;
    assert_int_equal(dsse_verify(&envelope, &keys, 2, &verdict, &why), -EKEYREJECTED);
    assert_int_equal(verdict.keys, 1);
    assert_int_equal(dsse_sign(&envelope, b, &added, NULL), 0);
    assert_int_equal(dsse_verify(&envelope, &keys, 2, &verdict, NULL), 0);
    assert_true(verdict.by[0] && verdict.by[1] && verdict.keys == 2 && verdict.others == 1);
    dsse_free(&envelope);
    /* What was written can be read, and gives the same text. */
    envelope = parse_right(buffer_text(&text));
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), 0);
    buffer_free(&text);
    dsse_encode(&envelope, &text);
    assert_memory_equal(buffer_text(&text), "{\"payload\":\"eyJhIjoxfQ==\",\"payloadType\":\"" TYPE "\",\"signatures\":[{",
                        80);
    dsse_free(&envelope);
}

/* A signature of one type or payload is none of another; hints change nothing. */
static void covers_type_and_payload(void **state UNUSED)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    struct dsse envelope = unsigned_envelope();
    struct dsse_verdict verdict;
    EVP_PKEY *key = p384_key(3);
    bool added = false;

    assert_int_equal(dsse_sign(&envelope, key, &added, NULL), 0);
    assert_int_equal(dsse_keys_add(&keys, key), 0);
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), 0);
    memset(envelope.signatures[0].keyid, 'f', 64); /* a lie */
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), 0);
    envelope.signatures[0].keyid[0] = '\0';
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), 0);
    envelope.type[0] = 'A';
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), -EKEYREJECTED);
    envelope.type[0] = 'a';
    envelope.payload[3] ^= 1;
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), -EKEYREJECTED);
    envelope.payload[3] ^= 1;
    envelope.payload_size--;
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), -EKEYREJECTED);
    envelope.payload_size++;
    envelope.signatures[0].size--;
    assert_int_equal(dsse_verify(&envelope, &keys, 1, &verdict, NULL), -EKEYREJECTED);
    dsse_free(&envelope);
}

static void holds_so_many(void **state UNUSED)
{
    CLEANUP(dsse_keys_free) struct dsse_keys keys = { .count = 0 };
    struct dsse envelope = unsigned_envelope();
    struct reason why;
    bool added = false;

    for (uint8_t i = 0; i < DSSE_MAX_SIGNATURES; i++) {
        EVP_PKEY *key = p384_key((uint8_t)(i + 1));

        assert_int_equal(dsse_sign(&envelope, key, &added, NULL), 0);
        assert_int_equal(dsse_keys_add(&keys, key), 0);
    }
    {
        CLEANUP_KEY EVP_PKEY *more = p384_key(99);

        assert_int_equal(dsse_sign(&envelope, more, &added, &why), -ENOSPC);
        assert_reason(&why, "it has 16 signatures already");
    }
    assert_int_equal(dsse_keys_add(&keys, p384_key(99)), -ENOSPC);
    dsse_free(&envelope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_what_is_signed),    cmocka_unit_test(reads_every_spelling_of_base64),
        cmocka_unit_test(refuses_other_base64),      cmocka_unit_test(reads_what_others_add),
        cmocka_unit_test(refuses_other_envelopes),   cmocka_unit_test(refuses_too_much),
        cmocka_unit_test(counts_keys_not_signatures), cmocka_unit_test(covers_type_and_payload),
        cmocka_unit_test(holds_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
