/* postern-broker: its verbs. */
#include <sys/stat.h>

#include "broker/verbs.h"

static const struct command *const verbs[] = {
    &verb_init,        &verb_identity,    &verb_volume_add,    &verb_volume_list, &verb_volume_remove,
    &verb_volume_rotate, &verb_volume_grow,
    &verb_secret_add,  &verb_leases,      &verb_allow,         &verb_policy_set,  &verb_policy_list,
    &verb_policy_show, &verb_policy_remove, &verb_serve,       &verb_log_show,    &verb_log_verify,
    &verb_log_export,  &verb_explain,     &verb_backup,        &verb_restore,     &verb_chip_add,
    &verb_chip_list,
};

int main(int argc, char **argv)
{
    /* Whatever this program makes holds keys or is beside them. */
    (void)umask(077);
    return command_main(verbs, ARRAY_SIZE(verbs), argc, argv);
}
