/*
 * The process that faces the network: forked from the keeper before it has read a key, in a sandbox before it takes a
 * byte (sandbox.h). It holds the TLS key and nothing else that is secret: who takes it over can pass for this broker's
 * TLS, and can neither sign a record nor open the store nor have anything released without good evidence.
 *
 * Beside the link (link.h) there is a control channel, a pair of SOCK_SEQPACKET sockets. The keeper hands the files of
 * the TLS key and its certificate over it, because the front cannot open any.
 */
#pragma once

#include "base/base.h"
#include "broker/server.h"

enum front_word {
    FRONT_TLS = 'T',   /* with two descriptors: tls.key, tls.crt; for connections from then on */
    FRONT_DRAIN = 'D', /* end when the answers in flight are out */
    FRONT_READY = 'R', /* the front's: it listens */
};

/* Sends a word, with two descriptors or with -1. Errors: -errno. */
int front_tell(int control, enum front_word word, int key, int certificate) MUST_CHECK;

/* Takes a word. With NULL, descriptors are not expected. Errors: -errno, -EBADMSG, -ENODATA at the end. */
int front_hear(int control, enum front_word *ret_word, int *ret_key, int *ret_certificate) MUST_CHECK;

struct front_settings {
    int listener, metrics; /* listening sockets; -1: none */
    int link, control;
    const char *trust; /* trust_word() */
    bool keep_evidence;
    struct server_limits limits;
};

/* Serves until it is told to end; the exit status of the process. */
int front_run(const struct front_settings *settings);
