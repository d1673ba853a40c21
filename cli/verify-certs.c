/* postern verify certs: whether a directory's certificates are one of AMD's chains. */
#include <errno.h>

#include "base/buffer.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/evidence.h"
#include "cli/show.h"

static bool has(const struct evidence *evidence, enum certificate_kind kind)
{
    for (size_t i = 0; i < evidence->table.count; i++)
        if (evidence->table.entries[i].kind == kind)
            return true;
    return false;
}

static int print(const struct chain *chain, const struct trust_roots *roots, bool compared, bool json)
{
    CLEANUP_BUFFER struct buffer text = BUFFER_EMPTY;
    const char *product = product_name(chain->vek.product), *kind = chain->vek.kind == SIGNING_KEY_VLEK ? "VLEK-" : "";

    if (json) {
        buffer_printf(&text, "{\"verdict\":\"good\",\"trust\":\"%s\",\"root_compared\":%s,\"revocation_checked\":%s,"
                             "\"certificate\":", trust_roots_software(roots) ? "software-root" : "amd-root",
                      compared ? "true" : "false", chain->revocation_checked ? "true" : "false");
        show_certificate_json(chain->certificate, &text);
        buffer_add_text(&text, "}\n");
        return show_print(&text);
    }
    buffer_printf(&text, "ARK-%s: %s%s\n", product,
                  trust_roots_software(roots) ? "A TEST'S ROOT" : "AMD's root, built in",
                  compared ? "; the one that came along is the same" : "");
    buffer_printf(&text, "SEV-%s%s: signed by ARK-%s, %s\n", kind, product, product,
                  chain->revocation_checked ? "not revoked" : "revocation not checked: no list was given");
    buffer_printf(&text, "SEV-%s: signed by SEV-%s%s\n", chain->vek.kind == SIGNING_KEY_VLEK ? "VLEK" : "VCEK", kind,
                  product);
    show_certificate(chain->certificate, &text);
    return show_print(&text);
}

static int verify(const char *directory, const struct option_list *lists, const char *trust_root, time_t at, bool json,
                  struct reason *why)
{
    CLEANUP(evidence_free) struct evidence evidence = { .owned_count = 0 };
    CLEANUP(trust_roots_free) struct trust_roots *roots = NULL;
    CLEANUP(chain_free) struct chain chain = { .certificate = NULL };
    enum verify_step step;
    int r = evidence_roots(trust_root, &roots, why);

    if (r < 0)
        return COMMAND_MISUSE;
    r = evidence_add(&evidence, directory, why);
    for (size_t i = 0; r == 0 && i < lists->count; i++)
        r = evidence_add(&evidence, lists->values[i], why);
    if (r == 0)
        r = evidence_compare_roots(&evidence, roots, why);
    for (enum signing_key kind = SIGNING_KEY_VCEK; r == 0 && kind <= SIGNING_KEY_VLEK; kind++) {
        bool there = has(&evidence, kind == SIGNING_KEY_VCEK ? CERTIFICATE_VCEK : CERTIFICATE_VLEK);

        if (!there && (kind == SIGNING_KEY_VCEK || chain.certificate))
            continue;
        chain_free(&chain);
        r = chain_verify(&evidence.table, kind, roots, at, &chain, &step, why);
        if (r == -ENOKEY && !there)
            (void)reason_set(why, r, "%s: neither vcek.pem nor vlek.pem (or .der) is there", directory);
        if (r == 0 && print(&chain, roots, evidence.ark_count, json) != COMMAND_OK)
            return COMMAND_MISUSE;
    }
    return evidence_exit_code(r);
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *at_text = NULL, *trust_root = NULL;
    struct option_list lists = { .count = 0 };
    struct reason why = { "" };
    bool json = false;
    time_t at = 0;
    const struct option_row rows[] = {
        OPTION("at", "TIME", "verify as of 2026-11-22, 2026-11-22T08:00:00Z or @SECONDS (default now)", OPTION_TEXT,
               &at_text),
        OPTION("crl", "FILE", "a revocation list, DER or PEM; more may follow", OPTION_LIST, &lists),
        OPTION("trust-root", "FILE", "trust this root (PEM) in the place of AMD's: a test's", OPTION_TEXT, &trust_root),
        OPTION("json", NULL, "print a JSON object for each chain", OPTION_FLAG, &json),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &directory, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!directory) {
        log_error("which directory? usage: postern %s %s", command->name, command->usage);
        return COMMAND_MISUSE;
    }
    r = evidence_time(at_text, &at, &why) < 0 ? COMMAND_MISUSE : verify(directory, &lists, trust_root, at, json, &why);
    if (r != COMMAND_OK)
        log_error("%s", why.text[0] ? why.text : "out of memory");
    return r;
}

const struct command verb_verify_certs = {
    .program = "postern",
    .name = "verify certs",
    .summary = "Verifies the certificates in a directory, up to AMD's root, which is built in.",
    .usage = "DIR [OPTION…]",
    .example = "  postern verify certs ./certs\n",
    .run = run,
};
