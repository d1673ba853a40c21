/*
 * The page of an audit. Whatever came from the manifest goes through page_add_text(), and the policy in its head lets a
 * browser run and load nothing but the style and the script of audit-assets.c.
 */
#include "cli/audit-page.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "cli/cli.h"

void page_add_text(struct buffer *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&': buffer_add_text(to, "&amp;"); break;
        case '<': buffer_add_text(to, "&lt;"); break;
        case '>': buffer_add_text(to, "&gt;"); break;
        case '"': buffer_add_text(to, "&quot;"); break;
        case '\'': buffer_add_text(to, "&#39;"); break;
        default: buffer_add(to, text, 1);
        }
}

/* Text that may hold any bytes: unprintable ones as \xNN. */
static void add_clean(struct buffer *to, const char *text)
{
    CLEANUP_BUFFER struct buffer clean = BUFFER_EMPTY;

    audit_add_clean(&clean, text);
    page_add_text(to, buffer_text(&clean));
    to->error = to->error ? to->error : clean.error;
}

static void add_hex(struct buffer *to, const void *data, size_t size)
{
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    hex_encode(data, size, hex);
    buffer_add_text(to, hex);
}

/* A sentence of audit.h, escaped. */
static void add_sentence(struct buffer *to, const struct audit *audit,
                         void (*say)(const struct audit *, struct buffer *))
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    say(audit, &text);
    add_clean(to, buffer_text(&text));
    to->error = to->error ? to->error : text.error;
}

static int add_source_hash(struct buffer *to, const char *name, const char *text)
{
    uint8_t hash[SHA256_BYTES];
    char base64[BASE64_TEXT_BYTES(SHA256_BYTES)];

    if (EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    (void)base64_encode(BASE64_STANDARD, hash, sizeof(hash), base64);
    buffer_printf(to, "%s 'sha256-%s'; ", name, base64);
    return 0;
}

static int add_head(struct buffer *to, const struct audit *audit)
{
    int r;

    buffer_add_text(to, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    r = add_source_hash(to, "style-src", page_style);
    if (r == 0)
        r = add_source_hash(to, "script-src", page_script);
    buffer_add_text(to, "base-uri 'none'; form-action 'none'\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    buffer_add_text(to, audit_exit(audit) == AUDIT_AGREES ? "Agrees: " : "Does not agree: ");
    add_clean(to, audit->path);
    buffer_printf(to, "</title>\n<style>%s</style>\n</head>\n", page_style);
    return r;
}

static void add_verdict(struct buffer *to, const struct audit *audit)
{
    bool agrees = audit_exit(audit) == AUDIT_AGREES, vouched = audit->signatures_checked;

    buffer_add_text(to, "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n"
                        "<header>\n<h1><small>Audit of a published image</small>");
    add_clean(to, audit->path);
    buffer_printf(to,
                  "</h1>\n<div class=\"verdict %s\" id=\"verdict\"><span class=\"mark\" aria-hidden=\"true\">%s</span>"
                  "<p><b>%s</b><span>",
                  !agrees ? "bad" : vouched ? "good" : "note", !agrees ? "&#10007;" : "&#10003;",
                  !agrees   ? "Does not agree"
                  : vouched ? "Agrees"
                            : "Agrees, unsigned");
    add_sentence(to, audit, audit_outcome);
    buffer_add_text(to, "</span></p></div>\n</header>\n<main id=\"main\">\n");
}

static void add_signatures(struct buffer *to, const struct audit *audit)
{
    buffer_add_text(to, "<section aria-labelledby=\"h-signatures\">\n<h2 id=\"h-signatures\">Signatures</h2>\n");
    if (!audit->signatures_checked) {
        buffer_printf(to,
                      "<p class=\"note\">Not checked: the audit was run without keys. The envelope holds %zu "
                      "signature%s.</p>\n</section>\n",
                      audit->file.envelope.signature_count, audit->file.envelope.signature_count == 1 ? "" : "s");
        return;
    }
    buffer_printf(to, "<p class=\"%s\">%zu of %zu keys have signed, %zu have to.</p>\n",
                  audit->signatures_fail ? "bad" : "good", audit->verdict.keys, audit->keys.count, audit->threshold);
    buffer_add_text(to, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-signatures\" tabindex=\"0\">"
                        "<table class=\"wide\">\n<thead><tr><th scope=\"col\">Key (SHA-256 of its "
                        "SubjectPublicKeyInfo)</th><th scope=\"col\">Kind</th><th scope=\"col\">Signature</th></tr>"
                        "</thead>\n<tbody>\n");
    for (size_t i = 0; i < audit->keys.count; i++) {
        buffer_add_text(to, "<tr><td class=\"hex\">");
        add_hex(to, audit->keys.ids[i], KEY_ID_BYTES);
        buffer_printf(to, "</td><td>%s</td><td class=\"%s\">%s</td></tr>\n", key_kind_name(audit->keys.keys[i]),
                      audit->verdict.by[i] ? "good" : "note", audit->verdict.by[i] ? "holds" : "none by this key");
    }
    buffer_add_text(to, "</tbody></table></div>\n</section>\n");
}

static void add_artefacts(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;

    buffer_printf(to,
                  "<section aria-labelledby=\"h-artefacts\">\n<h2 id=\"h-artefacts\">Artefacts</h2>\n<p class=\"%s\">"
                  "%zu of %zu files are the published ones.</p>\n<div class=\"scroll\" role=\"region\" "
                  "aria-labelledby=\"h-artefacts\" tabindex=\"0\"><table class=\"wide\">\n<thead><tr>"
                  "<th scope=\"col\">Name</th><th scope=\"col\">Role</th><th scope=\"col\" class=\"num\">Bytes</th>"
                  "<th scope=\"col\">Published SHA-256, and the file here</th></tr></thead>\n<tbody>\n",
                  audit->artefacts_differ ? "bad" : "good", m->artefact_count - audit->artefacts_differ,
                  m->artefact_count);
    for (size_t i = 0; i < m->artefact_count; i++) {
        CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
        bool agrees = manifest_file_agrees(m, &audit->files, i);

        buffer_add_text(to, "<tr><th scope=\"row\">");
        page_add_text(to, m->artefacts[i].name);
        buffer_printf(to, "</th><td>%s</td><td class=\"num\">%" PRIu64 "</td><td><span class=\"hex\">",
                      audit_role(audit, i), m->artefacts[i].size);
        add_hex(to, m->artefacts[i].sha256, SHA256_BYTES);
        buffer_printf(to, "</span><br><span class=\"%s\">", agrees ? "good" : "bad");
        audit_artefact(audit, i, &text);
        add_clean(to, buffer_text(&text));
        buffer_add_text(to, "</span></td></tr>\n");
    }
    buffer_add_text(to, "</tbody></table></div>\n");
    if (m->has_cmdline) {
        buffer_add_text(to, "<h3>Command line</h3>\n<pre>");
        add_clean(to, m->cmdline);
        buffer_add_text(to, "</pre>\n");
    }
    buffer_add_text(to, "</section>\n");
}

static void add_step(struct buffer *to, const struct contribution *step, size_t number)
{
    buffer_printf(to,
                  "<tr><td class=\"num\">%zu</td><th scope=\"row\">%s</th><td>%s</td><td class=\"num\">%" PRIu64
                  "</td><td class=\"hex whole\">0x%" PRIx64 "</td><td class=\"hex\">",
                  number, step->name, step->page_type ? step->page_type : "", step->pages, step->gpa);
    if (step->has_contents)
        add_hex(to, step->contents, SHA384_BYTES);
    else
        buffer_add_text(to, "-");
    buffer_add_text(to, "</td><td class=\"hex\">");
    add_hex(to, step->digest, LAUNCH_DIGEST_BYTES);
    buffer_add_text(to, "</td></tr>\n");
}

static void add_chain(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    struct manifest_row row = manifest_plan_row(&m->plan, 0);

    buffer_add_text(to, "<section aria-labelledby=\"h-chain\">\n<h2 id=\"h-chain\">What is measured</h2>\n");
    if (!audit->rows_checked) {
        buffer_add_text(to, "<p class=\"bad\">");
        add_sentence(to, audit, audit_rows);
        buffer_add_text(to, "</p>\n</section>\n");
        return;
    }
    buffer_printf(to,
                  "<p>The launch of the table's first row (%s, %s, %u vCPU), in the order in which the secure "
                  "processor takes its pages. Each further vCPU adds one page at the end.</p>\n",
                  vmm_name(row.vmm), row.cpu ? row.cpu->name : "any CPU type", row.vcpus);
    audit_drawing(audit, to);
    buffer_add_text(to, "<div class=\"scroll\" role=\"region\" aria-labelledby=\"h-chain\" tabindex=\"0\">"
                        "<table class=\"wide\">\n<thead><tr><th scope=\"col\" class=\"num\">#</th><th scope=\"col\">"
                        "Part</th><th scope=\"col\">Kind</th><th scope=\"col\" class=\"num\">Pages</th>"
                        "<th scope=\"col\">Address</th>"
                        "<th scope=\"col\">SHA-384 of the contents</th><th scope=\"col\">Launch digest so "
                        "far</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < audit->step_count; i++)
        add_step(to, &audit->steps[i], i + 1);
    buffer_add_text(to, "</tbody></table></div>\n</section>\n");
}

static void add_filter(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;

    buffer_add_text(to, "<form id=\"filter\" hidden><div><label for=\"f-vcpus\">vCPUs</label><input id=\"f-vcpus\" "
                        "name=\"vcpus\" inputmode=\"numeric\" autocomplete=\"off\"></div><div><label for=\"f-type\">"
                        "CPU type</label><select id=\"f-type\" name=\"type\"><option value=\"\">all</option>");
    for (size_t i = 0; i < m->plan.cpu_count; i++) {
        buffer_add_text(to, "<option>");
        page_add_text(to, m->plan.cpus[i].name);
        buffer_add_text(to, "</option>");
    }
    buffer_add_text(to, "</select></div><div><label for=\"f-digest\">Digest contains</label><input id=\"f-digest\" "
                        "name=\"digest\" autocomplete=\"off\" spellcheck=\"false\"></div><button type=\"reset\">"
                        "Show all</button>"
                        "<output id=\"count\" for=\"f-vcpus f-type f-digest\" aria-live=\"polite\"></output>"
                        "</form>\n<noscript><p>Scripts are off: the filter is not shown. Nothing else is missing; "
                        "open a group and use the browser's search.</p></noscript>\n");
}

/* The rows of one VMM, CPU type and feature mask: `from` up to, not including, `to_row`. */
static void add_group(struct buffer *to, const struct audit *audit, size_t from, size_t to_row)
{
    const struct manifest *m = audit->file.manifest;
    struct manifest_row row = manifest_plan_row(&m->plan, from);
    size_t wrong = 0;

    for (size_t i = from; i < to_row; i++)
        wrong += audit_row_differs(audit, i);
    buffer_add_text(to, "<details data-type=\"");
    page_add_text(to, row.cpu ? row.cpu->name : "");
    buffer_printf(to, "\"%s><summary>%s, ", wrong ? " open" : "", vmm_name(row.vmm));
    page_add_text(to, row.cpu ? row.cpu->name : "any CPU type");
    if (row.cpu)
        buffer_printf(to, " <span>signature 0x%06x</span>", row.cpu->signature);
    buffer_printf(to, " <span>features 0x%" PRIx64 ", %zu launches</span>", row.features, to_row - from);
    if (wrong)
        buffer_printf(to, " <span class=\"bad\">%zu differ</span>", wrong);
    buffer_add_text(to, "</summary>\n<div class=\"scroll\"><table class=\"rows\"><thead><tr><th scope=\"col\" "
                        "class=\"num\">vCPUs</th><th scope=\"col\">Launch digest</th></tr></thead><tbody>\n");
    for (size_t i = from; i < to_row; i++) {
        buffer_printf(to, "<tr><td class=\"num\">%u</td><td class=\"hex\">", manifest_plan_row(&m->plan, i).vcpus);
        add_hex(to, m->digests[i], LAUNCH_DIGEST_BYTES);
        if (audit_row_differs(audit, i)) {
            buffer_add_text(to, "<br><span class=\"bad\">the published files give ");
            add_hex(to, audit->digests[i], LAUNCH_DIGEST_BYTES);
            buffer_add_text(to, "</span>");
        }
        buffer_add_text(to, "</td></tr>\n");
    }
    buffer_add_text(to, "</tbody></table></div></details>\n");
}

static void add_table(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    size_t in_group = 0;

    for (size_t n = 1; n <= VCPUS_MAX; n++)
        in_group += m->plan.vcpus[n];
    buffer_printf(to, "<section aria-labelledby=\"h-table\">\n<h2 id=\"h-table\">Launch digests</h2>\n<p class=\"%s\">",
                  audit->rows_checked && !audit->rows_differ ? "good" : "bad");
    add_sentence(to, audit, audit_rows);
    buffer_add_text(to, ".</p>\n");
    add_filter(to, audit);
    for (size_t i = 0; i < m->row_count; i += in_group)
        add_group(to, audit, i, i + in_group);
    buffer_add_text(to, "</section>\n");
}

static void add_tools(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;

    buffer_add_text(to, "<section aria-labelledby=\"h-tools\">\n<h2 id=\"h-tools\">Tools of the build, as the manifest "
                        "names them</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Name</th>"
                        "<th scope=\"col\">Version</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < m->tool_count; i++) {
        buffer_add_text(to, "<tr><th scope=\"row\">");
        page_add_text(to, m->tools[i].name);
        buffer_add_text(to, "</th><td><code>");
        add_clean(to, m->tools[i].version);
        buffer_add_text(to, "</code></td></tr>\n");
    }
    buffer_add_text(to, "</tbody></table></div>\n</section>\n");
}

int audit_page(const struct audit *audit, struct buffer *to)
{
    int r = add_head(to, audit);

    add_verdict(to, audit);
    add_signatures(to, audit);
    add_artefacts(to, audit);
    add_chain(to, audit);
    add_table(to, audit);
    add_tools(to, audit);
    buffer_printf(to,
                  "</main>\n<footer><p>Made by postern audit %s. This page loads nothing and sends nothing.</p>"
                  "</footer>\n<script>%s</script>\n</body>\n</html>\n",
                  POSTERN_VERSION, page_script);
    return r < 0 ? r : buffer_error(to);
}
