/* pg_libpq.c -- see pg_libpq.h */
#include "ledger/pg_libpq.h"

#if HW_LIBPQ

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

struct hw_libpq hw_libpq;

/* A pointer to data becomes a pointer to a function, as POSIX has it. */
static bool find(void *library, const char *name, void *function)
{
    return (*(void **)function = dlsym(library, name)) != NULL;
}

/* Returns NULL, or why not. */
static const char *load(char *why, size_t size)
{
    struct hw_libpq found;
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    bool whole = library != NULL;
#define HW_LIBPQ_FIND(name) whole = whole && find(library, "PQ" #name, &found.name);
    HW_LIBPQ_FUNCTIONS(HW_LIBPQ_FIND)
#undef HW_LIBPQ_FIND
    if (whole) {
        hw_libpq = found;
        return NULL;
    }
    snprintf(why, size,
             library ? "libpq is older than version 14 (%s)"
                     : "libpq can't be loaded (%s); on Debian: apt-get install libpq5",
             dlerror());
    if (library)
        dlclose(library);
    return why;
}

/* A failure is not remembered: it may have been for want of a descriptor. */
const char *hw_libpq_load(void)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    static _Thread_local char why[400];
    pthread_mutex_lock(&m);
    const char *failed = hw_libpq.connectPoll ? NULL : load(why, sizeof why);
    pthread_mutex_unlock(&m);
    return failed;
}

#else

const char *hw_libpq_load(void)
{
    return "this hookward was built without PostgreSQL: install libpq-dev (14 or newer), then "
           "build "
           "it again";
}

#endif
