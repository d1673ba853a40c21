/*
 * What every unit test needs beside cmocka: a random generator that gives the same numbers at each run, checks of
 * reasons, forked children, and the data recorded elsewhere.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reason.h"

/* xorshift64*: good enough to vary inputs, the same on every machine. */
static inline uint64_t random_u64(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void random_fill(void *data, size_t size)
{
    uint8_t *p = data;

    while (size--)
        *p++ = (uint8_t)random_u64();
}

/* A heap copy of exact size, so that sanitizers see reads beyond the end. The caller frees. */
static inline void *exact_copy(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* The sentence holds these words. */
#define assert_reason(why, words)                                                                                      \
    do {                                                                                                               \
        if (!strstr((why)->text, words))                                                                               \
            fail_msg("reason is \"%s\", expected \"%s\" in it", (why)->text, words);                                   \
    } while (0)

/* Runs `body` in a forked child; returns the wait status. Nothing that the body does reaches the test. */
static inline int in_child(void (*body)(void *), void *argument)
{
    pid_t child;
    int status = 0;

    (void)fflush(NULL);
    child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        body(argument);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child)
        abort();
    return status;
}

/*
 * Where data recorded elsewhere lies: a folder "shared/vectors" beside the project or above it. False when there is
 * none; the test is skipped then. See its README.md for sources and licences.
 */
static inline bool vector_path(const char *name, char *to, size_t room)
{
    static const char *const places[] = { "../shared/vectors", "../../shared/vectors" };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        (void)snprintf(to, room, "%s/%s", places[i], name);
        if (access(to, R_OK) == 0)
            return true;
    }
    return false;
}
