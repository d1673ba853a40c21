/*
 * What static programs leave out: loading shared objects and looking up names.
 *
 * libcrypto calls both when it is asked to (provider modules, BIO_lookup); nobody here asks, but with glibc's own
 * versions a static program would carry the dynamic loader and crash in it when the machine's libraries are of
 * another version. PID 1 has no business with either. These take the place of glibc's in every program that is linked
 * statically, and always fail. Linked into programs, not into the libraries: the dynamic postern-broker keeps the
 * real ones.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>

#include "base/base.h"

/* The linker sends calls of dlopen() here (--wrap): glibc's start code brings its dlopen() in under another name. */
void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(const char *file UNUSED, int mode UNUSED)
{
    return NULL;
}

void *dlsym(void *handle UNUSED, const char *name UNUSED)
{
    return NULL;
}

int dlclose(void *handle UNUSED)
{
    return -1;
}

char *dlerror(void)
{
    static char text[] = "this program is static";

    return text;
}

int dladdr(const void *address UNUSED, Dl_info *info UNUSED)
{
    return 0;
}

int getaddrinfo(const char *node UNUSED, const char *service UNUSED, const struct addrinfo *hints UNUSED,
                struct addrinfo **result UNUSED)
{
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *result UNUSED)
{
}

int getnameinfo(const struct sockaddr *restrict address UNUSED, socklen_t address_size UNUSED,
                char *restrict host UNUSED, socklen_t host_size UNUSED, char *restrict service UNUSED,
                socklen_t service_size UNUSED, int flags UNUSED)
{
    return EAI_FAIL;
}

struct servent *getservbyname(const char *name UNUSED, const char *protocol UNUSED)
{
    return NULL;
}

struct hostent *gethostbyname(const char *name UNUSED)
{
    return NULL;
}
