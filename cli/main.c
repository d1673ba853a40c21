/* postern: its verbs. */
#include "cli/cli.h"

static const struct command *const verbs[] = {
    &verb_measure, &verb_manifest_create, &verb_volume_create, &verb_launch, &verb_timeline,
};

int main(int argc, char **argv)
{
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
