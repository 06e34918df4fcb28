/* A stranger can't fill the log: refusals over a limit are only counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "caught_log.h"
#include "http/refusal_log.h"

static struct hw_stats stats;
static struct hw_refusal_log refusal_log;

static void reset(void)
{
    stats = (struct hw_stats){0};
    refusal_log = (struct hw_refusal_log){.stats = &stats};
}

static void catch (void (*say)(void))
{
    catch_log(reset, say);
}

static void refuse(int code, int times)
{
    while (times--)
        hw_refusal_log_add(
            &refusal_log,
            &(struct hw_refusal){.code = code, .why = HW_STR("why"), .peer = HW_STR("127.0.0.1")});
}

/* As if a second had gone by. */
static void pass_a_second(int code)
{
    refusal_log.rows[code - HW_ERROR_BASE].second--;
}

static void refuse_up_to_the_limit(void)
{
    refuse(HW_ENOT_FOUND, HW_REFUSAL_LOG_LINES);
    pass_a_second(HW_ENOT_FOUND);
    refuse(HW_ENOT_FOUND, 1);
}

static void tells_each_refusal_up_to_its_limit(void **state)
{
    (void)state;
    catch (refuse_up_to_the_limit);
    assert_int_equal(lines_with("error=not_found status=404 why=why peer=127.0.0.1"),
                     HW_REFUSAL_LOG_LINES + 1);
    assert_int_equal(lines_with("suppressed="), 0);
}

static void refuse_one_over_the_limit(void)
{
    refuse(HW_ENOT_FOUND, HW_REFUSAL_LOG_LINES + 1);
    pass_a_second(HW_ENOT_FOUND);
    refuse(HW_ENOT_FOUND, 2);
}

static void counts_those_over_it_in_the_next_line(void **state)
{
    (void)state;
    catch (refuse_one_over_the_limit);
    assert_int_equal(lines_with("error=not_found"), HW_REFUSAL_LOG_LINES + 2);
    assert_int_equal(lines_with("suppressed=1\n"), 1); /* once */
}

static void refuse_for_two_reasons(void)
{
    refuse(HW_ENOT_FOUND, 100);
    refuse(HW_EMALFORMED_REQUEST, 1);
}

static void limits_each_reason_by_itself(void **state)
{
    (void)state;
    catch (refuse_for_two_reasons);
    assert_int_equal(lines_with("error=not_found"), HW_REFUSAL_LOG_LINES);
    assert_int_equal(lines_with("error=malformed_request"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_refusal_up_to_its_limit),
        cmocka_unit_test(counts_those_over_it_in_the_next_line),
        cmocka_unit_test(limits_each_reason_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
