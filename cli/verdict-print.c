/* Verdicts on the terminal, and as JSON. */
#include <stdio.h>
#include <time.h>

#include "base/buffer.h"
#include "base/log.h"
#include "cli/show.h"
#include "cli/verdict.h"

static void format_time(time_t time, char to[32])
{
    struct tm parts;

    to[0] = '\0';
    if (gmtime_r(&time, &parts))
        (void)strftime(to, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static const char *trust_word(const struct verdict *verdict)
{
    return verdict->result.software ? "software-root" : "amd-root";
}

/* What has been established. */
static void print_verified(const struct verdict *verdict, struct buffer *to)
{
    const struct verified *result = &verdict->result;
    const char *product = product_name(result->product);
    bool vlek = result->vek.kind == SIGNING_KEY_VLEK;
    char at[32];

    format_time(verdict->at, at);
    show_line(to, "trust", "%s", result->software ? "software-root: A TEST'S ROOT, no processor vouches for this"
                                                  : "amd-root");
    show_line(to, "chain", "ARK-%s, SEV-%s%s, %s: signatures hold, valid at %s", product, vlek ? "VLEK-" : "", product,
              vlek ? "SEV-VLEK" : "SEV-VCEK", at);
    if (vlek)
        show_line(to, "provider", "%s", result->vek.csp_id);
    show_line(to, "revocation", "%s", result->revocation_checked ? "checked: not revoked"
                                                                 : "not checked: no list was given");
    show_tcb(to, "reported TCB", &result->reported_tcb);
    show_line(to, "", "each component is the certificate's");
    show_line(to, "chip", "%s", vlek ? "any of the provider's (VLEK)" : "the certificate's");
    show_line(to, "signature", "the %s signed the report", vlek ? "VLEK" : "VCEK");
}

/* The generation: a report of version 2 tells less than the certificate. */
static const char *generation_of(const struct verdict *verdict)
{
    return verdict->verified && verdict->report.version == 2 ? product_name(verdict->result.product)
                                                             : report_generation(&verdict->report);
}

static void print_report(const struct question *question, const struct verdict *verdict, struct buffer *to)
{
    const struct report *report = &verdict->report;
    const char *unproved = verdict->verified ? "" : " (unproved)";

    buffer_printf(to, "%s: report of version %u, %s%s\n", question->report, report->version, generation_of(verdict),
                  unproved);
    if (verdict->verified)
        print_verified(verdict, to);
    show_bytes(to, "measurement", report->measurement, sizeof(report->measurement));
    show_line(to, "coverage", "%s", coverage_name(verdict->decision.coverage));
    show_bytes(to, "host data", report->host_data, sizeof(report->host_data));
    show_bytes(to, "report data", report->report_data, sizeof(report->report_data));
    show_bytes(to, "report id", report->report_id, sizeof(report->report_id));
    if (report->policy & GUEST_POLICY_DEBUG)
        show_line(to, "debug", "ALLOWED: the host reads and writes this guest's memory");
    if (report->reserved_offset)
        show_line(to, "reserved", "the byte at 0x%zx is not zero", report->reserved_offset);
}

static void print_checks(const struct verdict *verdict, struct buffer *to)
{
    buffer_add_text(to, "checks:\n");
    for (size_t i = 0; i < verdict->decision.count; i++) {
        const struct policy_check *check = &verdict->decision.checks[i];

        buffer_printf(to, "  %-4s %-26s wanted %s\n  %-4s %-26s found  %s\n", check->passed ? "ok" : "FAIL",
                      check->name, check->wanted, "", "", check->found);
    }
}

static int print_text(const struct question *question, const struct verdict *verdict)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;

    if (verdict->parsed)
        print_report(question, verdict, &text);
    if (question->explain && verdict->verified)
        print_checks(verdict, &text);
    if (verdict->exit_code == 0)
        buffer_printf(&text, "verdict: good%s\n",
                      question->policy ? ", the policy allows it" : "; no policy was asked");
    else if (verdict->parsed)
        buffer_printf(&text, "verdict: refused, %s\n", verdict->code);
    if (show_print(&text) != COMMAND_OK)
        return COMMAND_MISUSE;
    (void)fflush(stdout);
    if (verdict->exit_code)
        log_error("%s: %s", verdict->code, verdict->why.text[0] ? verdict->why.text : "out of memory");
    return verdict->exit_code;
}

static int print_json(const struct verdict *verdict)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    char at[32];

    format_time(verdict->at, at);
    buffer_printf(&text, "{\"verdict\":\"%s\",\"reason\":", verdict->exit_code ? "refused" : "good");
    buffer_add_json_string(&text, verdict->code);
    buffer_add_text(&text, ",\"detail\":");
    buffer_add_json_string(&text, verdict->why.text);
    buffer_printf(&text, ",\"exit\":%d,\"at\":\"%s\",\"verified\":%s", verdict->exit_code, at,
                  verdict->verified ? "true" : "false");
    if (verdict->verified) {
        const struct verified *result = &verdict->result;

        buffer_printf(&text, ",\"trust\":\"%s\",\"product\":\"%s\",\"signing_key\":\"%s\",\"revocation_checked\":%s",
                      trust_word(verdict), product_name(result->product), show_signing_key(result->vek.kind),
                      result->revocation_checked ? "true" : "false");
        buffer_add_text(&text, ",\"csp_id\":");
        buffer_add_json_string(&text, result->vek.csp_id);
        buffer_add_text(&text, ",\"reported_tcb\":");
        show_tcb_json(&text, &result->reported_tcb);
    }
    buffer_add_text(&text, ",\"coverage\":");
    buffer_add_json_string(&text, coverage_name(verdict->decision.coverage));
    buffer_add_text(&text, ",\"checks\":");
    policy_write_checks(&verdict->decision, &text);
    buffer_add_text(&text, ",\"report\":");
    if (verdict->parsed)
        show_report_json(&verdict->report,
                         verdict->verified ? verdict->result.product : report_product(&verdict->report), &text);
    else
        buffer_add_text(&text, "null");
    buffer_add_text(&text, "}\n");
    return show_print(&text) == COMMAND_OK ? verdict->exit_code : COMMAND_MISUSE;
}

int verdict_print(const struct question *question, const struct verdict *verdict)
{
    return question->json ? print_json(verdict) : print_text(question, verdict);
}
