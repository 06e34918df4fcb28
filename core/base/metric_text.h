/* metric_text.h -- writes numbers in the Prometheus text format 0.0.4.
 *
 * How     a metric is its head (what it means, its type) and then its samples. A sample is its
 *         name, its labels, if it has any, and its value:
 *
 *             hw_metric_text_begin(text, "hookward_refusals_total");
 *             hw_metric_text_label(text, "reason", HW_STR("no_handler"));
 *             hw_metric_text_int(text, 3);
 *
 *         The text grows in one block. Without memory the rest is left out, and hw_metric_text_take
 *         says so.
 * Thread  any. */
#ifndef HW_METRIC_TEXT_H
#define HW_METRIC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/str.h"

/* Zeroed at first. */
struct hw_metric_text {
    char *bytes;
    size_t len, room;
    bool labelled; /* the sample has a label so far */
    bool failed;   /* there was no memory */
};

/* `type`: "counter", "gauge" or "histogram". `help` has no line end and no backslash. */
void hw_metric_text_head(struct hw_metric_text *text, const char *name, const char *type,
                         const char *help);

void hw_metric_text_begin(struct hw_metric_text *text, const char *name);
void hw_metric_text_label(struct hw_metric_text *text, const char *name, struct hw_str value);

/* The value, which ends the sample. */
void hw_metric_text_int(struct hw_metric_text *text, uint64_t value);
void hw_metric_text_real(struct hw_metric_text *text, double value);

/* A whole metric, head included, with one sample and no label. */
void hw_metric_text_gauge(struct hw_metric_text *text, const char *name, const char *help,
                          double value);
void hw_metric_text_counter(struct hw_metric_text *text, const char *name, const char *help,
                            uint64_t value);

/* Likewise; its values are divided by `unit`: 1e9 for nanoseconds. */
void hw_metric_text_histogram(struct hw_metric_text *text, const char *name, const char *help,
                              const struct hw_histogram *h, double unit);

/* The text, which is the caller's (free). NULL when there was no memory. */
char *hw_metric_text_take(struct hw_metric_text *text, size_t *len);

#endif
