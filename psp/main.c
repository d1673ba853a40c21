/* postern-psp: its verbs. */
#include "base/crypto.h"
#include "base/log.h"
#include "base/secret.h"
#include "psp/verbs.h"

static const struct command *const verbs[] = { &verb_init, &verb_serve };

int main(int argc, char **argv)
{
    if (crypto_library_init() < 0) {
        log_error("OpenSSL cannot be set up: out of memory");
        return PSP_EXIT_SYSTEM;
    }
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
