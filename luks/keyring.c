/* The kernel's key service by its system calls: glibc has no wrappers and libkeyutils would bring nothing else. */
#include "luks/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int keyring_add(const char *description, const struct secret *key, int32_t *ret_serial)
{
    long serial = syscall(SYS_add_key, "logon", description, key->bytes, key->size, KEY_SPEC_THREAD_KEYRING);

    if (serial < 0)
        return -errno;
    *ret_serial = (int32_t)serial;
    return 0;
}

int keyring_drop(int32_t serial)
{
    if (syscall(SYS_keyctl, KEYCTL_REVOKE, serial) < 0 ||
        syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_THREAD_KEYRING) < 0)
        return -errno;
    return 0;
}
