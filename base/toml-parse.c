/* TOML from a host or a broker, which control every byte. Reads in place, once from front to back. Pure. */
#include "base/toml.h"

#include <errno.h>
#include <string.h>

#define BARE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static int refuse(const struct toml_reader *r, struct reason *why, const char *what)
{
    return reason_set(why, -EBADMSG, "line %u: %s", r->line, what);
}

static bool more(const struct toml_reader *r)
{
    return r->at < r->end;
}

static bool starts_with(const struct toml_reader *r, const char *text)
{
    size_t size = strlen(text);

    return (size_t)(r->end - r->at) >= size && memcmp(r->at, text, size) == 0;
}

static void skip_blanks(struct toml_reader *r)
{
    while (more(r) && (*r->at == ' ' || *r->at == '\t'))
        r->at++;
}

/* Blanks, a comment, and the end of the line or of the text. */
static bool skip_rest_of_line(struct toml_reader *r)
{
    skip_blanks(r);
    if (more(r) && *r->at == '#')
        while (more(r) && *r->at != '\n')
            r->at++;
    if (starts_with(r, "\r\n"))
        r->at++;
    if (!more(r))
        return true;
    if (*r->at != '\n')
        return false;
    r->at++;
    r->line++;
    return true;
}

/* Printable ASCII, tabs, and the two ends of lines. */
static bool text_is_plain(const char *text, size_t size, unsigned *ret_line)
{
    unsigned line = 1;

    for (size_t i = 0; i < size; i++) {
        bool end = text[i] == '\n' || (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n');

        if (!end && text[i] != '\t' && (text[i] < 0x20 || text[i] > 0x7e)) {
            *ret_line = line;
            return false;
        }
        line += text[i] == '\n';
    }
    return true;
}

int toml_open(const void *text, size_t size, const char *table, struct toml_reader *ret_reader, struct reason *why)
{
    unsigned line = 1;

    if (!text_is_plain(text, size, &line))
        return reason_set(why, -EBADMSG, "line %u: a byte that is neither printable ASCII nor the end of a line", line);
    memset(ret_reader, 0, sizeof(*ret_reader));
    ret_reader->at = text;
    ret_reader->end = ret_reader->at + size;
    ret_reader->table = table;
    ret_reader->line = 1;
    return 0;
}

/* The character that an escape stands for, or 0. */
static char escaped(char letter)
{
    static const char letters[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
    const char *found = letter ? strchr(letters, letter) : NULL;

    return found ? values[found - letters] : 0;
}

/* From behind the opening quotes to behind the closing ones, which are `quotes`. */
static bool scan_string(struct toml_reader *r, const char *quotes, struct toml_entry *entry)
{
    bool multi = quotes[1] != '\0';

    if (multi && starts_with(r, "\r\n"))
        r->at++;
    if (multi && starts_with(r, "\n")) {
        r->at++;
        r->line++;
    }
    entry->form = quotes[0] == '"' ? TOML_BASIC : TOML_LITERAL;
    entry->raw = r->at;
    while (more(r) && !starts_with(r, quotes)) {
        if (*r->at == '\n' && !multi)
            return false;
        if (*r->at == '\\' && entry->form == TOML_BASIC) {
            r->at++;
            if (!more(r) || !escaped(*r->at))
                return false;
        }
        r->line += *r->at == '\n';
        r->at++;
    }
    if (!more(r))
        return false;
    entry->raw_size = (size_t)(r->at - entry->raw);
    r->at += strlen(quotes);
    return true;
}

static bool read_string(struct toml_reader *r, bool multi, struct toml_entry *entry)
{
    static const char *const kinds[] = { "\"\"\"", "'''", "\"", "'" };

    for (size_t i = multi ? 0 : 2; i < ARRAY_SIZE(kinds); i++)
        if (starts_with(r, kinds[i])) {
            r->at += strlen(kinds[i]);
            return scan_string(r, kinds[i], entry);
        }
    return false;
}

static bool read_key(struct toml_reader *r, char ret_key[TOML_MAX_KEY_BYTES + 1])
{
    struct toml_entry quoted;
    size_t size = 0;

    if (more(r) && (*r->at == '"' || *r->at == '\''))
        return read_string(r, false, &quoted) && toml_text(&quoted, ret_key, TOML_MAX_KEY_BYTES + 1) == 0;
    while (more(r) && *r->at && strchr(BARE_CHARACTERS, *r->at)) {
        if (size == TOML_MAX_KEY_BYTES)
            return false;
        ret_key[size++] = *r->at++;
    }
    ret_key[size] = '\0';
    return size > 0;
}

static bool key_is_new(struct toml_reader *r, const char *key)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->seen[i].in_table == r->in_table && strcmp(r->seen[i].key, key) == 0)
            return false;
    r->seen[r->count].in_table = r->in_table;
    memcpy(r->seen[r->count++].key, key, strlen(key) + 1);
    return true;
}

/* `[name]` of the one table, once. */
static int read_header(struct toml_reader *r, struct reason *why)
{
    char name[TOML_MAX_KEY_BYTES + 1];

    r->at++;
    skip_blanks(r);
    if (!read_key(r, name) || strcmp(name, r->table) != 0)
        return refuse(r, why, "another table than the one that there may be");
    skip_blanks(r);
    if (!starts_with(r, "]"))
        return refuse(r, why, "expected ']'");
    r->at++;
    if (r->in_table)
        return refuse(r, why, "the table is there twice");
    r->in_table = true;
    return skip_rest_of_line(r) ? 0 : refuse(r, why, "text behind a table's header");
}

static int read_entry(struct toml_reader *r, struct toml_entry *entry, struct reason *why)
{
    unsigned line = r->line;

    entry->in_table = r->in_table;
    entry->line = line;
    if (!read_key(r, entry->key))
        return refuse(r, why, "expected a key, bare or in quotes");
    skip_blanks(r);
    if (starts_with(r, "."))
        return refuse(r, why, "a dotted key: put it in quotes");
    if (!starts_with(r, "="))
        return refuse(r, why, "expected '='");
    r->at++;
    skip_blanks(r);
    if (!read_string(r, true, entry)) {
        r->line = line;
        return refuse(r, why, "expected a string, with no other escapes than \\b \\t \\n \\f \\r \\\" \\\\");
    }
    if (!skip_rest_of_line(r))
        return refuse(r, why, "text behind a value");
    if (r->count == TOML_MAX_ENTRIES)
        return refuse(r, why, "too many keys");
    if (key_is_new(r, entry->key))
        return 0;
    r->line = line;
    return refuse(r, why, "a key that was there before");
}

int toml_next(struct toml_reader *reader, struct toml_entry *ret_entry, struct reason *why)
{
    struct toml_entry entry;
    int r;

    while (more(reader)) {
        skip_blanks(reader);
        if (skip_rest_of_line(reader))
            continue;
        if (*reader->at == '[') {
            r = read_header(reader, why);
            if (r < 0)
                return r;
            continue;
        }
        memset(&entry, 0, sizeof(entry));
        r = read_entry(reader, &entry, why);
        if (r < 0)
            return r;
        *ret_entry = entry;
        return 1;
    }
    return 0;
}

int toml_value(const struct toml_entry *entry, void *ret_value, size_t room, size_t *ret_size)
{
    char *to = ret_value;
    size_t size = 0;

    for (size_t i = 0; i < entry->raw_size; i++) {
        char c = entry->raw[i];

        if (c == '\\' && entry->form == TOML_BASIC)
            c = escaped(entry->raw[++i]);
        if (size == room)
            return -EMSGSIZE;
        to[size++] = c;
    }
    *ret_size = size;
    return 0;
}

int toml_text(const struct toml_entry *entry, char *ret_text, size_t room)
{
    size_t size = 0;

    if (toml_value(entry, ret_text, room - 1, &size) < 0 || !size)
        return -EBADMSG;
    for (size_t i = 0; i < size; i++)
        if (ret_text[i] < 0x20)
            return -EBADMSG;
    ret_text[size] = '\0';
    return 0;
}
