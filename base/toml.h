/*
 * A strict part of TOML 1.0: what Confidential Containers' init-data and the provisioner's confdata are written in.
 *
 * Lines of `key = "string"`, at the top or in one table, with comments. Keys are bare or quoted, never dotted; values
 * are the four kinds of strings, and nothing else. ASCII alone; the escapes \b \t \n \f \r \" \\. Refused, though TOML
 * has them: other types, further tables, \u escapes, a backslash at the end of a line. Nothing is copied: values are
 * given as they lie in the text, which may be a secret.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

#define TOML_MAX_ENTRIES 32
#define TOML_MAX_KEY_BYTES 95

enum toml_form {
    TOML_BASIC,   /* "…" and """…""", with escapes */
    TOML_LITERAL, /* '…' and '''…''' */
};

struct toml_entry {
    bool in_table; /* behind the table's header */
    unsigned line; /* where it starts */
    char key[TOML_MAX_KEY_BYTES + 1];
    enum toml_form form;
    const char *raw; /* between the quotes; not terminated */
    size_t raw_size;
};

struct toml_reader {
    const char *at, *end;
    const char *table; /* the name of the one table */
    bool in_table;
    unsigned line;
    size_t count;
    struct {
        bool in_table;
        char key[TOML_MAX_KEY_BYTES + 1];
    } seen[TOML_MAX_ENTRIES];
};

/* Reads `text` from its start. Errors: -EBADMSG for a byte that is not acceptable text, with its line. */
int toml_open(const void *text, size_t size, const char *table, struct toml_reader *ret_reader, struct reason *why)
    MUST_CHECK;

/* The next entry: 1 when there is one, 0 at the end. Errors: -EBADMSG with the line; final. */
int toml_next(struct toml_reader *reader, struct toml_entry *ret_entry, struct reason *why) MUST_CHECK;

/* The value, escapes resolved, without a NUL: never longer than raw_size. Errors: -EMSGSIZE when it exceeds `room`. */
int toml_value(const struct toml_entry *entry, void *ret_value, size_t room, size_t *ret_size) MUST_CHECK;

/* The value as a C string of 1 to room - 1 characters without control characters. Errors: -EBADMSG. */
int toml_text(const struct toml_entry *entry, char *ret_text, size_t room) MUST_CHECK;
