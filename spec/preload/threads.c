/* threads.c -- a process that may start HOOKWARD_THREADS threads, and not one more; for LD_PRELOAD.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *arg)
{
    static atomic_int started;
    const char *allowed = getenv("HOOKWARD_THREADS");
    create_fn *next = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    if (allowed && atomic_fetch_add(&started, 1) >= atoi(allowed))
        return EAGAIN;
    return next(thread, attributes, run, arg);
}
