/*
 * What static programs leave out: compression. libssl offers compressed certificates (RFC 8879) wherever it finds zlib
 * or zstd, so that a peer could have a program decompress what nobody has authenticated yet. These take the place of
 * libcrypto's: there is no method, nothing is offered, and neither library is linked. The cleanups are OpenSSL 3.5's
 * own names; another version that has others does not link.
 */
#include <openssl/bio.h>
#include <openssl/comp.h>

#define HAS_NONE(type, name) type *name(void); type *name(void) { return NULL; }

HAS_NONE(COMP_METHOD, COMP_zlib)
HAS_NONE(COMP_METHOD, COMP_zlib_oneshot)
HAS_NONE(COMP_METHOD, COMP_zstd)
HAS_NONE(COMP_METHOD, COMP_zstd_oneshot)
HAS_NONE(const BIO_METHOD, BIO_f_zlib)
HAS_NONE(const BIO_METHOD, BIO_f_zstd)
HAS_NONE(void, ossl_comp_zlib_cleanup)
HAS_NONE(void, ossl_comp_zstd_cleanup)
