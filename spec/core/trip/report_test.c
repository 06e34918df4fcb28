/* Each notification has its line in the log, at its level; forgeries can't fill the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "caught_log.h"
#include "trip/report.h"
#include "trip/sample_job.h"

static struct hw_stats stats;
static struct hw_refusal_log refusal_log;
static struct hw_report report;

static void reset(void)
{
    stats = (struct hw_stats){0};
    refusal_log = (struct hw_refusal_log){.stats = &stats};
    report = (struct hw_report){.stats = &stats, .refusal_log = &refusal_log};
}

static void catch (void (*say)(void))
{
    catch_log(reset, say);
}

static void report_jobs(bool authentic, int code, int times)
{
    struct hw_job *job = sample_job("job-1", "a");
    job->n.outcome.authentic = authentic;
    job->n.outcome.code = code;
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
    assert_int_equal(lines_with("refused"), HW_REFUSAL_LOG_LINES);
    assert_int_equal(lines_with("error=invalid_signature"), HW_REFUSAL_LOG_LINES);
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
    struct hw_job *job = sample_job("job-1", "a");
    job->n.outcome.authentic = true;
    job->n.outcome.code = code;
    job->n.attempt = attempt;
    job->n.state = attempt < HW_ATTEMPT_LAST ? HW_FAILED : HW_DEAD;
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
    struct hw_job *job = sample_job("job-1", "a");
    job->n.known.other_body = true;
    job->n.attempt = HW_ATTEMPT_LAST + 1;
    hw_report_job(&report, job);
    job->n.known.other_body = false;
    job->n.attempt = HW_ATTEMPT_LAST;
    job->n.outcome.from_ledger = true;
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
        cmocka_unit_test(limits_forgeries_too),
        cmocka_unit_test(tells_every_notification_that_is_authentic),
        cmocka_unit_test(calls_for_somebody_when_one_is_dead_or_a_handler_broke),
        cmocka_unit_test(warns_of_another_body_and_an_attempt_over_the_last),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
