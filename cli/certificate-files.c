/* Reading and writing certificates; OpenSSL parses, nothing here trusts. */
#include "cli/certificate-files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/key.h"
#include "base/log.h"

static const char pem_start[] = "-----BEGIN ";

int certificate_read_encoding(const char *word, enum certificate_encoding *ret_encoding)
{
    if (strcasecmp(word, "pem") == 0)
        *ret_encoding = ENCODING_PEM;
    else if (strcasecmp(word, "der") == 0)
        *ret_encoding = ENCODING_DER;
    else {
        log_error("encoding \"%s\": expected PEM or DER", word);
        return -EINVAL;
    }
    return 0;
}

static bool is_pem(const void *data, size_t size)
{
    return size > strlen(pem_start) && memcmp(data, pem_start, strlen(pem_start)) == 0;
}

X509 *certificate_decode(const void *data, size_t size)
{
    const unsigned char *at = data;
    X509 *certificate = NULL;

    if (size > CERTIFICATE_FILE_MAX_BYTES)
        return NULL;
    if (is_pem(data, size)) {
        BIO *bio = BIO_new_mem_buf(data, (int)size);

        certificate = bio ? PEM_read_bio_X509(bio, NULL, key_no_passphrase, NULL) : NULL;
        BIO_free(bio);
    } else {
        certificate = d2i_X509(NULL, &at, (long)size);
        if (certificate && at != (const unsigned char *)data + size) {
            X509_free(certificate);
            certificate = NULL;
        }
    }
    ERR_clear_error();
    return certificate;
}

X509_CRL *certificate_decode_crl(const void *data, size_t size)
{
    const unsigned char *at = data;
    X509_CRL *crl = NULL;

    if (size > CERTIFICATE_FILE_MAX_BYTES)
        return NULL;
    if (is_pem(data, size)) {
        BIO *bio = BIO_new_mem_buf(data, (int)size);

        crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, key_no_passphrase, NULL) : NULL;
        BIO_free(bio);
    } else {
        crl = d2i_X509_CRL(NULL, &at, (long)size);
        if (crl && at != (const unsigned char *)data + size) {
            X509_CRL_free(crl);
            crl = NULL;
        }
    }
    ERR_clear_error();
    return crl;
}

/* What has been written to `bio`, which ends here. */
static void take_bio(BIO *bio, bool good, struct buffer *to)
{
    char *data = NULL;
    long size = good ? BIO_get_mem_data(bio, &data) : 0;

    if (size > 0)
        buffer_add(to, data, (size_t)size);
    else if (!to->error)
        to->error = -ENOMEM;
    BIO_free(bio);
}

void certificate_encode(X509 *certificate, enum certificate_encoding encoding, struct buffer *to)
{
    BIO *bio = BIO_new(BIO_s_mem());

    take_bio(bio, bio && (encoding == ENCODING_PEM ? PEM_write_bio_X509(bio, certificate) :
                                                     i2d_X509_bio(bio, certificate)) == 1, to);
}

void certificate_encode_crl(X509_CRL *crl, enum certificate_encoding encoding, struct buffer *to)
{
    BIO *bio = BIO_new(BIO_s_mem());

    take_bio(bio, bio && (encoding == ENCODING_PEM ? PEM_write_bio_X509_CRL(bio, crl) :
                                                     i2d_X509_CRL_bio(bio, crl)) == 1, to);
}

int certificate_make_folder(const char *folder, struct reason *why)
{
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return reason_set(why, -errno, "%s: cannot be made: %s", folder, strerror(errno));
    return 0;
}

int certificate_write_file(const char *folder, const char *name, enum certificate_encoding encoding,
                           const struct buffer *contents, struct reason *why)
{
    CLEANUP_FREE char *path = NULL;
    int r = buffer_error(contents);

    if (r < 0)
        return r;
    if (asprintf(&path, "%s/%s.%s", folder, name, encoding == ENCODING_PEM ? "pem" : "der") < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return file_write(path, 0644, contents->data, contents->size, why);
}
