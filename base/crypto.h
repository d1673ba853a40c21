/* OpenSSL in a static program: what is linked in is all there is. */
#pragma once

#include "base/base.h"

/*
 * Before anything else of OpenSSL: the machine's openssl.cnf is not read; it is made for another OpenSSL and may ask
 * for modules that a static program cannot load (base/static/no-loader.c). Errors: -ENOMEM.
 */
int crypto_library_init(void) MUST_CHECK;
