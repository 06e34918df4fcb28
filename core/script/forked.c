/* forked.c -- see forked.h */
#include "script/forked.h"

#include <pthread.h>
#include <unistd.h>

atomic_uint hw_forked_depth;

static void on_child(void)
{
    atomic_fetch_add_explicit(&hw_forked_depth, 1, memory_order_relaxed);
}

static void watch(void)
{
    pthread_atfork(NULL, NULL, on_child);
}

unsigned hw_forked_watch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch);
    return atomic_load_explicit(&hw_forked_depth, memory_order_relaxed);
}

/* Flushes and closes nothing: everything belongs to the parent. */
void hw_forked_leave(void)
{
    _exit(HW_FORKED_EXIT);
}
