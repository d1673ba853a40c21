/* postern certificates: the certificates that the host attaches to reports, as files. The host chose every byte. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/certificate-files.h"
#include "cli/evidence.h"

#define REQUEST_MS 90000u

/* The name of an entry's file; NULL for what is passed over. The intermediate is named after the key it signs. */
static const char *name_of(enum certificate_kind kind, bool vlek)
{
    switch (kind) {
    case CERTIFICATE_VCEK:
        return "vcek";
    case CERTIFICATE_VLEK:
        return "vlek";
    case CERTIFICATE_ASK:
        return vlek ? "asvk" : "ask";
    case CERTIFICATE_ARK:
        return "ark";
    case CERTIFICATE_CRL:
        return "crl";
    case CERTIFICATE_OTHER:
        break;
    }
    return NULL;
}

static int encode(const struct certificate_entry *entry, const char *name, enum certificate_encoding encoding,
                  struct buffer *to, struct reason *why)
{
    X509_CRL *crl = entry->kind == CERTIFICATE_CRL ? certificate_decode_crl(entry->data, entry->size) : NULL;
    X509 *certificate = entry->kind == CERTIFICATE_CRL ? NULL : certificate_decode(entry->data, entry->size);

    if (crl)
        certificate_encode_crl(crl, encoding, to);
    else if (certificate)
        certificate_encode(certificate, encoding, to);
    else
        return reason_set(why, -EBADMSG, "what the host gave as %s is no certificate", name);
    X509_CRL_free(crl);
    X509_free(certificate);
    return buffer_error(to);
}

/* All of them are encoded before the first is written: a bad table leaves nothing behind. */
static int write_table(const struct cert_table *table, const char *folder, enum certificate_encoding encoding,
                       struct reason *why)
{
    struct buffer encoded[CERT_TABLE_MAX_ENTRIES] = { { NULL, 0, 0, 0 } };
    const char *names[CERT_TABLE_MAX_ENTRIES] = { NULL };
    bool vlek = false;
    int r = 0;

    for (size_t i = 0; i < table->count; i++)
        vlek = vlek || table->entries[i].kind == CERTIFICATE_VLEK;
    for (size_t i = 0; r == 0 && i < table->count; i++) {
        names[i] = name_of(table->entries[i].kind, vlek);
        for (size_t k = 0; names[i] && k < i; k++)
            if (names[k] && strcmp(names[i], names[k]) == 0)
                r = reason_set(why, -EBADMSG, "the host gave two certificates as %s", names[i]);
        if (r == 0 && names[i])
            r = encode(&table->entries[i], names[i], encoding, &encoded[i], why);
    }
    if (r == 0 && certificate_make_folder(folder, why) < 0)
        r = -EIO;
    for (size_t i = 0; r == 0 && i < table->count; i++)
        if (names[i] && certificate_write_file(folder, names[i], encoding, &encoded[i], why) < 0)
            r = -EIO;
    for (size_t i = 0; i < table->count; i++)
        buffer_free(&encoded[i]);
    return r;
}

static int get(const char *folder, enum certificate_encoding encoding)
{
    CLEANUP_FREE struct device_report *answer = malloc(sizeof(*answer));
    const struct device_request request = { PURPOSE_TOOL, "certificates", "", 0, DEVICE_VMPL_OWN };
    struct cert_table table = { .count = 0 };
    struct reason why = { "" };
    int r = answer ? device_get_report(&request, NULL, clock_ms() + REQUEST_MS, answer, &why) : -ENOMEM;

    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return EXIT_DEVICE;
    }
    r = cert_table_parse(answer->certificates, answer->certificates_size, &table, &why);
    if (answer->certificates_size && r < 0)
        reason_prefix(&why, "the host's certificates");
    else if (!answer->certificates_size || !table.count)
        r = reason_set(&why, -ENOENT, "the host attaches no certificates to reports; `postern fetch` gets them "
                       "from AMD");
    if (r == 0)
        r = write_table(&table, folder, encoding, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return r == -EIO ? COMMAND_MISUSE : VERIFY_EXIT_CERTIFICATES;
    }
    log_info("%zu certificates by %s, in %s; nothing about them has been verified", table.count,
             device_back_end_name(answer->back_end), folder);
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    enum certificate_encoding encoding;
    const char *words[2];
    int r = command_options(command, NULL, 0, argc, argv, words, ARRAY_SIZE(words));

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!words[1]) {
        log_error("which encoding and folder? usage: postern certificates PEM|DER DIR");
        return COMMAND_MISUSE;
    }
    if (certificate_read_encoding(words[0], &encoding) < 0)
        return COMMAND_MISUSE;
    return get(words[1], encoding);
}

const struct command verb_certificates = {
    .program = "postern",
    .name = "certificates",
    .summary = "Writes the certificates that the host attaches to this guest's reports: ark, ask or asvk, vcek or\n"
               "vlek. The host chose them; `postern verify certs` says what they are worth.",
    .usage = "PEM|DER DIR",
    .example = "  postern certificates PEM ./\n",
    .run = run,
};
