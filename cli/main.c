/* postern: its verbs. */
#include "cli/cli.h"

#include "base/crypto.h"
#include "base/log.h"

static const struct command *const verbs[] = {
    &verb_measure, &verb_manifest_create, &verb_volume_create, &verb_volume_inspect, &verb_launch, &verb_timeline,
};

int main(int argc, char **argv)
{
    if (crypto_library_init() < 0) {
        log_error("OpenSSL cannot be set up: out of memory");
        return COMMAND_MISUSE;
    }
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
