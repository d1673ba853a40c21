/*
 * postern fetch: certificates and revocation lists from AMD's key distribution service, from a cache, or from both;
 * verified against the pinned roots before anything is written.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/certificate-files.h"
#include "cli/evidence.h"
#include "cli/fetch-check.h"
#include "cli/kds.h"

struct fetch {
    const char *folder, *report_path, *model, *base, *cache, *bundle, *trust_root, *endorser;
    enum certificate_encoding encoding;
    bool print_url, refresh, offline, vlek;
    uint64_t deadline_s, deadline_ms;
    enum product product;
    struct report report;
    struct trust_roots *roots;
    struct fetched fetched;
};

static int cache_path(const struct fetch *f, const struct kds_request *request, char **ret_path)
{
    CLEANUP_BUFFER struct buffer name = BUFFER_EMPTY;

    kds_write_cache_path(request, &name);
    if (buffer_error(&name) < 0 || asprintf(ret_path, "%s/%s", f->cache, buffer_text(&name)) < 0)
        return -ENOMEM;
    return 0;
}

/* Whether the cache has it and it holds. What does not hold (any more) is fetched anew. */
static bool take_from_cache(struct fetch *f, const struct kds_request *request)
{
    CLEANUP_FREE char *path = NULL;
    struct buffer body = BUFFER_EMPTY;
    struct reason why = { "" };
    int r;

    if (!f->cache || f->refresh || cache_path(f, request, &path) < 0 ||
        file_read(path, KDS_MAX_BYTES, &body.data, &body.size, NULL) < 0)
        return false;
    r = fetch_check(request, &body, f->roots, &f->fetched, &why);
    free(body.data);
    if (r == 0)
        log_info("from the cache: %s", path);
    else
        log_info("%s: not used: %s", path, reason_text(&why, r));
    return r == 0;
}

/* Makes the folders above a file. */
static int make_folders(char *path, struct reason *why)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        int r;

        *slash = '\0';
        r = certificate_make_folder(path, why);
        *slash = '/';
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_in_cache(const struct fetch *f, const struct kds_request *request, const struct buffer *body,
                        struct reason *why)
{
    CLEANUP_FREE char *path = NULL;
    int r = cache_path(f, request, &path);

    if (r == 0)
        r = make_folders(path, why);
    return r < 0 ? r : file_write(path, 0644, body->data, body->size, why);
}

/* One item into f->fetched. Returns an exit code, after saying what is wrong. */
static int obtain(struct fetch *f, enum kds_item item)
{
    struct kds_request request = { item, item == KDS_ITEM_VCEK ? false : f->vlek, f->product, &f->report };
    CLEANUP_BUFFER struct buffer url = BUFFER_EMPTY;
    CLEANUP_BUFFER struct buffer body = BUFFER_EMPTY;
    struct reason why = { "" };
    int r = kds_write_url(f->base, &request, &url, &why);

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (take_from_cache(f, &request))
        return COMMAND_OK;
    if (f->offline)
        r = reason_set(&why, -ENOENT, "--offline, and the cache does not have what %s gives", buffer_text(&url));
    else
        r = kds_get(buffer_text(&url), f->deadline_ms, &body, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return VERIFY_EXIT_CERTIFICATES;
    }
    r = fetch_check(&request, &body, f->roots, &f->fetched, &why);
    if (r < 0) {
        log_error("%s: %s", buffer_text(&url), reason_text(&why, r));
        return r == -ENOKEY ? VERIFY_EXIT_CERTIFICATES : VERIFY_EXIT_SIGNATURE;
    }
    if (f->cache && put_in_cache(f, &request, &body, &why) < 0) {
        log_error("%s", why.text);
        return COMMAND_MISUSE;
    }
    return COMMAND_OK;
}

static int write_one(const struct fetch *f, const char *name, X509 *certificate, X509_CRL *crl, struct reason *why)
{
    CLEANUP_BUFFER struct buffer contents = BUFFER_EMPTY;

    if (crl)
        certificate_encode_crl(crl, f->encoding, &contents);
    else
        certificate_encode(certificate, f->encoding, &contents);
    return certificate_write_file(f->folder, name, f->encoding, &contents, why);
}

/* Everything in one file of PEM blocks: endorsement key first, root, list of revoked certificates last. */
static int write_bundle(const struct fetch *f, struct reason *why)
{
    CLEANUP_BUFFER struct buffer contents = BUFFER_EMPTY;

    if (f->fetched.vcek)
        certificate_encode(f->fetched.vcek, ENCODING_PEM, &contents);
    certificate_encode(f->fetched.intermediate, ENCODING_PEM, &contents);
    certificate_encode(f->fetched.ark, ENCODING_PEM, &contents);
    certificate_encode_crl(f->fetched.crl, ENCODING_PEM, &contents);
    return buffer_error(&contents) < 0 ? -ENOMEM : file_write(f->bundle, 0644, contents.data, contents.size, why);
}

static int write_files(const struct fetch *f, enum kds_item item, struct reason *why)
{
    int r = certificate_make_folder(f->folder, why);

    if (r == 0 && item == KDS_ITEM_CHAIN)
        r = write_one(f, "ark", f->fetched.ark, NULL, why);
    if (r == 0 && item == KDS_ITEM_CHAIN)
        r = write_one(f, f->vlek ? "asvk" : "ask", f->fetched.intermediate, NULL, why);
    if (r == 0 && item == KDS_ITEM_VCEK)
        r = write_one(f, "vcek", f->fetched.vcek, NULL, why);
    if (r == 0 && item == KDS_ITEM_CRL)
        r = write_one(f, "crl", NULL, f->fetched.crl, why);
    return r == 0 && f->bundle ? write_bundle(f, why) : r;
}

/* A bundle has everything; a VCEK's chain needs its intermediate where the roots have none at hand. */
static int fetch_items(struct fetch *f, enum kds_item item)
{
    bool chain = item == KDS_ITEM_CHAIN || f->bundle || (item == KDS_ITEM_VCEK && trust_roots_software(f->roots));
    struct reason why = { "" };
    int code = chain ? obtain(f, KDS_ITEM_CHAIN) : COMMAND_OK;

    if (code == COMMAND_OK && item == KDS_ITEM_VCEK)
        code = obtain(f, KDS_ITEM_VCEK);
    if (code == COMMAND_OK && (item == KDS_ITEM_CRL || f->bundle))
        code = obtain(f, KDS_ITEM_CRL);
    if (code == COMMAND_OK && write_files(f, item, &why) < 0) {
        log_error("%s", reason_text(&why, -EIO));
        code = COMMAND_MISUSE;
    }
    return code;
}

static int print_url(const struct fetch *f, enum kds_item item)
{
    struct kds_request request = { item, f->vlek, f->product, &f->report };
    CLEANUP_BUFFER struct buffer url = BUFFER_EMPTY;
    struct reason why = { "" };
    int r = kds_write_url(f->base, &request, &url, &why);

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    puts(buffer_text(&url));
    return COMMAND_OK;
}

static int load_report(struct fetch *f, struct reason *why)
{
    CLEANUP_FREE uint8_t *data = NULL;
    size_t size = 0;
    int r = file_read(f->report_path, PAGE_BYTES, &data, &size, why);

    if (r < 0)
        return r;
    r = report_parse(data, size, &f->report, why);
    if (r < 0)
        reason_prefix(why, f->report_path);
    return r;
}

/* The product that was named, or that of the report. */
static int find_product(struct fetch *f, struct reason *why)
{
    int r = f->report_path ? load_report(f, why) : 0;

    if (r < 0)
        return r;
    if (f->model) {
        f->product = kds_product_from_name(f->model);
        return f->product ? 0 : reason_set(why, -EINVAL, "processor model \"%s\": expected Milan, Genoa, Bergamo, "
                                           "Siena or Turin", f->model);
    }
    if (!f->report_path)
        return reason_set(why, -EINVAL, "for which processor? name its model, or a report with --report");
    f->product = report_product(&f->report);
    return f->product ? 0 : reason_set(why, -EINVAL, "%s does not say of which product the processor is; name it with "
                                       "--processor-model", f->report_path);
}

/* Sorts the words behind the encoding: models have names of their own, and stood first in older guides. */
static void take_words(struct fetch *f, const char *const words[3], bool vcek)
{
    const char *left[3] = { NULL };
    size_t count = 0;

    for (size_t i = 0; i < 3 && words[i]; i++) {
        bool model = kds_product_from_name(words[i]) != PRODUCT_UNKNOWN;

        if (model && !f->model)
            f->model = words[i];
        else
            left[count++] = words[i];
    }
    f->folder = left[0];
    if (vcek)
        f->report_path = left[1];
    else if (left[1] && !f->model)
        f->model = left[1]; /* which find_product() refuses by its name */
}

static int check(struct fetch *f, const struct command *command, const char *const words[4], enum kds_item item)
{
    struct reason why = { "" };
    int r;

    if (!words[1] || certificate_read_encoding(words[0], &f->encoding) < 0) {
        if (!words[1])
            log_error("which encoding and folder? usage: postern %s %s", command->name, command->usage);
        return -EINVAL;
    }
    take_words(f, words + 1, item == KDS_ITEM_VCEK);
    if (!f->folder || (item == KDS_ITEM_VCEK && !f->report_path)) {
        log_error("which %s? usage: postern %s %s", f->folder ? "report" : "folder", command->name, command->usage);
        return -EINVAL;
    }
    if (f->endorser && strcasecmp(f->endorser, "vlek") != 0 && strcasecmp(f->endorser, "vcek") != 0) {
        log_error("--endorser \"%s\": expected vcek or vlek", f->endorser);
        return -EINVAL;
    }
    if (f->offline && !f->cache) {
        log_error("--offline needs --cache: there is nothing else to take certificates from");
        return -EINVAL;
    }
    f->vlek = f->vlek || (f->endorser && strcasecmp(f->endorser, "vlek") == 0);
    r = find_product(f, &why);
    if (r == 0)
        r = f->trust_root ? trust_roots_file(f->trust_root, &f->roots, &why) : trust_roots_amd(&f->roots);
    if (r < 0)
        log_error("%s", reason_text(&why, r));
    return r;
}

static int run_item(const struct command *command, int argc, char **argv, enum kds_item item, bool vlek)
{
    struct fetch f = { .base = KDS_DEFAULT_BASE, .deadline_s = 60, .vlek = vlek };
    const char *words[4];
    const struct option_row rows[] = {
        OPTION("processor-model", "NAME", "Milan, Genoa, Bergamo, Siena or Turin", OPTION_TEXT, &f.model,
               .letter = 'p'),
        OPTION("report", "FILE", "the report that tells the model", OPTION_TEXT, &f.report_path, .letter = 'r'),
        OPTION("endorser", "WHICH", "vcek (default) or vlek", OPTION_TEXT, &f.endorser, .letter = 'e'),
        OPTION("print-url", NULL, "print the URL and fetch nothing", OPTION_FLAG, &f.print_url),
        OPTION("kds", "URL", "instead of " KDS_DEFAULT_BASE, OPTION_TEXT, &f.base),
        OPTION("cache", "DIR", "keep and find it here, laid out as Trustee's offline store", OPTION_TEXT, &f.cache),
        OPTION("offline", NULL, "from the cache or not at all", OPTION_FLAG, &f.offline),
        OPTION("refresh", NULL, "not from the cache", OPTION_FLAG, &f.refresh),
        OPTION("bundle", "FILE", "everything for verification offline, in one file", OPTION_TEXT, &f.bundle),
        OPTION("deadline", "N", "seconds to wait at most (default 60)", OPTION_U64, &f.deadline_s, .min = 1,
               .max = 86400),
        OPTION("trust-root", "FILE", "a software processor's root instead of AMD's", OPTION_TEXT, &f.trust_root),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, ARRAY_SIZE(words)), code;

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (check(&f, command, words, item) < 0)
        code = COMMAND_MISUSE;
    else if (f.print_url)
        code = print_url(&f, item);
    else {
        f.deadline_ms = clock_ms() + 1000u * f.deadline_s;
        code = fetch_items(&f, item);
    }
    fetched_free(&f.fetched);
    trust_roots_free(&f.roots);
    return code;
}

static int run_ca(const struct command *command, int argc, char **argv)
{
    return run_item(command, argc, argv, KDS_ITEM_CHAIN, false);
}

static int run_vlek_ca(const struct command *command, int argc, char **argv)
{
    return run_item(command, argc, argv, KDS_ITEM_CHAIN, true);
}

static int run_vcek(const struct command *command, int argc, char **argv)
{
    return run_item(command, argc, argv, KDS_ITEM_VCEK, false);
}

static int run_crl(const struct command *command, int argc, char **argv)
{
    return run_item(command, argc, argv, KDS_ITEM_CRL, false);
}

const struct command verb_fetch_ca = {
    .program = "postern",
    .name = "fetch ca",
    .summary = "Fetches ARK and ASK (with --endorser vlek: ASVK) from AMD's key distribution service.",
    .usage = "PEM|DER DIR (MODEL | --report FILE) [OPTION…]",
    .example = "  postern fetch ca pem ./certs milan\n",
    .run = run_ca,
};

const struct command verb_fetch_vlek_ca = {
    .program = "postern",
    .name = "fetch vlek-ca",
    .summary = "Fetches ARK and ASVK, the chain of operators' endorsement keys.",
    .usage = "PEM|DER DIR (MODEL | --report FILE) [OPTION…]",
    .example = "  postern fetch vlek-ca pem ./certs milan\n",
    .run = run_vlek_ca,
};

const struct command verb_fetch_vcek = {
    .program = "postern",
    .name = "fetch vcek",
    .summary = "Fetches the certificate of the endorsement key that signed a report, for its chip and TCB.",
    .usage = "PEM|DER DIR REPORT [MODEL] [OPTION…]",
    .example = "  postern fetch vcek pem ./certs report.bin --cache kds-store --bundle report.certs.pem\n",
    .run = run_vcek,
};

const struct command verb_fetch_crl = {
    .program = "postern",
    .name = "fetch crl",
    .summary = "Fetches the root's list of revoked certificates.",
    .usage = "PEM|DER DIR (MODEL | --report FILE) [OPTION…]",
    .example = "  postern fetch crl der ./certs genoa\n",
    .run = run_crl,
};
