/* Making a chip: keys and certificates in memory first, then a directory that is there as a whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "psp/certificate.h"
#include "psp/chip.h"

#define RSA_BITS 4096
#define PUBLIC_MODE 0644
#define SECRET_MODE 0600
/* Chips are older than the guests that run on them, and the clocks of test machines differ. */
#define AGE_SECONDS (24 * 60 * 60)
#define TAKEN "%s: is there already; a chip is never overwritten, name another directory"

struct new_chip {
    struct chip_identity identity;
    EVP_PKEY *ark_key, *ask_key, *vcek_key, *asvk_key, *vlek_key;
    X509 *ark, *ask, *vcek, *asvk, *vlek;
    struct secret secret;
};

static const char *const file_names[] = { "ark.pem",  "ask.pem",  "vcek.pem", "asvk.pem", "vlek.pem", "ark.key",
                                          "ask.key", "vcek.key", "asvk.key", "vlek.key", "chip.key", "chip.json" };

static void new_chip_free(struct new_chip *chip)
{
    EVP_PKEY_free(chip->ark_key);
    EVP_PKEY_free(chip->ask_key);
    EVP_PKEY_free(chip->vcek_key);
    EVP_PKEY_free(chip->asvk_key);
    EVP_PKEY_free(chip->vlek_key);
    X509_free(chip->ark);
    X509_free(chip->ask);
    X509_free(chip->vcek);
    X509_free(chip->asvk);
    X509_free(chip->vlek);
    secret_free(&chip->secret);
}

static int generate(enum product product, struct new_chip *chip, struct reason *why)
{
    time_t from = time(NULL) - AGE_SECONDS;
    uint8_t chip_id[CHIP_ID_BYTES];
    int r = secret_random(CHIP_SECRET_BYTES, &chip->secret);

    if (r < 0)
        return reason_set(why, r, "no memory for secrets can be locked");
    if (RAND_bytes(chip_id, sizeof(chip_id)) != 1)
        return reason_set(why, -EIO, "no random bytes");
    chip->identity = chip_identity_of(product, chip_id);
    chip->ark_key = EVP_RSA_gen(RSA_BITS);
    chip->ask_key = EVP_RSA_gen(RSA_BITS);
    chip->vcek_key = EVP_EC_gen("P-384");
    chip->asvk_key = EVP_RSA_gen(RSA_BITS);
    chip->vlek_key = EVP_EC_gen("P-384");
    if (chip->ark_key && chip->ask_key && chip->vcek_key && chip->asvk_key && chip->vlek_key) {
        chip->ark = certificate_make_ark(product, chip->ark_key, from);
        chip->ask = certificate_make_ask(product, chip->ask_key, chip->ark_key, chip->ark, from);
        chip->vcek = certificate_make_vcek(&chip->identity, chip->vcek_key, chip->ask_key, from);
        chip->asvk = certificate_make_asvk(product, chip->asvk_key, chip->ark_key, chip->ark, from);
        chip->vlek = certificate_make_vlek(&chip->identity, chip->vlek_key, chip->asvk_key, from);
    }
    if (!chip->ark || !chip->ask || !chip->vcek || !chip->asvk || !chip->vlek) {
        char text[160];

        ERR_error_string_n(ERR_get_error(), text, sizeof(text));
        return reason_set(why, -EIO, "keys and certificates cannot be made: %s", text);
    }
    return 0;
}

/* The file `name` in the directory; `why` names what went wrong. */
static int write_file(const char *directory, const char *name, unsigned mode, const void *data, size_t size,
                      struct reason *why)
{
    CLEANUP_FREE char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return file_write(path, mode, data, size, why);
}

/* A key or a certificate in PEM, by way of memory that OpenSSL wipes. */
static int write_pem(const char *directory, const char *name, EVP_PKEY *key, X509 *certificate, struct reason *why)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long size;
    int r = -ENOMEM;

    if (bio && (key ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) :
                      PEM_write_bio_X509(bio, certificate)) == 1) {
        size = BIO_get_mem_data(bio, &text);
        r = write_file(directory, name, key ? SECRET_MODE : PUBLIC_MODE, text, (size_t)size, why);
    }
    BIO_free(bio);
    return r;
}

static int write_files(const struct new_chip *chip, const char *directory, struct reason *why)
{
    const struct {
        const char *name;
        EVP_PKEY *key;
        X509 *certificate;
    } files[] = {
        { "ark.pem", NULL, chip->ark },       { "ask.pem", NULL, chip->ask },       { "vcek.pem", NULL, chip->vcek },
        { "asvk.pem", NULL, chip->asvk },     { "vlek.pem", NULL, chip->vlek },     { "ark.key", chip->ark_key, NULL },
        { "ask.key", chip->ask_key, NULL },   { "vcek.key", chip->vcek_key, NULL },
        { "asvk.key", chip->asvk_key, NULL },
        { "vlek.key", chip->vlek_key, NULL },
    };
    CLEANUP_BUFFER struct buffer json = BUFFER_EMPTY;
    int r;

    chip_write_json(&chip->identity, &json);
    r = buffer_error(&json);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
        r = write_pem(directory, files[i].name, files[i].key, files[i].certificate, why);
    if (r == 0)
        r = write_file(directory, "chip.key", SECRET_MODE, chip->secret.bytes, chip->secret.size, why);
    if (r == 0)
        r = write_file(directory, "chip.json", PUBLIC_MODE, json.data, json.size, why);
    return r;
}

static void remove_directory(const char *directory)
{
    for (size_t i = 0; i < ARRAY_SIZE(file_names); i++) {
        CLEANUP_FREE char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, file_names[i]) < 0)
            path = NULL;
        else
            (void)unlink(path);
    }
    (void)rmdir(directory);
}

/* rename(2) replaces an empty directory and nothing else. */
static int put_in_place(const char *temporary, const char *path, struct reason *why)
{
    if (chmod(temporary, 0755) == 0 && rename(temporary, path) == 0)
        return 0;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
        return reason_set(why, -EEXIST, TAKEN, path);
    return reason_set(why, -errno, "%s: cannot be made: %s", path, strerror(errno));
}

static int write_chip(const struct new_chip *chip, const char *path, struct reason *why)
{
    CLEANUP_FREE char *temporary = NULL;
    int r;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    if (!mkdtemp(temporary))
        return reason_set(why, -errno, "%s: cannot be made: %s", path, strerror(errno));
    r = write_files(chip, temporary, why);
    if (r == 0)
        r = put_in_place(temporary, path, why);
    if (r < 0)
        remove_directory(temporary);
    return r;
}

static bool is_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    size_t entries = 0;

    if (!directory)
        return false;
    while (readdir(directory))
        entries++;
    (void)closedir(directory);
    return entries == 2; /* itself and its parent */
}

/* Seconds of computing are saved when the answer is known before. */
static int check_free(const char *path, struct reason *why)
{
    struct stat st;

    if (!path[0] || path[strlen(path) - 1] == '/')
        return reason_set(why, -EINVAL, "\"%s\": expected the name of a directory without a slash at its end", path);
    if (lstat(path, &st) == 0 && !(S_ISDIR(st.st_mode) && is_empty_directory(path)))
        return reason_set(why, -EEXIST, TAKEN, path);
    return 0;
}

int chip_make(const char *path, enum product product, struct reason *why)
{
    struct new_chip chip = { .secret = SECRET_NONE };
    sigset_t all, before;
    int r = check_free(path, why);

    if (r == 0)
        r = generate(product, &chip, why);
    if (r == 0) {
        /* What takes time is done; the rest is not to be interrupted half-way. */
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_BLOCK, &all, &before);
        r = write_chip(&chip, path, why);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
    }
    new_chip_free(&chip);
    return r;
}
