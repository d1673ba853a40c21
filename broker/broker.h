/*
 * broker/: the reference key broker, `postern-broker`: it keeps volume records, decides which launches may have them,
 * serves the key-release protocol over TLS, and writes down what it decided and why.
 *
 * Who controls what: anybody on the network controls connections, HTTP, messages and evidence until attest/verify.h
 * has held them against a trusted root, and what a genuine guest says after that. The operator controls the command
 * line and the files that it names. Whoever can write the disk controls the store: records in it are authenticated
 * when they are opened (seal.h), policies and the log are not.
 *
 * Two processes when it serves, each with one event loop and no threads: the front (front.h) speaks with the network,
 * the keeper (keeper.h) holds the keys and decides. Everything is denied unless a policy allows it.
 */
#pragma once

#include <openssl/evp.h>

#include "attest/chain-cache.h"
#include "attest/roots.h"
#include "base/base.h"
#include "base/secret.h"
#include "broker/keys.h"
#include "broker/nonce.h"
#include "broker/policy-cache.h"
#include "broker/session.h"
#include "broker/store.h"

/* Exit codes beside those of base/command.h (postern-broker(1)). */
enum broker_exit {
    BROKER_EXIT_STATE = 2,  /* the broker's directory, store or memory cannot be used */
    BROKER_EXIT_LISTEN = 3, /* the address cannot be listened on */
    BROKER_EXIT_FRONT = 4,  /* the process that faces the network ended by itself */
    BROKER_EXIT_REFUSED = 5, /* the log is not what it was, or evidence would be refused */
};

/* All that decisions need; nothing in it knows about connections. */
struct broker {
    struct keys keys;
    struct store *store;
    struct trust_roots *roots;
    struct chain_cache chains; /* under `roots` */
    struct policy_cache policies;
    struct nonces nonces;
    struct sessions sessions;
    uint64_t lease_ms; /* how long a launch that was heard of counts as alive */
};
