/* postern generate key-digest: what an attestation report will say of an ID key or author key. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/key.h"
#include "base/log.h"
#include "measure/id-block.h"

static int print_digest(const char *hex, const char *base64, const char *format)
{
    if (strcmp(format, "hex") == 0)
        puts(hex);
    else if (strcmp(format, "base64") == 0)
        puts(base64);
    else
        printf("{\"key_digest\":\"%s\"}\n", hex);
    return COMMAND_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP_KEY EVP_PKEY *key = NULL;
    const char *path = NULL, *format = "hex", *output = NULL;
    struct reason why = { "" };
    const struct option_row rows[] = {
        OPTION("output-format", "FORMAT", "hex (default), base64 or json", OPTION_TEXT, &format),
        OPTION("key-digest-file", "FILE", "also write the hexadecimal digits there", OPTION_TEXT, &output,
               .letter = 'd'),
    };
    uint8_t bytes[ID_KEY_BYTES], digest[SHA384_BYTES] = { 0 };
    char hex[HEX_TEXT_BYTES(SHA384_BYTES)], base64[BASE64_TEXT_BYTES(SHA384_BYTES)];
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, &path, 1);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    if (!path) {
        log_error("which key? usage: postern generate key-digest KEY");
        return COMMAND_MISUSE;
    }
    if (strcmp(format, "hex") != 0 && strcmp(format, "base64") != 0 && strcmp(format, "json") != 0) {
        log_error("--output-format: \"%s\", expected hex, base64 or json", format);
        return COMMAND_MISUSE;
    }
    r = key_read_any(path, KEY_P384, &key, &why);
    if (r == 0)
        r = id_key_encode(key, bytes);
    if (r == 0)
        r = id_key_digest(bytes, digest);
    hex_encode(digest, sizeof(digest), hex);
    (void)base64_encode(BASE64_STANDARD, digest, sizeof(digest), base64);
    if (r == 0 && output)
        r = file_write(output, 0644, hex, strlen(hex), &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return COMMAND_MISUSE;
    }
    return print_digest(hex, base64, format);
}

const struct command verb_generate_key_digest = {
    .program = "postern",
    .name = "generate key-digest",
    .summary = "Prints the digest of an ID key or author key, as attestation reports hold it.",
    .usage = "KEY [OPTION…]",
    .example = "  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp384r1 -out id.key\n"
               "  postern generate key-digest id.key\n",
    .run = run,
};
