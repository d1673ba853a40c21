/* postern-psp init: makes a chip. */
#include "psp/verbs.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/secret.h"
#include "psp/chip.h"

#define MOST_NAME_BYTES 4000

bool verb_lock_memory(void)
{
    if (secret_library_init() == 0)
        return true;
    log_error("memory for keys cannot be locked: raise the limit on locked memory (ulimit -l) above 1024 KiB");
    return false;
}

static enum product find_product(const char *name)
{
    for (enum product product = PRODUCT_MILAN; product <= PRODUCT_TURIN; product++)
        if (strcasecmp(name, product_name(product)) == 0)
            return product;
    return PRODUCT_UNKNOWN;
}

static int run(const struct command *command, int argc, char **argv)
{
    const char *directory = NULL, *product_text = "Genoa";
    char name[MOST_NAME_BYTES];
    struct reason why = { "" };
    enum product product;
    const struct option_row rows[] = {
        OPTION("dir", "DIR", "the chip's directory, made here", OPTION_TEXT, &directory, .required = true),
        OPTION("product", "NAME", "Milan, Genoa (default) or Turin", OPTION_TEXT, &product_text),
    };
    int r = command_options(command, rows, ARRAY_SIZE(rows), argc, argv, NULL, 0);

    if (r != 0)
        return r > 0 ? COMMAND_OK : COMMAND_MISUSE;
    product = find_product(product_text);
    if (product == PRODUCT_UNKNOWN || strlen(directory) >= sizeof(name)) {
        log_error(product == PRODUCT_UNKNOWN ? "--product \"%s\": expected Milan, Genoa or Turin" : "--dir: too long",
                  product_text);
        return COMMAND_MISUSE;
    }
    /* It is made under a name beside its own. */
    memcpy(name, directory, strlen(directory) + 1);
    for (size_t size = strlen(name); size > 1 && name[size - 1] == '/'; size--)
        name[size - 1] = '\0';
    if (!verb_lock_memory())
        return PSP_EXIT_SYSTEM;
    r = chip_make(name, product, &why);
    if (r < 0) {
        log_error("%s", reason_text(&why, r));
        return r == -EEXIST || r == -EINVAL ? COMMAND_MISUSE : PSP_EXIT_SYSTEM;
    }
    log_info("made a software %s in %s; its root proves nothing about any machine", product_name(product), name);
    return COMMAND_OK;
}

const struct command verb_init = {
    .program = "postern-psp",
    .name = "init",
    .summary = "Makes a chip: keys and certificates that carry AMD's names on purpose. They prove nothing about any\n"
               "machine: nobody trusts DIR/ark.pem unless told to with --trust-root.",
    .usage = "--dir DIR [--product NAME]",
    .example = "  postern-psp init --dir chip\n",
    .run = run,
};
