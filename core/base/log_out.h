/* log_out.h -- the way out of the log: whole lines to one file descriptor, by a thread of its own.
 *
 * Why     writing may block for as long as the reader likes; whoever logs must not.
 * How     two buffers: one collects lines while the thread writes the other. Lines that don't fit
 *         are dropped and counted. While it is not open, lines are written directly.
 * Not     what a line looks like: log.c, its only user.
 * Thread  any. */
#ifndef HW_LOG_OUT_H
#define HW_LOG_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HW_LOG_BUFFER_MAX = 1024 * 1024, /* bytes of lines that wait to be written */
    HW_LOG_CLOSE_MS = 1000           /* how long closing waits for a reader that does not read */
};

/* Writes the line that reports dropped ones to text[0..size), and returns its length. */
typedef size_t hw_log_out_report_fn(char *text, size_t size, uint64_t dropped);

/* Starts the thread. Returns 0 or HW_EFAILED. Calls nest; only the first one's arguments count. */
int hw_log_out_open(int fd, hw_log_out_report_fn *report);

/* The last call writes out what waits, for at most HW_LOG_CLOSE_MS, and stops the thread. */
void hw_log_out_close(void);

/* One or more whole lines, with their ends. */
void hw_log_out_write(const char *bytes, size_t len);

/* How many lines were dropped in all. */
uint64_t hw_log_out_dropped(void);

/* Whether the descriptor is a terminal and NO_COLOR is not set. */
bool hw_log_out_has_colour(void);

#endif
