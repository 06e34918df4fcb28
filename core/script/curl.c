/* curl.c -- see curl.h */
#include "script/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

struct hw_curl hw_curl;

static char why_not[300];

/* A pointer to data becomes a pointer to a function, as POSIX has it. */
static bool find(void *library, const char *name, void *function)
{
    return (*(void **)function = dlsym(library, name)) != NULL;
}

static void load(void)
{
    struct hw_curl found;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    bool whole = library != NULL;
#define HW_CURL_FIND(name) whole = whole && find(library, "curl_" #name, &found.name);
    HW_CURL_FUNCTIONS(HW_CURL_FIND)
#undef HW_CURL_FIND
    if (whole && found.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        hw_curl = found;
    else
        snprintf(why_not, sizeof why_not, "libcurl can't be used: %s",
                 whole ? "it can't be initialised" : dlerror());
}

const char *hw_curl_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return why_not[0] ? why_not : NULL;
}
