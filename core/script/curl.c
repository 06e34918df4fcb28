/* curl.c -- see curl.h */
#include "script/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

struct hw_curl hw_curl;

/* A pointer to data becomes a pointer to a function, as POSIX has it. */
static bool find(void *library, const char *name, void *function)
{
    return (*(void **)function = dlsym(library, name)) != NULL;
}

/* Returns NULL, or why not. */
static const char *load(char *why, size_t size)
{
    struct hw_curl found;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    bool whole = library != NULL;
#define HW_CURL_FIND(name) whole = whole && find(library, "curl_" #name, &found.name);
    HW_CURL_FUNCTIONS(HW_CURL_FIND)
#undef HW_CURL_FIND
    if (whole && found.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
        hw_curl = found;
        return NULL;
    }
    snprintf(why, size, "libcurl can't be used: %s", whole ? "it can't be initialised" : dlerror());
    if (library)
        dlclose(library);
    return why;
}

/* A failure is not remembered: it may have been for want of a descriptor. */
const char *hw_curl_load(void)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    static _Thread_local char why[300];
    pthread_mutex_lock(&m);
    const char *failed = hw_curl.easy_init ? NULL : load(why, sizeof why);
    pthread_mutex_unlock(&m);
    return failed;
}
