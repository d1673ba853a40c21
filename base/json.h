/*
 * Strict JSON over json-c (RFC 8259, with most of I-JSON, RFC 7493): one text, valid UTF-8 without NULs and halves of
 * surrogate pairs, also when they are written as escapes, no duplicate members, integers only, bounded size and depth;
 * then members read one by one, and none left over.
 *
 * Reading is a struct json_reader for each object or array. Its error is sticky and shared with its children: read all
 * members, call json_read_done(), and ask once. The first error's member path ("volumes[0].id") is in the reason.
 * Not for secrets: json-c's memory is ordinary heap.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

struct json_object;

/* Nesting that any of our formats needs; the KBS evidence has 5. */
#define JSON_MAX_DEPTH 8
#define JSON_MAX_MEMBERS 64

/*
 * Parses exactly one JSON object or array of `size` bytes (no BOM, only white space around it). The caller releases
 * *ret_root with json_free(). Errors: -EMSGSIZE above `max`, -EBADMSG with the sentence in `why`, -ENOMEM.
 */
int json_parse(const void *text, size_t size, size_t max, struct json_object **ret_root, struct reason *why) MUST_CHECK;

void json_free(struct json_object **root);

#define CLEANUP_JSON CLEANUP(json_free)

struct json_reader {
    struct json_object *node;
    const struct json_reader *parent;
    const char *name; /* member name in the parent, or NULL for an array element */
    size_t index;     /* place in a parent array */
    const char *seen[JSON_MAX_MEMBERS];
    size_t seen_count;
    struct json_status *status;
};

struct json_status {
    int error; /* 0 or the first error, negative */
    struct reason *why;
};

enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

/* A reader over the root, which must be an object. `status` is shared by all readers below. */
void json_read_root(struct json_object *root, struct json_status *status, struct json_reader *ret_reader);

/*
 * Members. Each gives whether the member was there and right; an absent optional one leaves *ret_… as it was. A
 * member of another type, or out of bounds, is an error; `null` counts as absent only for optional members.
 * Strings live as long as the root.
 */
bool json_read_string(struct json_reader *r, const char *name, enum json_need need, size_t max, const char **ret_text);
bool json_read_u64(struct json_reader *r, const char *name, enum json_need need, uint64_t min, uint64_t max,
                   uint64_t *ret_value);
bool json_read_i64(struct json_reader *r, const char *name, enum json_need need, int64_t min, int64_t max,
                   int64_t *ret_value);
bool json_read_bool(struct json_reader *r, const char *name, enum json_need need, bool *ret_value);
bool json_read_hex(struct json_reader *r, const char *name, enum json_need need, void *ret_data, size_t size);
bool json_read_base64(struct json_reader *r, const char *name, enum json_need need, int form, void *ret_data,
                      size_t max, size_t *ret_size);
bool json_read_object(struct json_reader *r, const char *name, enum json_need need, struct json_reader *ret_reader);
bool json_read_array(struct json_reader *r, const char *name, enum json_need need, size_t max,
                     struct json_reader *ret_reader, size_t *ret_count);

/* Element `index` of an array reader. */
bool json_element_object(struct json_reader *array, size_t index, struct json_reader *ret_reader);
bool json_element_string(struct json_reader *array, size_t index, size_t max, const char **ret_text);
bool json_element_hex(struct json_reader *array, size_t index, void *ret_data, size_t size);
bool json_element_u64(struct json_reader *array, size_t index, uint64_t max, uint64_t *ret_value);

/* Looking without reading: whether a member is there (null included), and whether it is an object or a string. */
bool json_has(const struct json_reader *r, const char *name);
bool json_is_object(const struct json_reader *r, const char *name);
bool json_is_string(const struct json_reader *r, const char *name);

/* Reads a member that is null; false, and nothing read, when it is anything else. */
bool json_read_null(struct json_reader *r, const char *name);

/* Marks a member as known without reading it: for members that a protocol allows and we do not use. */
void json_ignore(struct json_reader *r, const char *name);

/* Every member must have been read: an unknown one is an error that names it. */
void json_read_done(struct json_reader *r);

/* Writes the path of this reader's member `name` (or its own, when NULL), "volumes[0].id", cut to `room` bytes. */
void json_path(const struct json_reader *r, const char *name, char *to, size_t room);

/* An error about this reader's member `name` (or about itself, when NULL), with its path before the sentence. */
void json_refuse(struct json_reader *r, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
