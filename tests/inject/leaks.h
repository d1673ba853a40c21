/*
 * What a process has taken since a moment and not given back: memory that nothing leads to, descriptors, mappings, and
 * memory of OpenSSL's secure heap. For one thread. tests/inject/fail.c tells of each allocation and mapping.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Of all there is from the program's start on; `caller` is what is named when the block is lost. */
void leaks_note_block(const void *block, size_t size, const void *caller);
void leaks_forget_block(const void *block);

/* Bytes mapped, or with a negative number given back. */
void leaks_note_mapping(long bytes);

/*
 * From now on. Of what was mapped before, `held` bytes have to be given back as well. Needs /proc; leaks_end() does not.
 */
int leaks_begin(long held);

/*
 * Writes one thing that was found, or "" when there is none. Memory counts as lost when no pointer to it lies in memory
 * that can be written, the stack left aside, nor in memory that is not lost. Of PID 1's descriptors the standard ones
 * and one that writes the log may be open. Takes nothing itself.
 */
void leaks_end(char *to, size_t room);

/* /proc/self/maps as it is now, until the next call. Of the process that calls, which descends from the one that called leaks_begin(). */
const char *leaks_read_maps(void);

/* Whether the line of it is of memory that can be read and written, the stack left aside. */
bool leaks_is_writable(const char *line, unsigned long *ret_from, unsigned long *ret_to);
