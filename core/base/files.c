/* files.c -- see files.h */
#include "base/files.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

enum { PER_WORKER = 8, BESIDE = 128 /* the ledger's, the loop's, the log's, the handlers' */ };

static rlim_t files_beside(size_t workers)
{
    return (rlim_t)workers * PER_WORKER + BESIDE;
}

size_t hw_files_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) ? SIZE_MAX : (size_t)limit.rlim_cur;
}

void hw_files_limits(size_t *soft, size_t *hard)
{
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    *soft = known ? (size_t)limit.rlim_cur : SIZE_MAX;
    *hard = known ? (size_t)limit.rlim_max : SIZE_MAX;
}

size_t hw_files_wanted(size_t connections, size_t workers)
{
    return (size_t)files_beside(workers) + connections;
}

/* Under a very low limit a quarter is still for connections. */
size_t hw_files_for_connections(size_t wanted, size_t workers)
{
    struct rlimit limit;
    rlim_t beside = files_beside(workers);
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= beside + wanted)
        return wanted;
    size_t quarter = (size_t)(limit.rlim_cur / 4 + 1);
    size_t room = limit.rlim_cur > beside ? (size_t)(limit.rlim_cur - beside) : 0;
    room = room > quarter ? room : quarter;
    return room < wanted ? room : wanted;
}

void hw_files_raise(size_t connections, size_t workers)
{
    struct rlimit limit;
    rlim_t wanted = files_beside(workers) + (rlim_t)connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
