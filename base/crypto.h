/*
 * OpenSSL in a static program: what is linked in is all there is.
 */
#pragma once

#include "base/base.h"

/*
 * Before anything else of OpenSSL: no configuration file is read and no provider module is looked for. A static program
 * cannot load shared objects of the machine that it happens to run on (glibc crashes in dlopen), and PID 1 must not.
 * libcryptsetup tries OpenSSL's "legacy" module, which this turns into a plain "not there". Errors: -ENOMEM.
 */
int crypto_library_init(void) MUST_CHECK;
