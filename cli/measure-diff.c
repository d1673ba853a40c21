/* postern measure --diff: two launches, contribution by contribution. */
#include "cli/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/command.h"
#include "base/encode.h"
#include "base/log.h"
#include "measure/explain.h"
#include "measure/vmsa.h"

/* Firmware, SVSM, sections, hash table, two kinds of VMSA. */
#define CONTRIBUTIONS_MAX (FIRMWARE_MAX_SECTIONS + 6)

struct side {
    const struct inputs_measured *measured;
    struct contribution list[CONTRIBUTIONS_MAX];
    size_t count, at;
};

struct diff {
    struct side sides[2];
    struct buffer to;
    bool json;
    size_t lines, different;
};

static int keep(void *context, const struct contribution *contribution)
{
    struct side *side = context;

    if (side->count == CONTRIBUTIONS_MAX)
        return -EOVERFLOW;
    side->list[side->count++] = *contribution;
    return 0;
}

/* One line of the result: what it is about, and what about it; NULL for nothing. */
static void add_line(struct diff *diff, const struct contribution *c, const char *detail)
{
    diff->different += detail != NULL;
    if (diff->json) {
        buffer_printf(&diff->to, "%s\n  {\"name\": \"%s\", \"gpa\": \"0x%" PRIx64 "\", \"same\": %s",
                      diff->lines ? "," : "", c->name, c->gpa, detail ? "false" : "true");
        if (detail) {
            buffer_add_text(&diff->to, ", \"difference\": ");
            buffer_add_json_string(&diff->to, detail);
        }
        buffer_add_text(&diff->to, "}");
    } else {
        buffer_printf(&diff->to, "%s %s at 0x%" PRIx64 "%s%s\n", detail ? "!" : " ", c->name, c->gpa,
                      detail ? ": " : "", detail ? detail : "");
    }
    diff->lines++;
}

/* ----------------------------------------------------------------------------------------- why two are not the same */

static void compare_pages(const struct firmware_file *a, const struct firmware_file *b, struct buffer *to)
{
    uint64_t pages = a->tables.size / PAGE_BYTES, differing = 0, first = 0;

    if (!a->pages || !b->pages) {
        if (memcmp(a->digest, b->digest, sizeof(a->digest)) != 0)
            buffer_add_text(to, "other pages (known by their digest alone)");
        return;
    }
    for (uint64_t i = pages; i-- > 0;)
        if (memcmp(a->pages[i], b->pages[i], SHA384_BYTES) != 0) {
            differing++;
            first = i;
        }
    if (differing)
        buffer_printf(to, "%" PRIu64 " of %" PRIu64 " pages differ, the first at file offset 0x%" PRIx64, differing,
                      pages, first * PAGE_BYTES);
}

static void compare_hashes(const struct inputs_measured *a, const struct inputs_measured *b, struct buffer *to)
{
    const struct kernel_hashes *x = &a->hashes, *y = &b->hashes;

    if (a->has_hashes != b->has_hashes) {
        buffer_printf(to, "%sonly the %s has a kernel", to->size ? ", " : "", a->has_hashes ? "first" : "second");
        return;
    }
    if (!a->has_hashes)
        return;
    if (memcmp(x->kernel, y->kernel, SHA256_BYTES) != 0)
        buffer_add_text(to, "the kernel differs");
    if (memcmp(x->initrd, y->initrd, SHA256_BYTES) != 0)
        buffer_printf(to, "%sthe initrd differs", to->size ? ", " : "");
    if (memcmp(x->cmdline, y->cmdline, SHA256_BYTES) != 0)
        buffer_printf(to, "%sthe command line differs", to->size ? ", " : "");
}

static void compare_vmsas(const struct contribution *a, const struct contribution *b, const struct side *sides,
                          bool first, struct buffer *to)
{
    uint8_t pages[2][PAGE_BYTES];
    const struct vmsa_field *field;

    if (a->pages != b->pages)
        buffer_printf(to, "%" PRIu64 " and %" PRIu64, a->pages, b->pages);
    for (int i = 0; i < 2; i++)
        launch_vmsa(&sides[i].measured->launch, first, pages[i]);
    for (size_t i = 0; (field = vmsa_field(i)); i++) {
        uint64_t x = vmsa_field_value(field, pages[0]), y = vmsa_field_value(field, pages[1]);

        if (x != y)
            buffer_printf(to, "%s%s 0x%" PRIx64 " and 0x%" PRIx64, to->size ? ", " : "", field->name, x, y);
    }
}

static void compare(struct diff *diff, const struct contribution *a, const struct contribution *b)
{
    CLEANUP_BUFFER struct buffer detail = BUFFER_EMPTY;
    const struct inputs_measured *x = diff->sides[0].measured, *y = diff->sides[1].measured;

    switch (a->kind) {
    case CONTRIBUTION_FIRMWARE:
        compare_pages(&x->firmware, &y->firmware, &detail);
        break;
    case CONTRIBUTION_SVSM:
        compare_pages(&x->svsm, &y->svsm, &detail);
        break;
    case CONTRIBUTION_SECTION:
        if (a->page_type && b->page_type && strcmp(a->page_type, b->page_type) != 0)
            buffer_printf(&detail, "%s and %s pages", a->page_type, b->page_type);
        if (strcmp(a->name, section_kind_name(SECTION_KERNEL_HASHES)) == 0)
            compare_hashes(x, y, &detail);
        break;
    case CONTRIBUTION_HASHES:
        compare_hashes(x, y, &detail);
        break;
    case CONTRIBUTION_VMSA:
        compare_vmsas(a, b, diff->sides, a[-1].kind != CONTRIBUTION_VMSA, &detail); /* firmware is before it */
        break;
    }
    /* Whatever the details missed: a hash never lies. */
    if (!detail.size && a->has_contents && b->has_contents && memcmp(a->contents, b->contents, SHA384_BYTES) != 0)
        buffer_add_text(&detail, "the contents differ");
    add_line(diff, a, detail.size ? buffer_text(&detail) : NULL);
}

/* -------------------------------------------------------------------------------------------------------- alignment */

static bool same_place(const struct contribution *a, const struct contribution *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && a->gpa == b->gpa && a->size == b->size;
}

/* How far from here the other has it, SIZE_MAX when no more. */
static size_t distance(const struct contribution *c, const struct side *other)
{
    for (size_t i = other->at; i < other->count; i++)
        if (same_place(c, &other->list[i]))
            return i - other->at;
    return SIZE_MAX;
}

/* It has no counterpart here: it stands elsewhere, or nowhere. */
static void add_lonely(struct diff *diff, const struct contribution *c, bool of_first)
{
    const struct side *other = &diff->sides[of_first];

    for (size_t i = 0; i < other->count; i++)
        if (same_place(c, &other->list[i])) {
            add_line(diff, c, of_first ? "elsewhere in the second's order" : "elsewhere in the first's order");
            return;
        }
    add_line(diff, c, of_first ? "only in the first" : "only in the second");
}

static void align(struct diff *diff)
{
    struct side *a = &diff->sides[0], *b = &diff->sides[1];

    while (a->at < a->count || b->at < b->count) {
        const struct contribution *x = a->at < a->count ? &a->list[a->at] : NULL;
        const struct contribution *y = b->at < b->count ? &b->list[b->at] : NULL;
        size_t to_x = x ? distance(x, b) : 0, to_y = y ? distance(y, a) : 0;

        if (x && y && to_x == 0) {
            compare(diff, x, y);
            a->at++;
            b->at++;
        } else if (x && (!y || to_x == SIZE_MAX || to_y <= to_x)) {
            add_lonely(diff, x, true);
            a->at++;
        } else {
            add_lonely(diff, y, false);
            b->at++;
        }
    }
}

static int run_diff(struct diff *diff, struct reason *why)
{
    for (int i = 0; i < 2; i++) {
        struct side *side = &diff->sides[i];
        uint8_t digest[LAUNCH_DIGEST_BYTES];
        int r = launch_explain(&side->measured->launch, keep, side, digest, why);

        if (r < 0)
            return r;
    }
    align(diff);
    return buffer_error(&diff->to);
}

int measure_diff(const struct inputs_measured *first, const struct inputs_measured *second, bool json)
{
    static struct diff diff; /* too large for a stack */
    char hex[2][HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    struct reason why = { "" };
    int r;

    diff = (struct diff){ .json = json, .sides = { { .measured = first }, { .measured = second } } };
    r = run_diff(&diff, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        buffer_free(&diff.to);
        return COMMAND_MISUSE;
    }
    hex_encode(first->digest, launch_digest_size(first->launch.mode), hex[0]);
    hex_encode(second->digest, launch_digest_size(second->launch.mode), hex[1]);
    if (json)
        printf("{\"contributions\": [%s\n ],\n \"first\": \"%s\", \"second\": \"%s\"}\n", buffer_text(&diff.to), hex[0],
               hex[1]);
    else
        printf("%sfirst   %s\nsecond  %s\n", buffer_text(&diff.to), hex[0], hex[1]);
    buffer_free(&diff.to);
    return strcmp(hex[0], hex[1]) == 0 ? COMMAND_OK : MEASURE_DIFFERS;
}
