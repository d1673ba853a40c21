/*
 * What postern measure is held against: the same bytes through OpenSSL once, in one thread, and nothing else. SHA-384
 * for each page of the first file, SHA-256 of each of the others.
 *
 * usage: floor FIRMWARE FILE…
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/crypto.h"

#define CHUNK_BYTES (128 * 1024)

static uint8_t chunk[CHUNK_BYTES], hash[EVP_MAX_MD_SIZE];

static int hash_pages(int fd, EVP_MD_CTX *context, EVP_MD *algorithm)
{
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        for (ssize_t at = 0; at < n; at += PAGE_BYTES)
            if (EVP_DigestInit_ex2(context, algorithm, NULL) != 1 ||
                EVP_DigestUpdate(context, chunk + at, PAGE_BYTES) != 1 ||
                EVP_DigestFinal_ex(context, hash, NULL) != 1)
                return 1;
    return n < 0;
}

static int hash_whole(int fd, EVP_MD_CTX *context, EVP_MD *algorithm)
{
    ssize_t n;

    if (EVP_DigestInit_ex2(context, algorithm, NULL) != 1)
        return 1;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1)
            return 1;
    return n < 0 || EVP_DigestFinal_ex(context, hash, NULL) != 1;
}

int main(int argc, char **argv)
{
    EVP_MD_CTX *context;
    EVP_MD *algorithms[2];

    if (crypto_library_init() < 0 || !(context = EVP_MD_CTX_new()) ||
        !(algorithms[0] = EVP_MD_fetch(NULL, "SHA2-384", NULL)) ||
        !(algorithms[1] = EVP_MD_fetch(NULL, "SHA2-256", NULL)))
        return 1;
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);

        if (fd < 0 || (i == 1 ? hash_pages(fd, context, algorithms[0]) : hash_whole(fd, context, algorithms[1])))
            return 1;
        (void)close(fd);
    }
    printf("%02x\n", hash[0]);
    return 0;
}
