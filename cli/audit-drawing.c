/*
 * The launch as a drawing: every measured page at its width, and below it, enlarged, those that vanish beside the
 * firmware. Numbers are those of the list that follows it on the page. Names come from this program, not from input.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/audit-page.h"

#define WIDTH 1000u
#define BAR_HEIGHT 54u
#define FIRST_TOP 34u
#define ZOOM_TOP 150u
#define HEIGHT 258u

static const struct {
    const char *class;
    const char *words;
} kinds[] = {
    { "k-code", "firmware: contents are measured" },
    { "k-hashes", "hashes of kernel, initrd and command line" },
    { "k-zero", "zeros" },
    { "k-secrets", "secrets: place and kind are measured" },
    { "k-cpuid", "CPUID: place and kind are measured" },
    { "k-open", "not measured" },
    { "k-vmsa", "state of a CPU" },
};

static size_t kind_of(const struct contribution *step)
{
    if (step->kind == CONTRIBUTION_VMSA)
        return 6;
    if (step->kind == CONTRIBUTION_FIRMWARE || step->kind == CONTRIBUTION_SVSM)
        return 0;
    if (strcmp(step->page_type, "normal") == 0)
        return 1;
    if (strcmp(step->page_type, "secrets") == 0)
        return 3;
    if (strcmp(step->page_type, "CPUID") == 0)
        return 4;
    return strcmp(step->page_type, "zero") == 0 ? 2 : 5;
}

/* A place on the bar in thousandths: no floating point, so that every machine draws the same. */
struct place {
    uint64_t left, width;
};

static struct place place_of(uint64_t before, uint64_t pages, uint64_t total)
{
    struct place place = { .left = before * WIDTH * 1000 / total };

    place.width = (before + pages) * WIDTH * 1000 / total - place.left;
    return place;
}

static void add_number(struct buffer *to, const char *name, uint64_t thousandths)
{
    buffer_printf(to, " %s=\"%" PRIu64 ".%03u\"", name, thousandths / 1000, (unsigned)(thousandths % 1000));
}

static void add_segment(struct buffer *to, const struct contribution *step, size_t number, struct place place,
                        unsigned top)
{
    buffer_printf(to, "<g><title>%zu. %s, %" PRIu64 " page%s</title><rect class=\"%s\" y=\"%u\" height=\"%u\"", number,
                  step->name, step->pages, step->pages == 1 ? "" : "s", kinds[kind_of(step)].class, top, BAR_HEIGHT);
    add_number(to, "x", place.left);
    add_number(to, "width", place.width);
    buffer_add_text(to, "/>");
    if (place.width >= 16000) {
        buffer_printf(to, "<text class=\"n\" y=\"%u\"", top + BAR_HEIGHT / 2 + 5);
        add_number(to, "x", place.left + place.width / 2);
        if (place.width >= 220000)
            buffer_printf(to, ">%zu. %s, %" PRIu64 " pages</text>", number, step->name, step->pages);
        else
            buffer_printf(to, ">%zu</text>", number);
    }
    buffer_add_text(to, "</g>");
}

static void add_bar(struct buffer *to, const struct audit *audit, size_t from, uint64_t total, unsigned top)
{
    uint64_t before = 0;

    for (size_t i = from; i < audit->step_count; i++) {
        const struct contribution *step = &audit->steps[i];

        add_segment(to, step, i + 1, place_of(before, step->pages, total), top);
        before += step->pages;
    }
}

/* From the ends of the small part to those of the bar that enlarges it. */
static void add_lens(struct buffer *to, struct place small)
{
    unsigned from = FIRST_TOP + BAR_HEIGHT;

    buffer_printf(to, "<path class=\"lens\" d=\"M%" PRIu64 ".%03u %uL0 %uH%uL%u %uZ\"/>", small.left / 1000,
                  (unsigned)(small.left % 1000), from, ZOOM_TOP, WIDTH, WIDTH, from);
}

static void add_legend(struct buffer *to, const struct audit *audit)
{
    bool there[ARRAY_SIZE(kinds)] = { false };

    for (size_t i = 0; i < audit->step_count; i++)
        there[kind_of(&audit->steps[i])] = true;
    buffer_add_text(to, "<ul class=\"legend\">");
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (there[i])
            buffer_printf(to,
                          "<li><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"%s\" width=\"12\" "
                          "height=\"12\"/></svg>%s</li>",
                          kinds[i].class, kinds[i].words);
    buffer_add_text(to, "</ul>");
}

void audit_drawing(const struct audit *audit, struct buffer *to)
{
    uint64_t total = 0, first;

    if (!audit->step_count)
        return;
    for (size_t i = 0; i < audit->step_count; i++)
        total += audit->steps[i].pages;
    first = audit->steps[0].pages;
    buffer_printf(to,
                  "<svg class=\"chain\" viewBox=\"0 0 %u %u\" role=\"img\" aria-labelledby=\"chain-title chain-words\">"
                  "<title id=\"chain-title\">The measured pages, to scale</title><desc id=\"chain-words\">%" PRIu64
                  " pages in the order of the launch; the list below has the same numbers.</desc>"
                  "<text y=\"20\">All %" PRIu64 " measured pages, to scale</text>",
                  WIDTH, total > first ? HEIGHT : FIRST_TOP + BAR_HEIGHT + 8, total, total);
    add_bar(to, audit, 0, total, FIRST_TOP);
    if (total > first) {
        add_lens(to, place_of(first, total - first, total));
        add_bar(to, audit, 1, total - first, ZOOM_TOP);
        buffer_printf(to, "<text y=\"%u\">The last %" PRIu64 " pages enlarged, to a scale of their own</text>",
                      ZOOM_TOP + BAR_HEIGHT + 24, total - first);
    }
    buffer_add_text(to, "</svg>");
    add_legend(to, audit);
}
