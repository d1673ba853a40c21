/*
 * Administration: what an operator asks for with a verb, carried out by the broker that serves, or by the verb itself
 * when none does.
 *
 * A serving keeper listens on DIR/admin.sock (SOCK_SEQPACKET), which its owner alone can reach; it also asks the kernel
 * who connects, and hears its own user and root. A question is one message (admin-parse.c) with the files that it is
 * about as descriptors: what is secret in them never goes through the socket, and permissions are checked by who reads
 * them. The answer is messages of 'o' and text for standard output, then one of 'x', the exit code and the sentence of
 * a failure.
 *
 * Message, integers little-endian: 1 (8 bits), verb (8), flags (8), version (64), threshold (32), resource, policy (16
 * bits of length and characters each), number of launch digests (16) and those, number of files (8), and for each its
 * kind (8) and name (as above).
 */
#pragma once

#include "attest/attest.h"
#include "base/base.h"
#include "base/buffer.h"
#include "base/reason.h"
#include "broker/policies.h"
#include "release/release.h"

#define ADMIN_SOCKET "admin.sock"
#define ADMIN_MAX_BYTES (64u * 1024)
#define ADMIN_MAX_MEASUREMENTS 528
#define ADMIN_MAX_FILES 18
#define ADMIN_NAME_BYTES 256

enum admin_verb {
    ADMIN_VOLUME_ADD = 1,
    ADMIN_VOLUME_LIST,
    ADMIN_VOLUME_REMOVE,
    ADMIN_SECRET_ADD,
    ADMIN_ALLOW,
    ADMIN_POLICY_SET,
    ADMIN_POLICY_LIST,
    ADMIN_POLICY_SHOW,
    ADMIN_POLICY_REMOVE,
    ADMIN_LEASES,
    ADMIN_VOLUME_ROTATE,
    ADMIN_VOLUME_GROW,
    ADMIN_CHIP_ADD,
    ADMIN_CHIP_LIST,
    ADMIN_VERBS,
};

enum admin_file_kind {
    ADMIN_FILE_CONTENT = 1, /* a record or secret */
    ADMIN_FILE_POLICY,
    ADMIN_FILE_MANIFEST,
    ADMIN_FILE_SIGNER,
    ADMIN_FILE_CERTIFICATE,
    ADMIN_FILE_KINDS,
};

struct admin_file {
    enum admin_file_kind kind;
    int fd;
    char name[ADMIN_NAME_BYTES]; /* for sentences */
};

struct admin_request {
    enum admin_verb verb;
    bool next, json;
    uint64_t version;   /* 0: not said; with ADMIN_VOLUME_GROW the new length in bytes */
    uint32_t threshold; /* 0: not said */
    char resource[RELEASE_MAX_RESOURCE_BYTES + 1]; /* empty: not said */
    char policy[POLICY_NAME_BYTES];                /* the same */
    uint8_t measurements[ADMIN_MAX_MEASUREMENTS][MEASUREMENT_BYTES];
    size_t measurement_count;
    struct admin_file files[ADMIN_MAX_FILES];
    size_t file_count;
};

/* Closes the files. */
void admin_request_free(struct admin_request *request);

/* Adds a file that is opened here. Errors: -E2BIG, -errno, with a sentence. */
int admin_add_file(struct admin_request *request, enum admin_file_kind kind, const char *path, struct reason *why)
    MUST_CHECK;

/* The first file of that kind, or NULL. */
const struct admin_file *admin_find_file(const struct admin_request *request, enum admin_file_kind kind);

/* The message; errors are the buffer's. And back, without descriptors (-1). Errors: -EBADMSG. */
void admin_write(const struct admin_request *request, struct buffer *to);
int admin_parse(const void *data, size_t size, struct admin_request *ret_request) MUST_CHECK;

/*
 * Has the request carried out for the broker in a directory, and prints what there is to print. `credentials` as in
 * keys_load(), for when no broker serves. Gives the exit code.
 */
int admin_run(const char *directory, const char *credentials, struct admin_request *request);

/* ---- the keeper's side */

struct admin;
struct keeper;

/*
 * Listens. Errors: -EADDRINUSE when another broker serves that directory, -ENAMETOOLONG, -ENOMEM, -errno; with a
 * sentence.
 */
int admin_open(struct keeper *keeper, const char *directory, struct admin **ret_admin, struct reason *why) MUST_CHECK;
void admin_free(struct admin **admin);
