/* log.h -- one line for each event worth reporting: text for people, JSON for machines.
 *
 * Why     the host must go on when the reader of its log does not: a full pipe may cost lines, but
 *         never an answer.
 * How     a line is built on the caller's stack, then appended to a buffer that a thread writes out
 *         (log_out.h). Lines that don't fit are dropped, counted and reported. Before hw_log_open
 *         and after hw_log_close lines are written directly.
 * Not     no bodies, no signatures, no key material: callers never pass them.
 * Thread  one log a process; any thread may log. */
#ifndef HW_LOG_H
#define HW_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum hw_log_level { HW_LOG_DEBUG, HW_LOG_INFO, HW_LOG_WARN, HW_LOG_ERROR, HW_LOG_OFF };

enum { HW_LOG_LINE_MAX = 8 * 1024 }; /* bytes of a line; a longer one is cut */

struct hw_log_line {
    enum hw_log_level level;
    size_t len;
    bool in_group, first; /* the next field is in a group; is a group's first */
    size_t more_len;      /* of `more`: in text format, values of several lines */
    char bytes[HW_LOG_LINE_MAX];
    char more[HW_LOG_LINE_MAX];
};

/* Level and format may be set at any time, with or without hw_log_open. */
void hw_log_set(enum hw_log_level level, bool json);

/* Whether a line of this level is written; to save the work of a line that is not. */
bool hw_log_wants(enum hw_log_level level);

/* For each host of the process. Sets level and format, unless another host has joined with other
 * ones: a process has one log. Returns 0, or HW_EFAILED with one line in `why`. */
int hw_log_join(enum hw_log_level level, bool json, char *why, size_t why_size);
void hw_log_leave(void);

/* Starts the writing thread. Lines go to the file descriptor, in colour if it is a terminal.
 * Returns 0 or HW_EFAILED. Calls nest: the last close stops the thread. */
int hw_log_open(int fd);

/* Writes out the lines that wait and stops the thread. */
void hw_log_close(void);

/* How many lines the process has dropped. */
uint64_t hw_log_dropped(void);

/* A line: begin, fields, end. `message` is what a person reads first. A field whose value is
 * {NULL, 0} is left out. */
void hw_log_begin(struct hw_log_line *line, enum hw_log_level level, struct hw_str message);
void hw_log_text(struct hw_log_line *line, const char *name, struct hw_str value);

/* The same for a traceback: in text format a value of several lines follows the log line, indented
 * and without its name. Not for values that a stranger may choose. */
void hw_log_lines(struct hw_log_line *line, const char *name, struct hw_str value);

void hw_log_int(struct hw_log_line *line, const char *name, int64_t value);
void hw_log_real(struct hw_log_line *line, const char *name, double value, int decimals);
void hw_log_number(struct hw_log_line *line, const char *name, double value);
void hw_log_bool(struct hw_log_line *line, const char *name, bool value);

/* A value that is JSON already. It becomes a string in text format, or where it does not fit. */
void hw_log_json(struct hw_log_line *line, const char *name, struct hw_str json);

/* The fields up to group_end form an object of their own in JSON, so they can't repeat the line's
 * fields. In text only `event` and `job`, which a handler's line has itself, become fields.event
 * and fields.job. Returns false when there is no room: then the group has not begun. */
bool hw_log_group(struct hw_log_line *line, const char *name);
void hw_log_group_end(struct hw_log_line *line);

/* Writes the line, unless its level is not wanted. */
void hw_log_end(struct hw_log_line *line);

/* A line without fields, by format. */
void hw_log_say(enum hw_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A level by its name, or -1; and the name of a level. */
int hw_log_level_of(struct hw_str name);
const char *hw_log_level_name(enum hw_log_level level);

/* For tests: hands the lines of this thread to `take` instead of writing them, lines of every level
 * and as JSON without a line end. {NULL, NULL} ends that. Returns the tap that was set before. */
typedef void hw_log_tap_fn(void *ud, enum hw_log_level level, struct hw_str json);
struct hw_log_tap {
    hw_log_tap_fn *take;
    void *ud;
};
struct hw_log_tap hw_log_set_tap(struct hw_log_tap tap);

#endif
