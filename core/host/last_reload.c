/* last_reload.c -- see last_reload.h */
#include "host/last_reload.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"

void hw_last_reload_init(struct hw_last_reload *last)
{
    HW_CHECK(uv_mutex_init(&last->m) == 0);
    HW_CHECK(uv_cond_init(&last->changed) == 0);
    last->result = (struct hw_reload_result){.attempt = {.ok = true}};
    last->at = 0;
    last->over = false;
}

void hw_last_reload_fini(struct hw_last_reload *last)
{
    uv_cond_destroy(&last->changed);
    uv_mutex_destroy(&last->m);
}

void hw_last_reload_put(struct hw_last_reload *last, const struct hw_reload_result *result)
{
    uv_mutex_lock(&last->m);
    last->result = *result;
    if (result->worth_saying)
        last->at = hw_now();
    uv_cond_broadcast(&last->changed);
    uv_mutex_unlock(&last->m);
}

void hw_last_reload_end(struct hw_last_reload *last)
{
    uv_mutex_lock(&last->m);
    last->over = true;
    uv_cond_broadcast(&last->changed);
    uv_mutex_unlock(&last->m);
}

int hw_last_reload_await(struct hw_last_reload *last, uint64_t ticket, char *text, size_t size)
{
    uv_mutex_lock(&last->m);
    while (!last->over && last->result.asked < ticket)
        uv_cond_wait(&last->changed, &last->m);
    bool answered = last->result.asked >= ticket;
    int rc = !answered ? HW_EDRAINING : last->result.attempt.ok ? 0 : HW_ERELOAD_FAILED;
    snprintf(text, size, "%s", answered ? last->result.attempt.text : "the host has stopped");
    uv_mutex_unlock(&last->m);
    return rc;
}

double hw_last_reload_describe(struct hw_last_reload *last, bool *ok, char *text, size_t size)
{
    uv_mutex_lock(&last->m);
    double at = last->at;
    *ok = last->result.attempt.ok;
    snprintf(text, size, "%s", last->result.attempt.text);
    uv_mutex_unlock(&last->m);
    return at;
}

void hw_last_reload_error(struct hw_last_reload *last, char *text, size_t size)
{
    uv_mutex_lock(&last->m);
    snprintf(text, size, "%s", last->result.attempt.ok ? "" : last->result.attempt.text);
    uv_mutex_unlock(&last->m);
}
