/* error.c -- see error.h */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct {
    const char *name;
    const char *message;
    int status;
} table[] = {
#define HW_ERROR_ROW(code, name, status, message) {name, message, status},
    HW_ERRORS(HW_ERROR_ROW)
#undef HW_ERROR_ROW
};

static int row(int code)
{
    HW_CHECK(code > HW_ERROR_BASE && code < HW_ERROR_END);
    return code - HW_ERROR_BASE - 1;
}

const char *hw_error_name(int code)
{
    return table[row(code)].name;
}

const char *hw_error_message(int code)
{
    return table[row(code)].message;
}

int hw_error_status(int code)
{
    return table[row(code)].status;
}

int hw_error_code(struct hw_str name)
{
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++)
        if (hw_str_eq(hw_str_of(table[row(code)].name), name))
            return code;
    return 0;
}

int hw_error_no_thread(int error, char *why, size_t why_size)
{
    snprintf(why, why_size,
             "can't start a thread: %s (`ulimit -u`, and TasksMax of a unit, limit them)",
             strerror(error));
    return HW_EFAILED;
}
