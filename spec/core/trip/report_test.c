/* A stranger can not fill the log: refusals are counted where they are too many to tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "sample.h"
#include "trip/report.h"

static struct hw_report report;
static char caught[256 * 1024];

/* What `say` logs, within one second of the report's. */
static void catch (void (*say)(void))
{
    int ends[2];
    time_t before;
    do {
        size_t len = 0;
        report = (struct hw_report){0};
        before = time(NULL);
        HW_CHECK(pipe2(ends, O_CLOEXEC) == 0);
        hw_log_set(HW_LOG_INFO, false);
        HW_CHECK(hw_log_open(ends[1]) == 0);
        say();
        hw_log_close();
        close(ends[1]);
        for (ssize_t n; (n = read(ends[0], caught + len, sizeof caught - 1 - len)) > 0;)
            len += (size_t)n;
        caught[len] = '\0';
        close(ends[0]);
    } while (time(NULL) != before);
}

static int lines_with(const char *text)
{
    int count = 0;
    for (const char *at = caught; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static void refuse(int code, int times)
{
    while (times--)
        hw_report_refusal(
            &report,
            &(struct hw_refusal){.code = code, .why = HW_STR("why"), .peer = HW_STR("127.0.0.1")});
}

/* As if a second had gone by. */
static void pass_a_second(int code)
{
    report.refusals[code - HW_ERROR_BASE].second--;
}

static void refuse_up_to_the_limit(void)
{
    refuse(HW_ENOT_FOUND, HW_REPORT_REFUSALS);
    pass_a_second(HW_ENOT_FOUND);
    refuse(HW_ENOT_FOUND, 1);
}

static void tells_each_refusal_up_to_its_limit(void **state)
{
    (void)state;
    catch (refuse_up_to_the_limit);
    assert_int_equal(lines_with("error=not_found status=404 why=why peer=127.0.0.1"),
                     HW_REPORT_REFUSALS + 1);
    assert_int_equal(lines_with("suppressed="), 0);
}

static void refuse_one_over_the_limit(void)
{
    refuse(HW_ENOT_FOUND, HW_REPORT_REFUSALS + 1);
    pass_a_second(HW_ENOT_FOUND);
    refuse(HW_ENOT_FOUND, 2);
}

static void counts_those_over_it_in_the_next_line(void **state)
{
    (void)state;
    catch (refuse_one_over_the_limit);
    assert_int_equal(lines_with("error=not_found"), HW_REPORT_REFUSALS + 2);
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
    assert_int_equal(lines_with("error=not_found"), HW_REPORT_REFUSALS);
    assert_int_equal(lines_with("error=malformed_request"), 1);
}

static void report_jobs(bool authentic, int code, int times)
{
    struct hw_job *job = notification("job-1", "a");
    job->outcome.authentic = authentic;
    job->outcome.code = code;
    while (times--)
        hw_report_job(&report, job);
    hw_job_free(job);
}

static void report_forgeries(void)
{
    report_jobs(false, HW_EINVALID_SIGNATURE, 100);
}

static void limits_forgeries_too(void **state)
{
    (void)state;
    catch (report_forgeries);
    assert_int_equal(lines_with("refused"), HW_REPORT_REFUSALS);
    assert_int_equal(lines_with("error=invalid_signature"), HW_REPORT_REFUSALS);
}

static void report_real_ones(void)
{
    report_jobs(true, 0, 100);
    report_jobs(true, HW_EHANDLER_ERROR, 100);
}

static void tells_every_notification_that_is_authentic(void **state)
{
    (void)state;
    catch (report_real_ones);
    assert_int_equal(lines_with("succeeded event=Badge.Created job=job-1 attempt=0"), 100);
    assert_int_equal(lines_with("failed event=Badge.Created job=job-1 attempt=0"), 100);
    assert_int_equal(lines_with("error=handler_error"), 100);
}

static void report_attempt(int code, uint32_t attempt)
{
    struct hw_job *job = notification("job-1", "a");
    job->outcome.authentic = true;
    job->outcome.code = code;
    job->attempt = attempt;
    hw_report_job(&report, job);
    hw_job_free(job);
}

static void report_dead_and_failed_ones(void)
{
    report_attempt(HW_EHANDLER_REFUSED, HW_ATTEMPT_LAST);
    report_attempt(HW_ENO_HANDLER, HW_ATTEMPT_LAST);
    report_attempt(HW_EHANDLER_REFUSED, HW_ATTEMPT_LAST - 1);
    report_attempt(HW_EHANDLER_ERROR, 0);
    report_attempt(HW_EHANDLER_TIMEOUT, 0);
    report_attempt(HW_ELEDGER_UNAVAILABLE, HW_ATTEMPT_LAST);
}

static void calls_for_somebody_when_one_is_dead_or_a_handler_broke(void **state)
{
    (void)state;
    catch (report_dead_and_failed_ones);
    assert_int_equal(lines_with("error failed event=Badge.Created job=job-1 attempt=5 state=dead"),
                     2);
    assert_int_equal(lines_with("state="), 2);
    assert_int_equal(lines_with("warn  failed event=Badge.Created job=job-1 attempt=4"), 1);
    assert_int_equal(lines_with("attempt=0 error=handler_error"), 1);
    assert_int_equal(lines_with("warn  failed event=Badge.Created job=job-1 attempt=0"), 1);
    assert_int_equal(lines_with("error failed"), 4);
}

static void report_notes(void)
{
    struct hw_job *job = notification("job-1", "a");
    job->known.other_body = true;
    job->attempt = HW_ATTEMPT_LAST + 1;
    hw_report_job(&report, job);
    job->known.other_body = false;
    job->attempt = HW_ATTEMPT_LAST;
    job->outcome.from_ledger = true;
    hw_report_job(&report, job);
    hw_job_free(job);
}

static void warns_of_another_body_and_an_attempt_over_the_last(void **state)
{
    (void)state;
    catch (report_notes);
    assert_int_equal(lines_with("seen before with another body"), 1);
    assert_int_equal(lines_with("X-JobAttempt is over 5"), 1);
    assert_int_equal(lines_with("duplicate event="), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_each_refusal_up_to_its_limit),
        cmocka_unit_test(counts_those_over_it_in_the_next_line),
        cmocka_unit_test(limits_each_reason_by_itself),
        cmocka_unit_test(limits_forgeries_too),
        cmocka_unit_test(tells_every_notification_that_is_authentic),
        cmocka_unit_test(calls_for_somebody_when_one_is_dead_or_a_handler_broke),
        cmocka_unit_test(warns_of_another_body_and_an_attempt_over_the_last),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
