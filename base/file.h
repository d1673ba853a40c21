/*
 * Files and file descriptors: whole reads with a limit, writes that are there entirely or not at all.
 */
#pragma once

#include "base/base.h"
#include "base/reason.h"

/* Closes and forgets; fine with -1. errno is kept. */
void fd_close(int *fd);

#define CLEANUP_FD CLEANUP(fd_close)

/* Gives the descriptor away: returns it and leaves -1 behind. */
int fd_take(int *fd);

/* All bytes, restarting after EINTR. Errors: -errno; -EIO for a short write. */
int fd_write_all(int fd, const void *data, size_t size) MUST_CHECK;

/* What there is until the end, at most `room` bytes. Errors: -errno. */
int fd_read_most(int fd, void *ret_data, size_t room, size_t *ret_size) MUST_CHECK;

/* Exactly `size` bytes. Errors: -errno; -ENODATA when the end comes first. */
int fd_read_exact(int fd, void *ret_data, size_t size) MUST_CHECK;

/* Exactly `size` bytes at `offset`, whatever the position. Errors as fd_read_exact. */
int fd_read_at(int fd, uint64_t offset, void *ret_data, size_t size) MUST_CHECK;

/*
 * The whole regular file or device node at `path`, at most `max` bytes, read once. The caller frees *ret_data with
 * free(); a NUL that is not counted follows it. `why` names the path and what was wrong.
 * Errors: -errno of open and read, -EFBIG above `max`, -EISDIR, -ESPIPE for a pipe, which might never end.
 */
int file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_size, struct reason *why) MUST_CHECK;

/* The same from a descriptor that is open, from where it stands; `name` is for the sentence. */
int fd_read_whole(int fd, const char *name, size_t max, uint8_t **ret_data, size_t *ret_size, struct reason *why)
    MUST_CHECK;

/*
 * Writes a file of the given mode through a temporary beside it, synced and renamed: after a failure the old file, or
 * none, is there. Errors: -errno, named in `why`.
 */
int file_write(const char *path, unsigned mode, const void *data, size_t size, struct reason *why) MUST_CHECK;

/* One short value into a file that exists (/proc and /sys). Errors: -errno. */
int file_poke(const char *path, const char *value) MUST_CHECK;

/* Zeros from the start of a page on, as O_DIRECT wants memory. The caller frees with free(). Errors: -ENOMEM. */
int memory_pages(size_t size, uint8_t **ret_data) MUST_CHECK;

/* free() for CLEANUP() of any pointer variable. */
void memory_free(void *pointer_to_pointer);

#define CLEANUP_FREE CLEANUP(memory_free)
