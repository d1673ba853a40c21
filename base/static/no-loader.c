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

/* The linker sends calls of dlopen() here (--wrap): glibc's start code brings its dlopen() in under another name. */
void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}

void *dlsym(void *handle, const char *name)
{
    (void)handle;
    (void)name;
    return NULL;
}

int dlclose(void *handle)
{
    (void)handle;
    return -1;
}

char *dlerror(void)
{
    static char text[] = "this program is static";

    return text;
}

int dladdr(const void *address, Dl_info *info)
{
    (void)address;
    (void)info;
    return 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)result;
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *result)
{
    (void)result;
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t address_size, char *restrict host,
                socklen_t host_size, char *restrict service, socklen_t service_size, int flags)
{
    (void)address;
    (void)address_size;
    (void)host;
    (void)host_size;
    (void)service;
    (void)service_size;
    (void)flags;
    return EAI_FAIL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
    (void)name;
    (void)protocol;
    return NULL;
}

struct hostent *gethostbyname(const char *name)
{
    (void)name;
    return NULL;
}
