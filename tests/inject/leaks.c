/*
 * All that is looked at is this process's own. Calls that tests/inject/fail.c makes fail (open, read, mmap, …) are
 * not used.
 */
#include "tests/inject/leaks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAPS_ROOM 65536
#define SLOTS (1u << 16) /* a power of two */
#define GONE ((uintptr_t)1)
#define MOST_DESCRIPTORS 256

struct block {
    uintptr_t at; /* 0: none has been here; GONE */
    size_t size;
    const void *caller;
    bool of_before; /* leaks_begin() */
    bool reached;
};

/* Outside of what is searched for pointers. */
static struct books {
    struct block blocks[SLOTS];
    struct block *sorted[SLOTS], *to_search[SLOTS];
    char maps[MAPS_ROOM];
    struct stat before[MOST_DESCRIPTORS]; /* what descriptors led to */
} books;

static bool begun;
static long mapped;
static size_t secure_before;
static int processes_fd = -1, descriptors_fd = -1;

static struct block *slot_of(uintptr_t at, bool to_fill)
{
    size_t i = (at >> 4) * 0x9e3779b1u % SLOTS;

    while (books.blocks[i].at != at && books.blocks[i].at != 0 && !(to_fill && books.blocks[i].at == GONE))
        i = (i + 1) % SLOTS;
    return &books.blocks[i];
}

void leaks_note_block(const void *block, size_t size, const void *caller)
{
    if (block)
        *slot_of((uintptr_t)block, true) = (struct block){ (uintptr_t)block, size, caller, !begun, false };
}

void leaks_forget_block(const void *block)
{
    struct block *slot = block ? slot_of((uintptr_t)block, false) : NULL;

    if (slot && slot->at)
        slot->at = GONE;
}

void leaks_note_mapping(long bytes)
{
    mapped += bytes;
}

/* Calls the function with each descriptor but the two of this file. */
static void for_each_descriptor(void (*look)(int fd, const char *target, char *to, size_t room), char *to, size_t room)
{
    for (int fd = 0; fd < MOST_DESCRIPTORS; fd++) {
        char name[16], target[128];
        ssize_t size;

        (void)snprintf(name, sizeof(name), "%d", fd);
        size = readlinkat(descriptors_fd, name, target, sizeof(target) - 1);
        if (size < 0 || fd == processes_fd || fd == descriptors_fd)
            continue;
        target[size] = '\0';
        look(fd, target, to, room);
    }
}

static void note_descriptor(int fd, const char *target, char *to, size_t room)
{
    (void)target;
    (void)to;
    (void)room;
    (void)fstat(fd, &books.before[fd]);
}

int leaks_begin(long held)
{
    processes_fd = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    descriptors_fd = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (processes_fd < 0 || descriptors_fd < 0)
        return -1;
    for_each_descriptor(note_descriptor, NULL, 0);
    secure_before = CRYPTO_secure_malloc_initialized() ? CRYPTO_secure_used() : 0;
    begun = true;
    mapped = held;
    return 0;
}

const char *leaks_read_maps(void)
{
    int maps_fd = openat(processes_fd, "self/maps", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t n;

    while (size < MAPS_ROOM - 1 && (n = pread(maps_fd, books.maps + size, MAPS_ROOM - 1 - size, (off_t)size)) > 0)
        size += (size_t)n;
    books.maps[size] = '\0';
    (void)close(maps_fd);
    return books.maps;
}

bool leaks_is_writable(const char *line, unsigned long *ret_from, unsigned long *ret_to)
{
    size_t length = strcspn(line, "\n");
    char *end;

    *ret_from = strtoul(line, &end, 16);
    *ret_to = strtoul(end + 1, &end, 16);
    return end[1] == 'r' && end[2] == 'w' && !memmem(line, length, "[stack]", strlen("[stack]"));
}

/* ---- memory that nothing leads to */

static int compare(const void *a, const void *b)
{
    uintptr_t x = (*(struct block *const *)a)->at, y = (*(struct block *const *)b)->at;

    return x < y ? -1 : x > y;
}

/* Without qsort(), which allocates: a heap sort. */
static void sort(struct block **all, size_t count)
{
    for (size_t end = count, start = count / 2; end > 1;) {
        size_t root;

        if (start) {
            start--;
        } else {
            struct block *last = all[--end];

            all[end] = all[0];
            all[0] = last;
        }
        root = start;
        for (size_t child; (child = 2 * root + 1) < end; root = child) {
            struct block *swap = all[root];

            if (child + 1 < end && compare(&all[child], &all[child + 1]) < 0)
                child++;
            if (compare(&all[root], &all[child]) >= 0)
                break;
            all[root] = all[child];
            all[child] = swap;
        }
    }
}

static size_t sorted_count, search_count;

/*
 * The block into which the address leads. glibc itself notes free memory by an address 16 bytes before its start, which
 * lies in the block before it: that leads nowhere.
 */
static struct block *block_at(uintptr_t at)
{
    const struct block *block;
    uintptr_t offset, next;
    size_t low = 0, high = sorted_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (books.sorted[middle]->at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    block = books.sorted[low - 1];
    offset = at - block->at;
    next = ((block->size + 8 + 15) & ~(uintptr_t)15) - 16;
    return offset == 0 || (offset < block->size && offset != next) ? books.sorted[low - 1] : NULL;
}

static void reach(struct block *block)
{
    if (!block || block->reached)
        return;
    block->reached = true;
    books.to_search[search_count++] = block;
}

static void search(uintptr_t from, uintptr_t to)
{
    for (uintptr_t at = (from + 7) & ~(uintptr_t)7; at + sizeof(at) <= to; at += sizeof(at)) {
        uintptr_t value;

        memcpy(&value, (const void *)at, sizeof(value));
        if (sorted_count && value >= books.sorted[0]->at)
            reach(block_at(value));
    }
}

/* Globals of the program and its libraries, but neither heaps nor our own books. */
static void search_globals(void)
{
    const char *maps = leaks_read_maps();

    for (const char *line = maps; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n");
        unsigned long from, to;
        bool heap = memmem(line, length, "[heap]", strlen("[heap]"));

        if (!leaks_is_writable(line, &from, &to) || heap)
            continue;
        for (size_t i = 0; i < sorted_count && !heap; i++)
            heap = books.sorted[i]->at >= from && books.sorted[i]->at < to;
        if (heap)
            continue;
        if ((uintptr_t)&books >= from && (uintptr_t)&books < to) {
            search(from, (uintptr_t)&books);
            from = (uintptr_t)(&books + 1);
        }
        search(from, to);
    }
}

static void search_reached(void)
{
    while (search_count) {
        const struct block *block = books.to_search[--search_count];

        search(block->at, block->at + block->size);
    }
}

/* What is told last is a block that no other lost one leads to: each of these is told before what leads to it. */
static void find_lost(char *to, size_t room)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (books.blocks[i].at > GONE)
            books.sorted[sorted_count++] = &books.blocks[i];
    sort(books.sorted, sorted_count);
    search_globals();
    for (size_t i = 0; i < sorted_count; i++)
        if (books.sorted[i]->of_before)
            reach(books.sorted[i]);
    search_reached();
    for (size_t i = 0; i < sorted_count; i++) {
        struct block *lost = books.sorted[i];
        Dl_info found = { .dli_fname = "?" };

        if (lost->reached)
            continue;
        (void)dladdr(lost->caller, &found);
        (void)snprintf(to, room, "%zu bytes that %s+0x%zx (%s) allocated", lost->size, found.dli_fname,
                       (size_t)((uintptr_t)lost->caller - (uintptr_t)found.dli_fbase), found.dli_sname ? found.dli_sname : "?");
        reach(lost);
        search_reached();
    }
}

/* ---- the rest */

static unsigned logs;

static void check_descriptor(int fd, const char *target, char *to, size_t room)
{
    const char *name = strrchr(target, '/');
    const struct stat *had = &books.before[fd];
    struct stat has;

    if (fd <= STDERR_FILENO || *to ||
        (fstat(fd, &has) == 0 && has.st_ino == had->st_ino && has.st_dev == had->st_dev))
        return;
    if (name && (strcmp(name, "/kmsg") == 0 || strcmp(name, "/console") == 0) && logs++ == 0)
        return;
    (void)snprintf(to, room, "descriptor %d of %s", fd, target);
}

void leaks_end(char *to, size_t room)
{
    *to = '\0';
    find_lost(to, room);
    if (!*to && mapped)
        (void)snprintf(to, room, "%ld bytes mapped", mapped);
    if (!*to && CRYPTO_secure_malloc_initialized() && CRYPTO_secure_used() != secure_before)
        (void)snprintf(to, room, "%zu bytes of the secure heap", CRYPTO_secure_used() - secure_before);
    for_each_descriptor(check_descriptor, to, room);
}
