/* Certificates in a folder, with snpguest's names and encodings. Their contents are anybody's. */
#pragma once

#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/reason.h"

#define CERTIFICATE_FILE_MAX_BYTES (64u * 1024)

enum certificate_encoding { ENCODING_PEM, ENCODING_DER };

/* "PEM" or "DER" in any case. Errors: -EINVAL after saying so. */
int certificate_read_encoding(const char *word, enum certificate_encoding *ret_encoding) MUST_CHECK;

/* One certificate or revocation list, whole, PEM or DER. The caller frees; NULL when it is none. */
X509 *certificate_decode(const void *data, size_t size);
X509_CRL *certificate_decode_crl(const void *data, size_t size);

/* Appends it in that encoding. Errors are the buffer's. */
void certificate_encode(X509 *certificate, enum certificate_encoding encoding, struct buffer *to);
void certificate_encode_crl(X509_CRL *crl, enum certificate_encoding encoding, struct buffer *to);

/* Makes the folder unless it is there. Errors: -errno. */
int certificate_make_folder(const char *folder, struct reason *why) MUST_CHECK;

/* Writes FOLDER/NAME.pem or .der, in place of an older one. Errors: -errno. */
int certificate_write_file(const char *folder, const char *name, enum certificate_encoding encoding,
                           const struct buffer *contents, struct reason *why) MUST_CHECK;
