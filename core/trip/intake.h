/* intake.h -- the service for notifications: makes a job of each request and admits it.
 *
 * Thread  leader only. */
#ifndef HW_INTAKE_H
#define HW_INTAKE_H

#include <stdbool.h>

#include "http/service.h"
#include "trip/dispatch.h"

struct hw_config;

struct hw_intake {
    struct hw_service service;

    /* constant after init */
    struct hw_str path;
    bool by_body;
    struct hw_dispatch *dispatch;
    struct hw_hasher *hasher;
};

/* Returns 0 or HW_ENOMEM. `config` and `dispatch` must outlive it. */
int hw_intake_init(struct hw_intake *intake, const struct hw_config *config,
                   struct hw_dispatch *dispatch);
void hw_intake_fini(struct hw_intake *intake);

#endif
