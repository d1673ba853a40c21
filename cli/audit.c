/* postern audit: holds a manifest against the files of a directory, and says what is not as published. */
#include "cli/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/audit-page.h"
#include "cli/cli.h"

static void print_line(bool good, const char *what, struct buffer *text)
{
    printf("%-8s %s%s%s\n", good ? "ok" : "DIFFERS", what, *what ? " " : "", buffer_text(text));
    buffer_free(text);
}

static void print_text(const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    if (!audit->signatures_checked) {
        printf("%-8s signatures were not checked: no --key was given\n", "note");
    } else {
        if (audit->signatures_fail)
            buffer_add_text(&text, audit->signatures_why.text);
        else
            buffer_printf(&text, "%zu of %zu keys have signed, %zu have to", audit->verdict.keys, audit->keys.count,
                          audit->threshold);
        print_line(!audit->signatures_fail, "signatures:", &text);
    }
    for (size_t i = 0; i < m->artefact_count; i++) {
        audit_artefact(audit, i, &text);
        print_line(manifest_file_agrees(m, &audit->files, i), m->artefacts[i].name, &text);
    }
    audit_rows(audit, &text);
    print_line(audit->rows_checked && !audit->rows_differ, "table:", &text);
    audit_outcome(audit, &text);
    printf("%s\n", buffer_text(&text));
}

/* A member whose value is a sentence; releases it. */
static void add_sentence(struct buffer *to, const char *name, struct buffer *sentence)
{
    buffer_printf(to, "\"%s\":", name);
    buffer_add_json_string(to, buffer_text(sentence));
    buffer_free(sentence);
}

static void add_wrong_rows(struct buffer *to, const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    char there[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)], here[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    const char *before = "";

    for (size_t i = 0; i < m->row_count; i++) {
        struct manifest_row row = manifest_plan_row(&m->plan, i);

        if (!audit_row_differs(audit, i))
            continue;
        hex_encode(m->digests[i], LAUNCH_DIGEST_BYTES, there);
        hex_encode(audit->digests[i], LAUNCH_DIGEST_BYTES, here);
        buffer_printf(to, "%s{\"vmm\":\"%s\",\"vcpu_type\":\"%s\",\"vcpus\":%u,\"published\":\"%s\",\"found\":\"%s\"}",
                      before, vmm_name(row.vmm), row.cpu ? row.cpu->name : "", row.vcpus, there, here);
        before = ",";
    }
}

static void print_json(const struct audit *audit)
{
    const struct manifest *m = audit->file.manifest;
    CLEANUP_BUFFER struct buffer to = BUFFER_EMPTY, text = BUFFER_EMPTY;

    audit_outcome(audit, &text);
    buffer_printf(&to, "{\"agrees\":%s,\"exit\":%d,", audit_exit(audit) ? "false" : "true", audit_exit(audit));
    add_sentence(&to, "outcome", &text);
    buffer_printf(&to, ",\"signatures\":{\"checked\":%s,\"hold\":%s,\"keys\":%zu,\"signed\":%zu,\"threshold\":%zu}",
                  audit->signatures_checked ? "true" : "false",
                  audit->signatures_checked && !audit->signatures_fail ? "true" : "false", audit->keys.count,
                  audit->verdict.keys, audit->threshold);
    buffer_add_text(&to, ",\"artefacts\":[");
    for (size_t i = 0; i < m->artefact_count; i++) {
        audit_artefact(audit, i, &text);
        buffer_printf(&to, "%s{\"name\":\"%s\",\"role\":\"%s\",\"agrees\":%s,", i ? "," : "", m->artefacts[i].name,
                      audit_role(audit, i), manifest_file_agrees(m, &audit->files, i) ? "true" : "false");
        add_sentence(&to, "result", &text);
        buffer_add_text(&to, "}");
    }
    audit_rows(audit, &text);
    buffer_printf(&to, "],\"table\":{\"checked\":%s,\"rows\":%zu,\"differ\":%zu,",
                  audit->rows_checked ? "true" : "false", m->row_count, audit->rows_differ);
    add_sentence(&to, "result", &text);
    buffer_add_text(&to, ",\"wrong\":[");
    add_wrong_rows(&to, audit);
    printf("%s]}}\n", buffer_text(&to));
}

static int write_page(const struct audit *audit, const char *path, struct reason *why)
{
    CLEANUP_BUFFER struct buffer page = BUFFER_EMPTY;
    int r = audit_page(audit, &page);

    return r < 0 ? r : file_write(path, 0644, page.data, page.size, why);
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *words[2] = { NULL, NULL }, *page = NULL;
    struct signers signers = { .threshold = 0 };
    struct reason why = { "" };
    struct audit audit;
    enum audit_exit code;
    bool json = false;
    const struct option_row rows[] = {
        SIGNERS_OPTIONS(&signers),
        OPTION("html", "FILE", "also write the result as a page", OPTION_TEXT, &page),
        OPTION("json", NULL, "for programs", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, 2);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!words[1]) {
        log_error("which manifest, and which files? usage: postern audit MANIFEST DIR");
        return COMMAND_MISUSE;
    }
    r = audit_run(words[0], words[1], &signers, &audit, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    code = audit_exit(&audit);
    if (page)
        r = write_page(&audit, page, &why);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    else
        (json ? print_json : print_text)(&audit);
    audit_free(&audit);
    return r < 0 ? COMMAND_MISUSE : (int)code;
}

const struct command verb_audit = {
    .program = "postern",
    .name = "audit",
    .summary = "Recomputes all that a manifest says from the files, and names what differs.",
    .usage = "MANIFEST DIR [OPTION…]",
    .example = "  postern audit manifest.json downloads --key publisher.pub --html audit.html\n",
    .run = run,
};
