/* postern key: a key that this guest alone can derive. */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "attest/device.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define REQUEST_MS 90000u
#define SELECT_DIGITS 6u

/* Fields as binary digits, the policy's the last one; a seventh in front is that of launch mitigation vectors. */
static int parse_fields(const char *text, uint64_t *ret_fields)
{
    size_t size = strlen(text);
    uint64_t fields = 0;

    if ((size != SELECT_DIGITS && size != SELECT_DIGITS + 1) || strspn(text, "01") != size) {
        log_error("--guest_field_select \"%s\": expected 6 digits 0 or 1: TCB version, SVN, measurement, family id, "
                  "image id, policy", text);
        return -EINVAL;
    }
    for (size_t i = 0; i < size; i++)
        fields = fields << 1 | (text[i] == '1');
    if (fields & ~DEVICE_KEY_ALL) {
        log_error("--guest_field_select \"%s\": the launch mitigation vector has no place in the kernel's interface",
                  text);
        return -EINVAL;
    }
    *ret_fields = fields;
    return 0;
}

static int derive(const char *path, const struct device_key_request *request)
{
    CLEANUP_SECRET struct secret key = SECRET_NONE;
    struct reason why = { "" };
    int r = secret_library_init();

    if (r < 0) {
        log_error("memory for keys cannot be locked: raise the limit on locked memory (ulimit -l) above 1024 KiB");
        return COMMAND_MISUSE;
    }
    r = device_derive_key(request, NULL, clock_ms() + REQUEST_MS, &key, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return EXIT_DEVICE;
    }
    r = file_write(path, 0600, key.bytes, key.size, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    if (!(request->fields & DEVICE_KEY_POLICY) || !(request->fields & DEVICE_KEY_MEASUREMENT))
        log_info("not a key to seal with: without policy and measurement other guests of this machine derive it, too");
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct device_key_request request = { .fields = 0 };
    uint64_t vmpl = 1, svn = 0, mitigations = 0;
    const char *fields = "000000", *words[2];
    bool has_mitigations = false;
    const struct option_row rows[] = {
        OPTION("guest_field_select", "BITS", "TCB, SVN, measurement, family, image, policy (default 000000)",
               OPTION_TEXT, &fields, .letter = 'g'),
        OPTION("guest_svn", "N", "guest SVN to mix in, at most the launch's", OPTION_U64, &svn, .max = UINT32_MAX,
               .letter = 's'),
        OPTION("tcb_version", "N", "TCB version to mix in, at most the committed one", OPTION_U64, &request.tcb_version,
               .letter = 't'),
        OPTION("vmpl", "N", "privilege level, 0 to 3 (default 1)", OPTION_U64, &vmpl, .max = DEVICE_VMPL_MAX,
               .letter = 'v'),
        OPTION("launch_mit_vector", "N", "refused: Linux has no place for it", OPTION_U64, &mitigations,
               .letter = 'l', .given = &has_mitigations),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, words, ARRAY_SIZE(words));

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!words[1]) {
        log_error("which file and root key? usage: postern key OUT vcek|vmrk [OPTION…]");
        return COMMAND_MISUSE;
    }
    if (strcasecmp(words[1], "vcek") != 0 && strcasecmp(words[1], "vmrk") != 0) {
        log_error("root key \"%s\": expected vcek or vmrk", words[1]);
        return COMMAND_MISUSE;
    }
    if (has_mitigations) {
        log_error("--launch_mit_vector: the kernel's interface (struct snp_derived_key_req) has no place for it");
        return COMMAND_MISUSE;
    }
    if (parse_fields(fields, &request.fields) < 0)
        return COMMAND_MISUSE;
    request.vmrk = strcasecmp(words[1], "vmrk") == 0;
    request.vmpl = (uint32_t)vmpl;
    request.guest_svn = (uint32_t)svn;
    return derive(words[0], &request);
}

const struct command verb_key = {
    .program = "postern",
    .name = "key",
    .summary = "Has this guest's secure processor derive a key and writes its 32 bytes to OUT, mode 0600.",
    .usage = "OUT vcek|vmrk [OPTION…]",
    .example = "  postern key derived-key.bin vcek --guest_field_select 001001 --vmpl 0\n",
    .run = run,
};
