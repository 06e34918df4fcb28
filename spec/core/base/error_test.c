/* Each error has a name of its own, a sentence, and the status that the design gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void names_each_error_once(void **state)
{
    (void)state;
    for (int a = HW_ERROR_BASE + 1; a < HW_ERROR_END; a++) {
        assert_true(a < 0);
        assert_true(strspn(hw_error_name(a), "abcdefghijklmnopqrstuvwxyz_") ==
                    strlen(hw_error_name(a)));
        assert_true(strlen(hw_error_name(a)) > 0);
        for (int b = a + 1; b < HW_ERROR_END; b++)
            assert_string_not_equal(hw_error_name(a), hw_error_name(b));
    }
}

static void says_what_is_wrong_in_json_safe_words(void **state)
{
    (void)state;
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++) {
        const char *message = hw_error_message(code);
        assert_true(strlen(message) > 0 && strlen(message) <= 200);
        for (; *message; message++)
            assert_true(*message >= ' ' && *message <= '~' && *message != '"' && *message != '\\');
    }
}

/* The notification path's errors are 400: the sender is documented to retry on that one alone. */
static void answers_with_the_designs_statuses(void **state)
{
    static const struct {
        int status;
        const char *names;
    } design[] = {
        {400,
         " missing_signature malformed_signature invalid_signature malformed_job_id"
         " malformed_job_attempt invalid_json missing_event too_old too_new malformed_timestamp"
         " no_handler schema_violation"
         " handler_refused handler_error handler_timeout given_up host_lost overloaded paused "
         "queue_timeout "
         "ledger_unavailable draining"
         " malformed_request tls_required reload_failed "},
        {403, " not_allowed "},
        {404, " not_found "},
        {405, " method_not_allowed "},
        {408, " request_timeout "},
        {413, " body_too_large "},
        {417, " unsupported_expectation "},
        {431, " header_too_large "},
        {500, " app_error out_of_memory failed "},
        {501, " unsupported_transfer_coding "},
        {503, " app_busy "},
        {505, " unsupported_version "},
    };
    char name[64];
    (void)state;
    for (int code = HW_ERROR_BASE + 1; code < HW_ERROR_END; code++) {
        int status = 0;
        snprintf(name, sizeof name, " %s ", hw_error_name(code));
        for (size_t i = 0; i < sizeof design / sizeof *design; i++)
            if (strstr(design[i].names, name))
                status = design[i].status;
        if (hw_error_status(code) != status)
            fail_msg("%s is %d in the table, %d in the design", name, hw_error_status(code),
                     status);
    }
    assert_int_equal(hw_error_status(HW_EINVALID_SIGNATURE), 400);
    assert_string_equal(hw_error_name(HW_EFAILED), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_error_once),
        cmocka_unit_test(says_what_is_wrong_in_json_safe_words),
        cmocka_unit_test(answers_with_the_designs_statuses),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
