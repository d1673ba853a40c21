/* postern measure --explain: what went into the digest, as text or JSON. */
#include "cli/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/command.h"
#include "base/encode.h"
#include "base/log.h"
#include "measure/explain.h"
#include "measure/vmsa.h"

struct telling {
    const struct launch_inputs *inputs;
    size_t digest_size;
    size_t count;
    bool json;
};

static const char *const kind_names[] = {
    [CONTRIBUTION_FIRMWARE] = "firmware", [CONTRIBUTION_SVSM] = "svsm", [CONTRIBUTION_SECTION] = "section",
    [CONTRIBUTION_HASHES] = "hashes",     [CONTRIBUTION_VMSA] = "vmsa",
};

static void print_json(const struct telling *telling, const struct contribution *c, const char *contents,
                       const char *digest)
{
    printf("%s\n  {\"name\": \"%s\", \"kind\": \"%s\", ", telling->count ? "," : "", c->name, kind_names[c->kind]);
    if (c->page_type)
        printf("\"page_type\": \"%s\", ", c->page_type);
    printf("\"gpa\": \"0x%" PRIx64 "\", \"size\": %" PRIu64 ", \"pages\": %" PRIu64 ", ", c->gpa, c->size, c->pages);
    if (c->has_contents)
        printf("\"sha384\": \"%s\", ", contents);
    printf("\"digest\": \"%s\"}", digest);
}

static void print_text(const struct contribution *c, const char *contents, const char *digest)
{
    printf("%s: ", c->name);
    if (c->kind == CONTRIBUTION_VMSA)
        printf("%" PRIu64 " at 0x%" PRIx64 "\n", c->pages, c->gpa);
    else if (c->kind == CONTRIBUTION_HASHES)
        printf("%" PRIu64 " bytes at 0x%" PRIx64 "\n", c->size, c->gpa);
    else
        printf("0x%" PRIx64 " to 0x%" PRIx64 ", %" PRIu64 " %s page%s\n", c->gpa, c->gpa + c->size - 1, c->pages,
               c->page_type ? c->page_type : "hashed", c->pages == 1 ? "" : "s");
    if (c->has_contents)
        printf("    sha384  %s\n", contents);
    printf("    digest  %s\n", digest);
}

static int tell(void *context, const struct contribution *c)
{
    struct telling *telling = context;
    char contents[HEX_TEXT_BYTES(SHA384_BYTES)], digest[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];

    hex_encode(c->contents, sizeof(c->contents), contents);
    hex_encode(c->digest, telling->digest_size, digest);
    if (telling->json)
        print_json(telling, c, contents, digest);
    else
        print_text(c, contents, digest);
    telling->count++;
    return 0;
}

static void tell_hashes(const struct inputs_measured *measured, bool json)
{
    const struct kernel_hashes *hashes = &measured->hashes;
    char kernel[HEX_TEXT_BYTES(SHA256_BYTES)], initrd[sizeof(kernel)], cmdline[sizeof(kernel)];
    unsigned long long gpa = measured->firmware.tables.hash_table_gpa;

    if (!measured->has_hashes) {
        (void)fputs(json ? ",\n \"kernel_hashes\": null" : "\nkernel hashes: none, the guest boots without a kernel\n",
                    stdout);
        return;
    }
    hex_encode(hashes->kernel, SHA256_BYTES, kernel);
    hex_encode(hashes->initrd, SHA256_BYTES, initrd);
    hex_encode(hashes->cmdline, SHA256_BYTES, cmdline);
    if (json)
        printf(",\n \"kernel_hashes\": {\"gpa\": \"0x%llx\", \"kernel\": \"%s\", \"initrd\": \"%s\", "
               "\"cmdline\": \"%s\"}", gpa, kernel, initrd, cmdline);
    else
        printf("\nkernel hashes at 0x%llx, SHA-256\n    kernel   %s\n    initrd   %s\n    cmdline  %s\n", gpa, kernel,
               initrd, cmdline);
}

static void tell_vmsa(const struct launch_inputs *inputs, bool first, bool json)
{
    const struct vmsa_field *field;
    uint8_t page[PAGE_BYTES];
    const char *comma = "";

    launch_vmsa(inputs, first, page);
    if (json)
        printf("%s\"%s\": {", first ? "" : ",\n  ", first ? "first" : "others");
    else
        printf("\nVMSA, %s, fields that are not zero\n", first ? "first CPU" : "other CPUs");
    for (size_t i = 0; (field = vmsa_field(i)); i++) {
        uint64_t value = vmsa_field_value(field, page);

        if (!value)
            continue;
        if (json)
            printf("%s\"%s\": \"0x%" PRIx64 "\"", comma, field->name, value);
        else
            printf("    0x%03x  %-13s 0x%" PRIx64 "\n", field->offset, field->name, value);
        comma = ", ";
    }
    if (json)
        (void)fputs("}", stdout);
}

static void tell_vmsas(const struct launch_inputs *inputs, bool json)
{
    bool any = inputs->mode != LAUNCH_SEV;

    if (json)
        (void)fputs(",\n \"vmsa\": {", stdout);
    if (any)
        tell_vmsa(inputs, true, json);
    if (any && inputs->vcpus > 1)
        tell_vmsa(inputs, false, json);
    if (json)
        (void)fputs("}", stdout);
}

int measure_explain(const struct inputs_measured *measured, bool json)
{
    const struct launch_inputs *inputs = &measured->launch;
    struct telling telling = { inputs, launch_digest_size(inputs->mode), 0, json };
    char hex[HEX_TEXT_BYTES(LAUNCH_DIGEST_BYTES)];
    uint8_t digest[LAUNCH_DIGEST_BYTES];
    struct reason why = { "" };
    int r;

    if (json)
        (void)fputs("{\"contributions\": [", stdout);
    r = launch_explain(inputs, tell, &telling, digest, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (json)
        (void)fputs("\n ]", stdout);
    tell_hashes(measured, json);
    tell_vmsas(inputs, json);
    hex_encode(digest, telling.digest_size, hex);
    printf(json ? ",\n \"digest\": \"%s\"}\n" : "\ndigest  %s\n", hex);
    return COMMAND_OK;
}
