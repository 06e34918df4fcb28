/* Each notification has its line in the log, at its level; forgeries can't fill the log. Authentic ones
 * are counted by their event, and answers are timed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "caught_log.h"
#include "http/waiter.h"
#include "trip/report.h"
#include "trip/sample_job.h"

static struct hw_stats stats;
static struct hw_refusal_log refusal_log;
static struct hw_report report;

static void reset(void)
{
    stats = (struct hw_stats){0};
    refusal_log = (struct hw_refusal_log){.stats = &stats};
    hw_report_fini(&report);
    hw_report_init(&report, &stats, &refusal_log);
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

static uint64_t counted(const char *event, enum hw_event_count which)
{
    const struct hw_event *row;
    for (size_t i = 0; (row = hw_events_at(&report.events, i)); i++)
        if (strcmp(row->name, event) == 0)
            return row->counts[which];
    return 0;
}

static void report_of_events(void)
{
    report_jobs(true, 0, 3);
    report_jobs(true, HW_EHANDLER_REFUSED, 2);
    report_jobs(true, HW_EPAUSED, 1);
    report_jobs(false, HW_EINVALID_SIGNATURE, 7);
    report_attempt(HW_ENO_HANDLER, HW_ATTEMPT_LAST);
    struct hw_job *job = sample_job("job-1", "a");
    job->n.outcome.authentic = job->n.outcome.unhandled = true;
    job->joined = 4;
    hw_report_job(&report, job);
    job->joined = 0;
    job->n.outcome.from_ledger = true;
    hw_report_job(&report, job);
    job->n.from_row = 1;
    job->n.outcome.from_ledger = false;
    hw_report_job(&report, job); /* a replay */
    job->due_at = 1;
    hw_report_job(&report, job); /* a retry */
    job->n.outcome.code = HW_EHANDLER_ERROR;
    hw_report_job(&report, job);
    job->due_at = 0;
    hw_report_job(&report, job);
    hw_job_free(job);
}

static void counts_by_event_what_is_authentic(void **state)
{
    (void)state;
    static const uint64_t expected[] = {[HW_EVENT_SUCCEEDED] = 3,  [HW_EVENT_FAILED] = 3,
                                        [HW_EVENT_PAUSED] = 1,     [HW_EVENT_UNHANDLED] = 1,
                                        [HW_EVENT_DUPLICATES] = 1, [HW_EVENT_JOINED] = 4,
                                        [HW_EVENT_RETRIED] = 1,    [HW_EVENT_RETRIES_FAILED] = 1,
                                        [HW_EVENT_REPLAYED] = 1,   [HW_EVENT_REPLAYS_FAILED] = 1,
                                        [HW_EVENT_DEAD] = 1};
    catch (report_of_events);
    for (int i = 0; i < HW_EVENT_COUNTS_END; i++)
        assert_int_equal(counted("Badge.Created", (enum hw_event_count)i), expected[i]);
    const struct hw_event *row = hw_events_at(&report.events, 0);
    assert_int_equal(row->last_error, HW_EHANDLER_ERROR);
    assert_true(row->last_error_at > 1e9);
    assert_null(hw_events_at(&report.events, 1)); /* the forgeries have none */
}

static void times_the_first_answer_alone_and_no_forgery(void **state)
{
    (void)state;
    struct hw_waiter waiter = {0};
    struct hw_job *job = sample_job("job-1", "a");
    reset();
    hw_report_answer(&report, job, 0);
    assert_int_equal(hw_histogram_count(&report.answering), 0); /* nobody waits */
    job->waiters = &waiter;
    hw_report_answer(&report, job, HW_EHANDLER_TIMEOUT);
    hw_report_answer(&report, job, 0);
    assert_int_equal(hw_histogram_count(&report.answering), 1);
    job->timed = false;
    hw_report_answer(&report, job, HW_EINVALID_SIGNATURE);
    assert_int_equal(hw_histogram_count(&report.answering), 1);
    job->timed = false;
    job->n.from_row = 1;
    hw_report_answer(&report, job, 0);
    assert_int_equal(hw_histogram_count(&report.answering), 1);
    hw_job_free(job);
}

static void report_two_of_which_one_ran(void)
{
    struct hw_job *job = sample_job("job-1", "a");
    job->n.outcome.authentic = job->n.outcome.ran = true;
    job->n.outcome.began_ns = job->n.outcome.finished_ns - 2000000;
    hw_report_job(&report, job);
    job->n.outcome.ran = false;
    hw_report_job(&report, job);
    hw_job_free(job);
}

static void times_handlers(void **state)
{
    (void)state;
    catch (report_two_of_which_one_ran);
    assert_int_equal(hw_histogram_count(&report.handling), 1);
    assert_int_equal(hw_histogram_get(&report.handling.sum), 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_forgeries_too),
        cmocka_unit_test(tells_every_notification_that_is_authentic),
        cmocka_unit_test(calls_for_somebody_when_one_is_dead_or_a_handler_broke),
        cmocka_unit_test(warns_of_another_body_and_an_attempt_over_the_last),
        cmocka_unit_test(counts_by_event_what_is_authentic),
        cmocka_unit_test(times_the_first_answer_alone_and_no_forgery),
        cmocka_unit_test(times_handlers),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
