/* Numbers come out as Prometheus reads them: heads, labels that are escaped, cumulative buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/metric_text.h"

static void takes(struct hw_metric_text *text, const char *expected)
{
    size_t len;
    char *all = hw_metric_text_take(text, &len);
    assert_non_null(all);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(all, expected, len);
    free(all);
}

static void writes_heads_and_samples(void **state)
{
    (void)state;
    struct hw_metric_text t = {0};
    hw_metric_text_counter(&t, "a_total", "Counts.", 0);
    hw_metric_text_gauge(&t, "b_bytes", "Bytes.", 1.5);
    hw_metric_text_head(&t, "c", "gauge", "Both.");
    hw_metric_text_begin(&t, "c");
    hw_metric_text_label(&t, "x", HW_STR("1"));
    hw_metric_text_label(&t, "y", HW_STR(""));
    hw_metric_text_int(&t, UINT64_MAX);
    hw_metric_text_begin(&t, "c");
    hw_metric_text_real(&t, 1790000000.25);
    takes(&t, "# HELP a_total Counts.\n# TYPE a_total counter\na_total 0\n"
              "# HELP b_bytes Bytes.\n# TYPE b_bytes gauge\nb_bytes 1.5\n"
              "# HELP c Both.\n# TYPE c gauge\nc{x=\"1\",y=\"\"} 18446744073709551615\n"
              "c 1790000000.25\n");
}

static void escapes_labels(void **state)
{
    (void)state;
    struct hw_metric_text t = {0};
    hw_metric_text_begin(&t, "a");
    hw_metric_text_label(&t, "x", HW_STR("q\" b\\ n\n é \xff."));
    hw_metric_text_int(&t, 7);
    takes(&t, "a{x=\"q\\\" b\\\\ n\\n é \xef\xbf\xbd.\"} 7\n");
}

static void adds_up_buckets(void **state)
{
    (void)state;
    static const struct hw_histogram_bounds bounds = {2, {10, 2500}};
    struct hw_histogram h;
    struct hw_metric_text t = {0};
    hw_histogram_init(&h, &bounds);
    for (uint64_t value = 1; value < 100000; value *= 10)
        hw_histogram_add(&h, value);
    hw_metric_text_histogram(&t, "a_seconds", "Time.", &h, 1000);
    takes(&t, "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n"
              "a_seconds_bucket{le=\"0.01\"} 2\na_seconds_bucket{le=\"2.5\"} 4\n"
              "a_seconds_bucket{le=\"+Inf\"} 5\na_seconds_sum 11.111\na_seconds_count 5\n");
}

static void grows(void **state)
{
    (void)state;
    struct hw_metric_text t = {0};
    size_t len;
    for (int i = 0; i < 10000; i++) {
        hw_metric_text_begin(&t, "name");
        hw_metric_text_int(&t, 1234);
    }
    char *all = hw_metric_text_take(&t, &len);
    assert_int_equal(len, 10000 * strlen("name 1234\n"));
    assert_memory_equal(all + len - 10, "name 1234\n", 10);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_heads_and_samples),
        cmocka_unit_test(escapes_labels),
        cmocka_unit_test(adds_up_buckets),
        cmocka_unit_test(grows),
    };
    return cmocka_run_group_tests_name("metric_text", tests, NULL, NULL);
}
