/* Strict reading of JSON that anybody may have written. */
#include "base/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/json-scan.h"

static size_t count_members(struct json_object *node)
{
    size_t count = 0, length;

    switch (json_object_get_type(node)) {
    case json_type_object: {
        json_object_object_foreach(node, key, value) {
            (void)key;
            count += 1 + count_members(value);
        }
        return count;
    }
    case json_type_array:
        length = json_object_array_length(node);
        for (size_t i = 0; i < length; i++)
            count += count_members(json_object_array_get_idx(node, i));
        return count;
    default:
        return 0;
    }
}

/*
 * The grammar, by json-c. Not in its strict mode, which in version 0.18 takes every byte above 0x7f in a string for a
 * control character; what that mode refuses beyond this, and what its check of UTF-8 lets through, json_scan() refuses.
 */
static int parse_text(const void *text, size_t size, struct json_object **ret_root, struct reason *why)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH + 1);
    struct json_object *root;
    enum json_tokener_error error;
    size_t end;

    if (!tokener)
        return -ENOMEM;
    root = json_tokener_parse_ex(tokener, text, (int)size);
    error = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    if (error == json_tokener_error_memory)
        return -ENOMEM;
    for (; error == json_tokener_success && end < size; end++)
        if (!memchr(" \t\r\n", ((const char *)text)[end], 4))
            break;
    if (error != json_tokener_success || end < size) {
        json_object_put(root);
        return reason_set(why, -EBADMSG, "not JSON at byte %zu: %s", end,
                          error == json_tokener_continue  ? "it ends too early"
                          : error == json_tokener_success ? "something follows it"
                                                          : json_tokener_error_desc(error));
    }
    *ret_root = root;
    return 0;
}

int json_parse(const void *text, size_t size, size_t max, struct json_object **ret_root, struct reason *why)
{
    struct json_object *root = NULL;
    const char *what = NULL;
    size_t members = 0;
    int r;

    if (size > max || size > INT32_MAX)
        return reason_set(why, -EMSGSIZE, "JSON of %zu bytes, at most %zu are accepted", size, max);
    r = json_scan(text, size, JSON_MAX_DEPTH, &members, &what);
    if (r < 0)
        return reason_set(why, r, "not acceptable as JSON: %s", what);
    r = parse_text(text, size, &root, why);
    if (r < 0)
        return r;
    if (count_members(root) != members) {
        json_object_put(root);
        return reason_set(why, -EBADMSG, "a member name stands twice in one object");
    }
    *ret_root = root;
    return 0;
}

void json_free(struct json_object **root)
{
    (void)json_object_put(*root);
    *root = NULL;
}

/* From the root down. */
void json_path(const struct json_reader *r, const char *name, char *to, size_t room)
{
    size_t used;

    to[0] = '\0';
    if (r->parent) {
        json_path(r->parent, NULL, to, room);
        used = strlen(to);
        if (r->name)
            (void)snprintf(to + used, room - used, "%s%s", used ? "." : "", r->name);
        else
            (void)snprintf(to + used, room - used, "[%zu]", r->index);
    }
    used = strlen(to);
    if (name)
        (void)snprintf(to + used, room - used, "%s%s", used ? "." : "", name);
}

void json_refuse(struct json_reader *r, const char *name, const char *format, ...)
{
    char path[128], sentence[192];
    va_list arguments;

    if (r->status->error)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    json_path(r, name, path, sizeof(path));
    r->status->error = reason_set(r->status->why, -EBADMSG, "%s: %s", path[0] ? path : "top level", sentence);
}

void json_read_root(struct json_object *root, struct json_status *status, struct json_reader *ret_reader)
{
    *ret_reader = (struct json_reader){ .node = root, .status = status };
    if (!json_object_is_type(root, json_type_object))
        json_refuse(ret_reader, NULL, "expected an object");
}

static void mark_seen(struct json_reader *r, const char *name)
{
    if (r->seen_count < ARRAY_SIZE(r->seen))
        r->seen[r->seen_count++] = name;
}

/* The member when it is there and of the wanted type; reports what is wrong otherwise. */
static struct json_object *member(struct json_reader *r, const char *name, enum json_need need, enum json_type type,
                                  const char *expected)
{
    struct json_object *value = NULL;

    if (r->status->error)
        return NULL;
    if (!json_object_object_get_ex(r->node, name, &value)) {
        if (need == JSON_REQUIRED)
            json_refuse(r, name, "missing, expected %s", expected);
        return NULL;
    }
    mark_seen(r, name);
    if (!value && need == JSON_OPTIONAL)
        return NULL;
    if (!json_object_is_type(value, type)) {
        json_refuse(r, name, "expected %s, found %s", expected, json_type_to_name(json_object_get_type(value)));
        return NULL;
    }
    return value;
}

/* At most `max` bytes. json_scan() sees to it that no string holds a NUL. */
static bool take_string(struct json_reader *r, const char *name, struct json_object *value, size_t max,
                        const char **ret_text)
{
    const char *text = json_object_get_string(value);
    size_t size = (size_t)json_object_get_string_len(value);

    if (size > max) {
        json_refuse(r, name, "%zu bytes, at most %zu are accepted", size, max);
        return false;
    }
    *ret_text = text;
    return true;
}

static bool take_u64(struct json_reader *r, const char *name, struct json_object *value, uint64_t min, uint64_t max,
                     uint64_t *ret_value)
{
    uint64_t number = json_object_get_uint64(value);

    if (json_object_get_int64(value) < 0 || number < min || number > max) {
        json_refuse(r, name, "expected a number from %llu to %llu, found %s", (unsigned long long)min,
                    (unsigned long long)max, json_object_to_json_string(value));
        return false;
    }
    *ret_value = number;
    return true;
}

bool json_read_string(struct json_reader *r, const char *name, enum json_need need, size_t max, const char **ret_text)
{
    struct json_object *value = member(r, name, need, json_type_string, "a string");

    return value && take_string(r, name, value, max, ret_text);
}

bool json_read_u64(struct json_reader *r, const char *name, enum json_need need, uint64_t min, uint64_t max,
                   uint64_t *ret_value)
{
    struct json_object *value = member(r, name, need, json_type_int, "a number");

    return value && take_u64(r, name, value, min, max, ret_value);
}

bool json_read_i64(struct json_reader *r, const char *name, enum json_need need, int64_t min, int64_t max,
                   int64_t *ret_value)
{
    struct json_object *value = member(r, name, need, json_type_int, "a number");
    int64_t number = value ? json_object_get_int64(value) : 0;

    if (!value)
        return false;
    if (number < min || number > max) {
        json_refuse(r, name, "expected a number from %lld to %lld, found %s", (long long)min, (long long)max,
                    json_object_to_json_string(value));
        return false;
    }
    *ret_value = number;
    return true;
}

bool json_read_bool(struct json_reader *r, const char *name, enum json_need need, bool *ret_value)
{
    struct json_object *value = member(r, name, need, json_type_boolean, "true or false");

    if (!value)
        return false;
    *ret_value = json_object_get_boolean(value);
    return true;
}

static bool take_hex(struct json_reader *r, const char *name, struct json_object *value, void *ret_data, size_t size)
{
    const char *text;

    if (!take_string(r, name, value, 2 * size, &text))
        return false;
    if (hex_decode(text, strlen(text), ret_data, size) < 0) {
        json_refuse(r, name, "expected %zu hexadecimal digits", 2 * size);
        return false;
    }
    return true;
}

bool json_read_hex(struct json_reader *r, const char *name, enum json_need need, void *ret_data, size_t size)
{
    struct json_object *value = member(r, name, need, json_type_string, "a string");

    return value && take_hex(r, name, value, ret_data, size);
}

bool json_read_base64(struct json_reader *r, const char *name, enum json_need need, int form, void *ret_data,
                      size_t max, size_t *ret_size)
{
    const char *text;

    if (!json_read_string(r, name, need, BASE64_TEXT_BYTES(max), &text))
        return false;
    if (base64_decode((enum base64_form)form, text, strlen(text), ret_data, max, ret_size) < 0) {
        json_refuse(r, name, "expected at most %zu bytes in %s", max, form == BASE64_URL ? "base64url" : "base64");
        return false;
    }
    return true;
}

bool json_read_object(struct json_reader *r, const char *name, enum json_need need, struct json_reader *ret_reader)
{
    struct json_object *value = member(r, name, need, json_type_object, "an object");

    if (!value)
        return false;
    *ret_reader = (struct json_reader){ .node = value, .parent = r, .name = name, .status = r->status };
    return true;
}

bool json_read_array(struct json_reader *r, const char *name, enum json_need need, size_t max,
                     struct json_reader *ret_reader, size_t *ret_count)
{
    struct json_object *value = member(r, name, need, json_type_array, "an array");
    size_t count;

    if (!value)
        return false;
    count = json_object_array_length(value);
    if (count > max) {
        json_refuse(r, name, "%zu elements, at most %zu are accepted", count, max);
        return false;
    }
    *ret_reader = (struct json_reader){ .node = value, .parent = r, .name = name, .status = r->status };
    *ret_count = count;
    return true;
}

static struct json_object *element(struct json_reader *array, size_t index, enum json_type type, const char *expected,
                                   struct json_reader *ret_place)
{
    struct json_object *value;

    if (array->status->error)
        return NULL;
    value = json_object_array_get_idx(array->node, index);
    *ret_place = (struct json_reader){ .node = value, .parent = array, .index = index, .status = array->status };
    if (json_object_is_type(value, type))
        return value;
    json_refuse(ret_place, NULL, "expected %s, found %s", expected, json_type_to_name(json_object_get_type(value)));
    return NULL;
}

bool json_element_object(struct json_reader *array, size_t index, struct json_reader *ret_reader)
{
    struct json_reader place;

    if (!element(array, index, json_type_object, "an object", &place))
        return false;
    *ret_reader = place;
    return true;
}

bool json_element_string(struct json_reader *array, size_t index, size_t max, const char **ret_text)
{
    struct json_reader place;
    struct json_object *value = element(array, index, json_type_string, "a string", &place);

    return value && take_string(&place, NULL, value, max, ret_text);
}

bool json_element_hex(struct json_reader *array, size_t index, void *ret_data, size_t size)
{
    struct json_reader place;
    struct json_object *value = element(array, index, json_type_string, "a string", &place);

    return value && take_hex(&place, NULL, value, ret_data, size);
}

bool json_element_u64(struct json_reader *array, size_t index, uint64_t max, uint64_t *ret_value)
{
    struct json_reader place;
    struct json_object *value = element(array, index, json_type_int, "a number", &place);

    return value && take_u64(&place, NULL, value, 0, max, ret_value);
}

bool json_has(const struct json_reader *r, const char *name)
{
    return !r->status->error && json_object_object_get_ex(r->node, name, NULL);
}

void json_ignore(struct json_reader *r, const char *name)
{
    if (!r->status->error && json_object_object_get_ex(r->node, name, NULL))
        mark_seen(r, name);
}

void json_read_done(struct json_reader *r)
{
    if (r->status->error)
        return;
    json_object_object_foreach(r->node, key, value) {
        size_t i = 0;

        (void)value;
        while (i < r->seen_count && strcmp(r->seen[i], key) != 0)
            i++;
        if (i == r->seen_count) {
            json_refuse(r, key, "unknown member");
            return;
        }
    }
}
