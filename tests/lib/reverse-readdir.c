/*
 * Preloaded by tests: every folder is read in the reverse of the order that the file system gives. With it, two builds on one
 * file system see files in different orders, as two machines may. Folders read by offsets (telldir) keep their order from
 * there on.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What is still to be given of an open folder, last first. */
struct folder {
    DIR *dir;
    struct dirent **entries;
    struct dirent *given; /* valid until the next call for this folder */
    size_t count;
    struct folder *next;
};

static struct folder *folders;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct folder **place_of(DIR *dir)
{
    struct folder **at = &folders;

    while (*at && (*at)->dir != dir)
        at = &(*at)->next;
    return at;
}

static void forget(DIR *dir)
{
    struct folder **at, *folder;

    pthread_mutex_lock(&lock);
    at = place_of(dir);
    folder = *at;
    if (folder) {
        *at = folder->next;
        while (folder->count)
            free(folder->entries[--folder->count]);
        free(folder->given);
        free(folder->entries);
        free(folder);
    }
    pthread_mutex_unlock(&lock);
}

static struct folder *read_all(DIR *dir)
{
    struct dirent *(*next)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");
    struct folder *folder = calloc(1, sizeof(*folder));
    struct dirent *entry;

    if (!folder)
        abort();
    folder->dir = dir;
    while ((entry = next(dir))) {
        folder->entries = reallocarray(folder->entries, folder->count + 1, sizeof(entry));
        if (!folder->entries || !(folder->entries[folder->count] = malloc(entry->d_reclen)))
            abort();
        memcpy(folder->entries[folder->count++], entry, entry->d_reclen);
    }
    return folder;
}

struct dirent *readdir(DIR *dir)
{
    struct dirent *given;
    struct folder **at;
    int before = errno;

    pthread_mutex_lock(&lock);
    at = place_of(dir);
    if (!*at)
        *at = read_all(dir);
    free((*at)->given);
    given = (*at)->count ? (*at)->entries[--(*at)->count] : NULL;
    (*at)->given = given;
    pthread_mutex_unlock(&lock);
    errno = before;
    return given;
}

struct dirent64 *readdir64(DIR *dir)
{
    return (struct dirent64 *)readdir(dir);
}

void rewinddir(DIR *dir)
{
    forget(dir);
    ((void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir"))(dir);
}

int closedir(DIR *dir)
{
    forget(dir);
    return ((int (*)(DIR *))dlsym(RTLD_NEXT, "closedir"))(dir);
}
