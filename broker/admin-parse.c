/* Messages on the administration socket. Those who can send them may administer the broker; a slip is refused. Pure. */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "broker/admin.h"

#define FORMAT 1
#define FLAG_NEXT 1
#define FLAG_JSON 2

/* Sixteen bits of length and printable ASCII; `room` counts the NUL. */
static bool read_text(struct cursor *c, char *ret_text, size_t room)
{
    size_t size = cursor_u16le(c);

    if (size >= room)
        return false;
    cursor_copy(c, ret_text, size);
    ret_text[size] = '\0';
    for (size_t i = 0; i < size; i++)
        if (ret_text[i] < ' ' || ret_text[i] > '~')
            return false;
    return true;
}

static bool read_files(struct cursor *c, struct admin_request *request)
{
    request->file_count = cursor_u8(c);
    if (request->file_count > ADMIN_MAX_FILES)
        return false;
    for (size_t i = 0; i < request->file_count; i++) {
        uint8_t kind = cursor_u8(c);

        request->files[i].kind = (enum admin_file_kind)kind;
        request->files[i].fd = -1;
        if (!kind || kind >= ADMIN_FILE_KINDS || !read_text(c, request->files[i].name, ADMIN_NAME_BYTES))
            return false;
    }
    return true;
}

static bool read_all(struct cursor *c, struct admin_request *request)
{
    uint8_t format = cursor_u8(c), verb = cursor_u8(c), flags = cursor_u8(c);

    request->verb = (enum admin_verb)verb;
    request->next = flags & FLAG_NEXT;
    request->json = flags & FLAG_JSON;
    request->version = cursor_u64le(c);
    request->threshold = cursor_u32le(c);
    if (format != FORMAT || !verb || verb >= ADMIN_VERBS || flags > (FLAG_NEXT | FLAG_JSON) ||
        request->version > INT64_MAX || !read_text(c, request->resource, sizeof(request->resource)) ||
        !read_text(c, request->policy, sizeof(request->policy)))
        return false;
    request->measurement_count = cursor_u16le(c);
    if (request->measurement_count > ADMIN_MAX_MEASUREMENTS)
        return false;
    for (size_t i = 0; i < request->measurement_count; i++)
        cursor_copy(c, request->measurements[i], MEASUREMENT_BYTES);
    return read_files(c, request);
}

int admin_parse(const void *data, size_t size, struct admin_request *ret_request)
{
    struct cursor c = cursor_over(data, size);

    memset(ret_request, 0, sizeof(*ret_request));
    if (read_all(&c, ret_request) && cursor_end(&c) == 0)
        return 0;
    memset(ret_request, 0, sizeof(*ret_request));
    return -EBADMSG;
}

static void write_text(struct buffer *to, const char *text)
{
    buffer_add_u16le(to, (uint16_t)strlen(text));
    buffer_add_text(to, text);
}

void admin_write(const struct admin_request *request, struct buffer *to)
{
    buffer_add_u8(to, FORMAT);
    buffer_add_u8(to, (uint8_t)request->verb);
    buffer_add_u8(to, (uint8_t)((request->next ? FLAG_NEXT : 0) | (request->json ? FLAG_JSON : 0)));
    buffer_add_u64le(to, request->version);
    buffer_add_u32le(to, request->threshold);
    write_text(to, request->resource);
    write_text(to, request->policy);
    buffer_add_u16le(to, (uint16_t)request->measurement_count);
    for (size_t i = 0; i < request->measurement_count; i++)
        buffer_add(to, request->measurements[i], MEASUREMENT_BYTES);
    buffer_add_u8(to, (uint8_t)request->file_count);
    for (size_t i = 0; i < request->file_count; i++) {
        buffer_add_u8(to, (uint8_t)request->files[i].kind);
        write_text(to, request->files[i].name);
    }
}
