/* base/encode: one spelling for each value, everything else refused. */
#include "unit.h"

#include <openssl/evp.h>

#include "base/encode.h"

#define MOST 100

static const enum base64_form forms[] = { BASE64_STANDARD, BASE64_URL };

/* Decodes from a copy of exact size; what was in `to` must stay there after a refusal. */
static int decode(enum base64_form form, const char *text, size_t size, uint8_t *to, size_t max, size_t *ret_size)
{
    uint8_t before[2 * MOST];
    char *copy = exact_copy(text, size);
    int r;

    memcpy(before, to, max);
    r = base64_decode(form, copy, size, to, max, ret_size);
    if (r < 0)
        assert_memory_equal(before, to, max);
    free(copy);
    return r;
}

static int verdict(enum base64_form form, const char *text)
{
    uint8_t to[MOST] = { 0 };
    size_t size = 77;
    int r = decode(form, text, strlen(text), to, sizeof(to), &size);

    if (r < 0)
        assert_int_equal(size, 77);
    return r;
}

static void knows_the_vectors_of_rfc_4648(void **state UNUSED)
{
    static const struct {
        const char *plain, *base64, *base64url, *hex;
    } vectors[] = {
        { "", "", "", "" },
        { "f", "Zg==", "Zg", "66" },
        { "fo", "Zm8=", "Zm8", "666f" },
        { "foo", "Zm9v", "Zm9v", "666f6f" },
        { "foob", "Zm9vYg==", "Zm9vYg", "666f6f62" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172" },
        { "\xfb\xff\xbe", "+/++", "-_--", "fbffbe" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        size_t size = strlen(vectors[i].plain);
        char text[64];

        assert_int_equal(base64_encode(BASE64_STANDARD, vectors[i].plain, size, text), strlen(vectors[i].base64));
        assert_string_equal(text, vectors[i].base64);
        assert_int_equal(base64_encode(BASE64_URL, vectors[i].plain, size, text), strlen(vectors[i].base64url));
        assert_string_equal(text, vectors[i].base64url);
        hex_encode(vectors[i].plain, size, text);
        assert_string_equal(text, vectors[i].hex);
    }
}

static void takes_every_length_there_and_back(void **state UNUSED)
{
    for (size_t size = 0; size <= MOST; size++) {
        uint8_t data[MOST], back[MOST];
        char text[BASE64_TEXT_BYTES(MOST) + HEX_TEXT_BYTES(MOST)], oracle[BASE64_TEXT_BYTES(MOST)];
        size_t got = 0;

        random_fill(data, sizeof(data));
        for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
            size_t length = base64_encode(forms[f], data, size, text);

            assert_int_equal(length, strlen(text));
            assert_true(length < BASE64_TEXT_BYTES(size));
            if (forms[f] == BASE64_STANDARD) {
                (void)EVP_EncodeBlock((unsigned char *)oracle, data, (int)size);
                assert_string_equal(text, size ? oracle : "");
            }
            assert_int_equal(decode(forms[f], text, length, back, size, &got), 0);
            assert_int_equal(got, size);
            assert_memory_equal(back, data, size);
            if (size)
                assert_int_equal(decode(forms[f], text, length, back, size - 1, &got), -EMSGSIZE);
        }
        hex_encode(data, size, text);
        assert_int_equal(strlen(text), 2 * size);
        assert_int_equal(hex_decode(text, 2 * size, back, size), 0);
        assert_memory_equal(back, data, size);
    }
}

static void refuses_wrong_padding(void **state UNUSED)
{
    static const char *const standard[] = {
        "Zg",  "Zg=", "Zg===", "Zg====", "Zm8",  "Zm8==", "Zm9v=", "Zm9v==",   "Zm9v====", "=",        "==",    "===",
        "====", "Z===", "Z",    "Zg=a",   "Z=g=", "=Zg=",  "Zg==Zg==", "Zg==Zm9v", "Zm8=Zm9v", "Zm9vZ", "Zm9vZ===",
    };
    static const char *const url[] = { "Zg==", "Zg=", "Zm8=", "=", "====", "Z", "Zm9vZ", "Zm9v====" };

    for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
        if (verdict(BASE64_STANDARD, standard[i]) != -EBADMSG)
            fail_msg("\"%s\" was accepted", standard[i]);
    for (size_t i = 0; i < ARRAY_SIZE(url); i++)
        if (verdict(BASE64_URL, url[i]) != -EBADMSG)
            fail_msg("\"%s\" was accepted", url[i]);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* In a last group of one or two bytes, 4 or 2 bits of the last digit belong to no byte. */
static void refuses_bits_beyond_the_end(void **state UNUSED)
{
    for (unsigned value = 0; value < 62; value++) {
        char one[] = "A?==", two[] = "AA?=";

        one[1] = two[2] = alphabet[value];
        assert_int_equal(verdict(BASE64_STANDARD, one), value & 15 ? -EBADMSG : 0);
        assert_int_equal(verdict(BASE64_STANDARD, two), value & 3 ? -EBADMSG : 0);
        one[2] = two[3] = '\0';
        assert_int_equal(verdict(BASE64_URL, one), value & 15 ? -EBADMSG : 0);
        assert_int_equal(verdict(BASE64_URL, two), value & 3 ? -EBADMSG : 0);
    }
    assert_int_equal(verdict(BASE64_STANDARD, "A/=="), -EBADMSG);
    assert_int_equal(verdict(BASE64_URL, "AA_"), -EBADMSG);
}

/* Every byte at every place of a group: accepted exactly when it is in the alphabet, with its value. */
static void takes_its_own_alphabet_alone(void **state UNUSED)
{
    for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
        for (unsigned c = 0; c < 256; c++) {
            const char *in = c ? strchr(alphabet, (int)c) : NULL;
            unsigned value = in ? (unsigned)(in - alphabet) : 64;

            if (c == (forms[f] == BASE64_URL ? '-' : '+'))
                value = 62;
            if (c == (forms[f] == BASE64_URL ? '_' : '/'))
                value = 63;
            for (size_t at = 0; at < 4; at++) {
                char text[5] = "AAAA";
                uint8_t to[3];
                size_t size = 0;

                text[at] = (char)c;
                if (c == '=' && at == 3 && forms[f] == BASE64_STANDARD) {
                    assert_int_equal(decode(forms[f], text, 4, to, 3, &size), 0); /* padding */
                    assert_int_equal(size, 2);
                    continue;
                }
                assert_int_equal(decode(forms[f], text, 4, to, 3, &size), value < 64 ? 0 : -EBADMSG);
                if (value < 64) {
                    assert_int_equal(size, 3);
                    assert_int_equal((uint32_t)to[0] << 16 | to[1] << 8 | to[2], value << (18 - 6 * at));
                }
            }
        }
    }
}

static void takes_both_cases_of_hexadecimal_and_nothing_else(void **state UNUSED)
{
    for (unsigned c = 0; c < 256; c++) {
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

        for (size_t at = 0; at < 2; at++) {
            char text[] = "00", spelled[3] = { (char)c, 0, 0 };
            uint8_t to = 0x5a;

            text[at] = (char)c;
            assert_int_equal(hex_decode(text, 2, &to, 1), digit ? 0 : -EBADMSG);
            assert_int_equal(to, digit ? strtoul(spelled, NULL, 16) << (at ? 0 : 4) : 0x5a);
        }
    }
}

static void takes_exactly_as_many_digits_as_asked_for(void **state UNUSED)
{
    uint8_t to[4];

    assert_int_equal(hex_decode("", 0, to, 0), 0);
    assert_int_equal(hex_decode("0", 1, to, 0), -EBADMSG);
    assert_int_equal(hex_decode("0", 1, to, 1), -EBADMSG);
    assert_int_equal(hex_decode("012", 3, to, 1), -EBADMSG);
    assert_int_equal(hex_decode("0123", 4, to, 1), -EBADMSG);
    assert_int_equal(hex_decode("01", 2, to, 2), -EBADMSG);
    assert_int_equal(hex_decode("01", 2, to, SIZE_MAX / 2 + 2), -EBADMSG);
}

static void takes_decimal_numbers(void **state UNUSED)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        size_t digits;
    } numbers[] = {
        { "0", 0, 0, 1 },     { "7", 7, 7, 1 },    { "0x", 9, 0, 1 },      { "12 13", 99, 12, 2 },  { "255,", 255, 255, 3 },
        { "", 9, 0, 0 },      { "-1", 9, 0, 0 },   { "+1", 9, 0, 0 },      { " 1", 9, 0, 0 },       { "00", 9, 0, 0 },
        { "01", 9, 0, 0 },    { "8", 7, 0, 0 },    { "256", 255, 0, 0 },   { "x", 9, 0, 0 },
        { "18446744073709551615", UINT64_MAX, UINT64_MAX, 20 }, { "18446744073709551616", UINT64_MAX, 0, 0 },
        { "99999999999999999999999999", UINT64_MAX, 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        size_t size = strlen(numbers[i].text);
        char *copy = exact_copy(numbers[i].text, size);
        uint64_t value = 77;

        assert_int_equal(decimal_decode(copy, size, numbers[i].max, &value), numbers[i].digits);
        assert_int_equal(value, numbers[i].digits ? numbers[i].value : 77);
        assert_int_equal(decimal_decode_text(numbers[i].text, numbers[i].max, &value), numbers[i].digits == size && size);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_vectors_of_rfc_4648),
        cmocka_unit_test(takes_every_length_there_and_back),
        cmocka_unit_test(refuses_wrong_padding),
        cmocka_unit_test(refuses_bits_beyond_the_end),
        cmocka_unit_test(takes_its_own_alphabet_alone),
        cmocka_unit_test(takes_both_cases_of_hexadecimal_and_nothing_else),
        cmocka_unit_test(takes_exactly_as_many_digits_as_asked_for),
        cmocka_unit_test(takes_decimal_numbers),
    };

    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
