/*
 * What the tests of the release protocol share: tests/release/vectors.json, and JSON texts with one thing wrong.
 */
#pragma once

#include <json-c/json.h>
#include <json-c/json_pointer.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/encode.h"
#include "base/json.h"
#include "release/guest-key.h"

/* The file, whole; the caller releases it. */
static inline struct json_object *vectors_load(void)
{
    struct json_object *root = json_object_from_file("tests/release/vectors.json");

    assert_non_null(root);
    return root;
}

/* The node at a JSON pointer (RFC 6901), which has to be there. */
static inline struct json_object *node_at(struct json_object *root, const char *pointer)
{
    struct json_object *node = NULL;

    if (json_pointer_get(root, pointer, &node) != 0)
        fail_msg("nothing at %s", pointer);
    return node;
}

static inline const char *text_at(struct json_object *root, const char *pointer)
{
    return json_object_get_string(node_at(root, pointer));
}

/* Hexadecimal text there, decoded; gives its size. */
static inline size_t bytes_at(struct json_object *root, const char *pointer, uint8_t *to, size_t room)
{
    const char *text = text_at(root, pointer);
    size_t size = strlen(text) / 2;

    assert_true(size <= room);
    assert_int_equal(hex_decode(text, strlen(text), to, size), 0);
    return size;
}

/* A private key on P-256 from its scalar and its point. */
static inline EVP_PKEY *private_key(const uint8_t scalar[32], const struct guest_public_key *point)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    uint8_t encoded[65] = { 4 }, little[32];
    char group[] = "P-256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof(encoded)),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, little, sizeof(little)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;

    memcpy(encoded + 1, point->x, 32);
    memcpy(encoded + 33, point->y, 32);
    for (size_t i = 0; i < 32; i++)
        little[i] = scalar[31 - i];
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

/* The point of a JWK's text. */
static inline int read_jwk(const char *text, bool with_alg, struct guest_public_key *ret_point, struct reason *why)
{
    CLEANUP_JSON struct json_object *root = NULL;
    struct json_status status = { 0, why };
    struct json_reader reader;
    int r = json_parse(text, strlen(text), 65536, &root, why);

    if (r < 0)
        return r;
    json_read_root(root, &status, &reader);
    guest_key_read_jwk(&reader, with_alg, ret_point);
    return status.error;
}

/* ---- texts with one thing wrong; the caller frees them */

static inline char *print_and_free(struct json_object *root)
{
    char *text = strdup(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

    assert_non_null(text);
    (void)json_object_put(root);
    return text;
}

static inline struct json_object *parse_good(const char *text)
{
    struct json_object *root = json_tokener_parse(text);

    assert_non_null(root);
    return root;
}

/* The object that holds the pointer's last member, whose name is given too. */
static inline struct json_object *parent_of(struct json_object *root, const char *pointer, const char **ret_name)
{
    char parent[256];
    const char *slash = strrchr(pointer, '/');

    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - pointer), pointer);
    *ret_name = slash + 1;
    return node_at(root, parent);
}

static inline char *json_without(const char *text, const char *pointer)
{
    struct json_object *root = parse_good(text);
    const char *name;
    struct json_object *parent = parent_of(root, pointer, &name);

    json_object_object_del(parent, name);
    return print_and_free(root);
}

/* The member set to `value`, which is JSON itself; a new one when it is not there. */
static inline char *json_with(const char *text, const char *pointer, const char *value)
{
    struct json_object *root = parse_good(text);
    const char *name;
    struct json_object *parent = parent_of(root, pointer, &name);

    if (json_object_is_type(parent, json_type_array))
        assert_int_equal(json_object_array_put_idx(parent, strtoul(name, NULL, 10), json_tokener_parse(value)), 0);
    else
        assert_int_equal(json_object_object_add(parent, name, json_tokener_parse(value)), 0);
    return print_and_free(root);
}

/* The same with a value that json-c would not write: numbers that are too large, or no integers. */
static inline char *json_with_raw(const char *text, const char *pointer, const char *value)
{
    static const char mark[] = "\"@raw\"";
    char *marked = json_with(text, pointer, mark), *place = strstr(marked, mark), *out = NULL;

    assert_non_null(place);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(place - marked), marked, value, place + strlen(mark)) > 0);
    free(marked);
    return out;
}

/* The member a second time, with the same value. */
static inline char *json_twice(const char *text, const char *pointer)
{
    static const char mark[] = "\"@again\":";
    struct json_object *root = parse_good(text);
    const char *name;
    struct json_object *parent = parent_of(root, pointer, &name);
    char *once, *place, *twice = NULL;

    assert_int_equal(json_object_object_add(parent, "@again", json_object_get(node_at(root, pointer))), 0);
    once = print_and_free(root);
    place = strstr(once, mark);
    assert_non_null(place);
    assert_true(asprintf(&twice, "%.*s\"%s\":%s", (int)(place - once), once, name, place + strlen(mark)) > 0);
    free(once);
    return twice;
}

typedef int (*parse_function)(const char *text, struct reason *why);

static inline void assert_refused(parse_function parse, char *text, const char *what)
{
    struct reason why = { "" };
    int r = parse(text, &why);

    if (r >= 0)
        fail_msg("accepted %s: %s", what, text);
    if (!why.text[0])
        fail_msg("no reason for %s", what);
    free(text);
}

/* A required member: missing, null, of each other type, and twice. `is`: the first character of the right type. */
static inline void assert_required(parse_function parse, const char *good, const char *pointer)
{
    static const char *const values[] = { "null", "true", "7", "-7", "\"x\"", "[]", "[7]", "{}", "{\"x\":7}" };
    struct json_object *root = parse_good(good);
    enum json_type type = json_object_get_type(node_at(root, pointer));

    (void)json_object_put(root);
    assert_refused(parse, json_without(good, pointer), pointer);
    assert_refused(parse, json_twice(good, pointer), pointer);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct json_object *value = json_tokener_parse(values[i]);

        if (!json_object_is_type(value, type))
            assert_refused(parse, json_with(good, pointer, values[i]), pointer);
        (void)json_object_put(value);
    }
}
