/*
 * base/cursor.c: a cursor that is sound stays sound under every reader, whatever its arguments; so any sequence of
 * reads of any input is safe. Sound: `left` bytes are there behind `p`, unless it has failed.
 *
 * Bound: inputs of up to INPUT_MAX bytes. What is asked of them may be any size.
 */
#include "prove.h"

#include "base/cursor.c"

#define INPUT_MAX 24

/* A cursor in any state it can be in: over a whole input, or somewhere in it. */
static struct cursor any_cursor(size_t most)
{
    size_t size = nondet_size(), at = nondet_size();
    struct cursor c;

    ASSUME(size <= most && at <= size);
    c = cursor_over(any_bytes(size), size);
    cursor_skip(&c, at);
    if (nondet_bool())
        cursor_skip(&c, nondet_size());
    return c;
}

static void check_sound(const struct cursor *c, const struct cursor *before)
{
    PROVE(c->left <= before->left, "a cursor never grows");
    PROVE(!before->failed || c->failed, "failure is sticky");
    PROVE(c->left == 0 || __CPROVER_r_ok(c->p, c->left), "what is left can be read");
}

void proof_numbers(void)
{
    struct cursor c = any_cursor(INPUT_MAX), before = c;
    size_t taken = 0;
    uint64_t value = 0;

    switch (nondet_u8() & 3) {
    case 0:
        value = cursor_u8(&c);
        taken = 1;
        break;
    case 1:
        value = cursor_u16le(&c);
        taken = 2;
        break;
    case 2:
        value = cursor_u32le(&c);
        taken = 4;
        break;
    case 3:
        value = cursor_u64le(&c);
        taken = 8;
        break;
    }
    check_sound(&c, &before);
    PROVE(c.failed == (before.failed || before.left < taken), "it fails when bytes are missing, and only then");
    PROVE(!c.failed || value == 0, "after a failure every value is zero");
    PROVE(c.failed || before.left - c.left == taken, "it takes as many bytes as the number has");
}

void proof_bytes(void)
{
    struct cursor c = any_cursor(INPUT_MAX), before = c, part;
    size_t size = nondet_size();
    const uint8_t *bytes;

    switch (nondet_u8() & 3) {
    case 0:
        cursor_skip(&c, size);
        break;
    case 1:
        bytes = cursor_bytes(&c, size);
        PROVE(!bytes || size == 0 || __CPROVER_r_ok(bytes, size), "the bytes given can be read");
        break;
    case 2:
        part = cursor_sub(&c, size);
        PROVE(part.failed || part.left == size, "a part has the size asked for");
        PROVE(part.left == 0 || __CPROVER_r_ok(part.p, part.left), "a part can be read");
        break;
    default:
        PROVE((cursor_end(&c) == 0) == (!c.failed && c.left == 0), "the end is the end");
        break;
    }
    check_sound(&c, &before);
}

void proof_copies(void)
{
    struct cursor c = any_cursor(INPUT_MAX), before = c;
    size_t size = nondet_size();
    uint8_t *to;

    ASSUME(size <= INPUT_MAX + 8);
    to = any_bytes(size);
    cursor_copy(&c, to, size);
    check_sound(&c, &before);
    for (size_t i = 0; c.failed && i < size; i++)
        PROVE(to[i] == 0, "a copy that failed is zeros");
}

void proof_zeros(void)
{
    struct cursor c = any_cursor(INPUT_MAX), before = c;
    bool zeros = cursor_zeros(&c, nondet_size());

    check_sound(&c, &before);
    PROVE(!zeros || !c.failed, "zeros that are missing are none");
}

void proof_ranges(void)
{
    uint64_t offset = nondet_u64(), size = nondet_u64(), total = nondet_u64();

    PROVE(range_inside(offset, size, total) ==
              ((unsigned __int128)offset + size <= total),
          "a range is inside exactly when its end, without wrapping, is");
}
