/* purge.c -- see purge.h */
#include "trip/purge.h"

#include <stdlib.h>

static bool read_number(const char **at, char end, int64_t *number)
{
    char *behind;
    *number = strtoll(*at, &behind, 10);
    bool ok = behind != *at && *behind == end;
    *at = behind + 1;
    return ok;
}

/* `text` ends with a zero byte. */
static int read_rows(struct hw_purge *purge, struct hw_str text)
{
    for (const char *at = text.ptr; at < text.ptr + text.len;) {
        struct hw_ledger_row *row = &purge->rows[purge->count];
        if (purge->count == HW_PURGE_ROWS_MAX || !read_number(&at, ' ', &row->seq) ||
            !read_number(&at, '\n', &row->settled_at))
            return HW_EMALFORMED_REQUEST;
        purge->count++;
    }
    return 0;
}

static int fill(struct hw_job *job, const struct hw_request *r)
{
    struct hw_str text = {r->bytes + r->head_len, (size_t)r->http.body_length};
    text = hw_arena_copy(&job->arena, text);
    job->purge = hw_arena_alloc(&job->arena, sizeof *job->purge +
                                                 HW_PURGE_ROWS_MAX * sizeof(struct hw_ledger_row));
    if (!text.ptr || !job->purge)
        return HW_ENOMEM;
    *job->purge = (struct hw_purge){0};
    return read_rows(job->purge, text);
}

int hw_purge_ask(struct hw_dispatch *d, const struct hw_request *request, struct hw_waiter *waiter,
                 struct hw_str *reason)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    hw_dispatch_enter_side_gate(d);
    int rc = job ? fill(job, request) : HW_EOVERLOADED;
    if (rc == 0)
        return hw_dispatch_purge(d, job, waiter);
    if (job)
        hw_job_free(job);
    hw_dispatch_leave_gate(d);
    *reason = HW_STR("each line must name a row and when it was settled");
    return rc == HW_ENOMEM ? HW_EOVERLOADED : rc;
}
