/*
 * What PID 1 finds in tests/inject/test-inject.c instead of a guest. Real: the processes, the network (of a namespace),
 * the broker behind it, TLS, all of libcrypto and json-c, files. Not real: what would change the machine (mounts,
 * modules, rights) says that it worked; the secure processor's requests are answered by psp/ in the process; a disk is a
 * file, with the real manifest or init-data in it, and a mapped volume is one with a label in it; a volume that moves to
 * another key is memory, and so are its mappings (tests/inject/parts.c).
 */
#pragma once

#include "attest/report.h"
#include "psp/chip.h"
#include "tests/inject/inject.h"
#include "tests/inject/watched.h"

/* Shared by all processes of a run. */
struct guest {
    struct injecting injecting;
    bool off, secret_left;
    uint8_t report_id[REPORT_ID_BYTES]; /* of this launch: a broker releases once to each */
    char leak[256]; /* "": nothing */
    uint8_t measurement[MEASUREMENT_BYTES], host_data[HOST_DATA_BYTES]; /* of the launch */
    enum part { WHOLE, NETWORK, HANDOFF, RESTART, ROTATION } part; /* where calls fail: from there on, NETWORK in that stage */
    bool child_broke; /* the child that moves a volume did not end with 0 */
    uint64_t fast_from_ms; /* when the clock began to go fast; 0: it does not */
    enum spoil { NOTHING, SECRET, MEMORY, DESCRIPTOR, MAPPING, SECURE_HEAP } spoil; /* what is left behind on purpose */
    struct watched watched;
};
extern struct guest *guest;

/* The chip whose reports and keys the guest gets. */
extern const struct chip *guest_chip;

/* Asks it for a report and a key once, so that what libcrypto keeps for that is there before the first run. */
int guest_warm_up(void);

/* Of functions that the test calls itself, the ones that never fail. */
int __real_open(const char *path, int flags, ...);
int __real_unlink(const char *path);
int __real_chdir(const char *path);
long __real_syscall(long number, ...);
int __real_fork(void);
int __real_waitpid(int pid, int *status, int options);
int __real_socket(int family, int type, int protocol);
int __real_crypto_wipe_freed(void);
