/*
 * A boot record as a drawing to scale, for terminals and as SVG. What is drawn came over the console: names are
 * escaped, times that do not fit together are left out.
 */
#include "cli/boot-record.h"

#include <string.h>

#define BAR_CELLS 40u
/* Of the SVG, in its own units. */
#define WIDTH 960u
#define BAR_LEFT 110u
#define BAR_WIDTH 720u
#define ROW_HEIGHT 24u
#define BAR_HEIGHT 16u
#define HEAD_HEIGHT 34u
#define FOOT_HEIGHT 30u
#define MOST_TICKS 10u

void boot_record_write_host(const struct boot_record *record, struct buffer *to)
{
    if (record->firmware_us)
        buffer_printf(to, BOOT_RECORD_HOST_MARK "{\"postern\":1,\"firmware_us\":%llu}\n",
                      (unsigned long long)record->firmware_us);
}

static void add_row(struct boot_record_row *rows, size_t *count, const char *name, uint64_t begin_us, uint64_t us)
{
    rows[(*count)++] = (struct boot_record_row){ .name = name, .begin_us = begin_us, .us = us };
}

size_t boot_record_rows(const struct boot_record *record, struct boot_record_row ret_rows[BOOT_RECORD_MAX_ROWS],
                        uint64_t *ret_total_us)
{
    const struct boot_record_stage *first = record->stages, *last;
    uint64_t offset_us = record->firmware_us, total_us;
    size_t count = 0;

    if (!record->count)
        return 0;
    last = &record->stages[record->count - 1];
    /* Room for the products that drawing makes. */
    if (__builtin_add_overflow(last->at_us, last->us, &total_us) ||
        __builtin_add_overflow(total_us, offset_us, &total_us) || !total_us || total_us > UINT64_MAX / WIDTH / 2)
        return 0;
    if (offset_us)
        add_row(ret_rows, &count, "firmware", 0, offset_us);
    add_row(ret_rows, &count, "kernel", offset_us,
            first->at_us < total_us - offset_us ? first->at_us : total_us - offset_us);
    for (size_t i = 0; i < record->count; i++) {
        const struct boot_record_stage *stage = &record->stages[i];

        if (stage->at_us > total_us - offset_us || stage->us > total_us - offset_us - stage->at_us)
            continue;
        add_row(ret_rows, &count, stage->name, offset_us + stage->at_us, stage->us);
        ret_rows[count - 1].refused = stage->refused;
    }
    *ret_total_us = total_us;
    return count;
}

/* A bar from where the row begins to where it ends, on a line that stands for the whole time. */
static void draw_bar(struct buffer *to, const struct boot_record_row *row, uint64_t total_us)
{
    uint64_t from = row->begin_us * BAR_CELLS / total_us, cells = (row->us * BAR_CELLS + total_us - 1) / total_us;

    for (uint64_t cell = 0; cell < BAR_CELLS; cell++)
        buffer_add_text(to, cell >= from && cell < from + (cells ? cells : 1) ? "█" : "·");
}

void boot_record_draw(const struct boot_record *record, struct buffer *to)
{
    struct boot_record_row rows[BOOT_RECORD_MAX_ROWS];
    uint64_t total_us = 0;
    size_t count = boot_record_rows(record, rows, &total_us);

    for (size_t i = 0; i < count; i++) {
        buffer_printf(to, "  %-10s ", rows[i].name);
        draw_bar(to, &rows[i], total_us);
        buffer_printf(to, " %9.1f ms%s\n", (double)rows[i].us / 1000, rows[i].refused ? "  refused" : "");
    }
    if (count)
        buffer_printf(to, "  %-10s %40s %9.1f ms\n", "together", "", (double)total_us / 1000);
}

/* The step between the marks of the scale: 1, 2 or 5 of a power of ten, so that there are at most MOST_TICKS. */
static uint64_t tick_us(uint64_t total_us)
{
    static const unsigned factors[] = { 2, 5, 10 };
    uint64_t decade = 1;

    for (;; decade *= 10) {
        if (total_us / decade <= MOST_TICKS)
            return decade;
        for (size_t i = 0; i < 2; i++)
            if (total_us / (decade * factors[i]) <= MOST_TICKS)
                return decade * factors[i];
    }
}

static void draw_scale(struct buffer *to, uint64_t total_us, unsigned bottom)
{
    uint64_t step_us = tick_us(total_us);

    for (uint64_t at_us = 0; at_us <= total_us; at_us += step_us) {
        unsigned x = BAR_LEFT + (unsigned)(at_us * BAR_WIDTH / total_us);

        buffer_printf(to, "<path class=\"tick\" d=\"M%u %uV%u\"/>\n", x, HEAD_HEIGHT, bottom);
        buffer_printf(to, "<text class=\"scale\" x=\"%u\" y=\"%u\">%g s</text>\n", x, bottom + 16,
                      (double)at_us / 1000000);
    }
}

static void add_escaped(struct buffer *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buffer_add_text(to, "&lt;");
        else if (*text == '&')
            buffer_add_text(to, "&amp;");
        else
            buffer_add(to, (unsigned char)*text < ' ' ? "?" : text, 1); /* XML has no place for control characters */
    }
}

static const char *class_of(const struct boot_record_row *row)
{
    if (row->refused)
        return "refused";
    return strcmp(row->name, "firmware") == 0 || strcmp(row->name, "kernel") == 0 ? "before" : "stage";
}

static void draw_row(struct buffer *to, const struct boot_record_row *row, uint64_t total_us, unsigned top)
{
    unsigned left = BAR_LEFT + (unsigned)(row->begin_us * BAR_WIDTH / total_us);
    unsigned width = (unsigned)(row->us * BAR_WIDTH / total_us);
    unsigned text_y = top + BAR_HEIGHT - 4;

    buffer_printf(to, "<text class=\"name\" x=\"%u\" y=\"%u\">", BAR_LEFT - 8, text_y);
    add_escaped(to, row->name);
    buffer_printf(to, "</text>\n<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>\n", class_of(row),
                  left, top, width ? width : 1, BAR_HEIGHT);
    buffer_printf(to, "<text class=\"time\" x=\"%u\" y=\"%u\">%.1f ms%s</text>\n", WIDTH - 8, text_y,
                  (double)row->us / 1000, row->refused ? ", refused" : "");
}

void boot_record_draw_svg(const struct boot_record *record, struct buffer *to)
{
    struct boot_record_row rows[BOOT_RECORD_MAX_ROWS];
    uint64_t total_us = 0;
    size_t count = boot_record_rows(record, rows, &total_us);
    unsigned bottom = HEAD_HEIGHT + (unsigned)count * ROW_HEIGHT;

    if (!count)
        return;
    buffer_printf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" role=\"img\" "
                      "aria-label=\"boot of a guest, to scale\">\n", WIDTH, bottom + FOOT_HEIGHT);
    buffer_add_text(to, "<style>text{font:13px sans-serif;fill:#222}.name,.time{text-anchor:end}"
                        ".scale{text-anchor:middle;fill:#666;font-size:11px}.tick{stroke:#ddd}"
                        ".before{fill:#9aa5b1}.stage{fill:#2f6fab}.refused{fill:#c0392b}</style>\n");
    buffer_printf(to, "<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n", WIDTH, bottom + FOOT_HEIGHT);
    buffer_printf(to, "<text x=\"8\" y=\"20\">From %s to %s: %.3f s</text>\n",
                  record->firmware_us ? "the machine's start" : "the kernel's start",
                  record->handed_off ? "the workload" : "the end", (double)total_us / 1000000);
    draw_scale(to, total_us, bottom);
    for (size_t i = 0; i < count; i++)
        draw_row(to, &rows[i], total_us, HEAD_HEIGHT + (unsigned)i * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2);
    buffer_add_text(to, "</svg>\n");
}
