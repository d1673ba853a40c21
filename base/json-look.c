/* Looking at members without reading them. Anybody may control the text. */
#include <json-c/json.h>

#include "base/json.h"

static bool is_type(const struct json_reader *r, const char *name, json_type type)
{
    struct json_object *value = NULL;

    return !r->status->error && json_object_object_get_ex(r->node, name, &value) && json_object_is_type(value, type);
}

bool json_is_object(const struct json_reader *r, const char *name)
{
    return is_type(r, name, json_type_object);
}

bool json_is_string(const struct json_reader *r, const char *name)
{
    return is_type(r, name, json_type_string);
}

bool json_read_null(struct json_reader *r, const char *name)
{
    struct json_object *value = NULL;

    if (r->status->error || !json_object_object_get_ex(r->node, name, &value) || value)
        return false;
    json_ignore(r, name);
    return true;
}
