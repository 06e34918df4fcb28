/* pg_why_test.c -- tests core/ledger/pg_why.h: libpq's texts, and no password in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/pg_why.h"

static char line[512], sqlstate[6];

static const char *line_of(const char *text, const char *url)
{
    hw_pg_why_line(text, url, line, sizeof line);
    return line;
}

static void the_verbose_form_becomes_one_plain_line(void **state)
{
    (void)state;
    static const char text[] =
        "connection to server at \"db\" (10.0.0.1), port 5432 failed: FATAL:  28P01: password "
        "authentication failed for user \"u\"\nLOCATION:  auth_failed, auth.c:339\n";
    assert_string_equal(
        line_of(text, "postgres://u:secret@db/d"),
        "connection to server at \"db\" (10.0.0.1), port 5432 failed: FATAL: password "
        "authentication failed for user \"u\"");
    assert_int_equal(hw_pg_why_connect(text, sqlstate), HW_PG_REFUSED);
    assert_string_equal(sqlstate, "28P01");
}

static void a_text_of_lines_becomes_one(void **state)
{
    (void)state;
    assert_string_equal(line_of("a failed: Connection refused\n\tIs the server running?\n", ""),
                        "a failed: Connection refused; Is the server running?");
    assert_string_equal(line_of("", ""), "");
    assert_string_equal(line_of("a\n", ""), "a");
    assert_string_equal(line_of("at h: no\nat h: no\n", ""), "at h: no");
    assert_string_equal(line_of("at g: no\nat h: no\n", ""), "at g: no; at h: no");
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_in_range(strlen(line_of(longer, "")), 400, sizeof line - 1);
}

/* A password with characters that should have been escaped is read as a host, a port, a database. */
static void no_part_of_a_password_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *url, *text, *line;
    } cases[] = {
        {"postgres://u:p/w@h/d", "invalid integer value \"p\" for connection option \"port\"",
         "invalid integer value \"…\" for connection option \"port\""},
        {"postgres://u:p/w@h/d", "FATAL:  3D000: database \"w@h/d\" does not exist",
         "FATAL: database \"…\" does not exist"},
        {"postgres://u:a@b@h/d", "could not translate host name \"b@h\" to address",
         "could not translate host name \"…\" to address"},
        {"postgres://u:100%@h/d", "invalid percent-encoded token: \"100%\"",
         "invalid percent-encoded token: \"…\""},
        {"postgres://h/d?user=u&password=secret", "no such thing: \"secret\"",
         "no such thing: \"…\""},
        {"postgres://u@h/d", "FATAL:  28000: role \"u\" does not exist",
         "FATAL: role \"u\" does not exist"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(line_of(cases[i].text, cases[i].url), cases[i].line);
}

static void a_failed_connection_is_away_unless_a_user_must_mend_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum hw_pg_rc rc;
    } cases[] = {
        {"connection to server at \"h\", port 1 failed: Connection refused", HW_PG_AWAY},
        {"could not translate host name \"h\" to address: Temporary failure", HW_PG_AWAY},
        {"failed: FATAL:  57P03: the database system is starting up", HW_PG_AWAY},
        {"failed: FATAL:  53300: sorry, too many clients already", HW_PG_AWAY},
        {"failed: FATAL:  08P01: server login failed", HW_PG_AWAY},
        {"failed: FATAL:  08P01: no such database: x", HW_PG_REFUSED},
        {"failed: FATAL:  3D000: database \"x\" does not exist", HW_PG_REFUSED},
        {"failed: ВАЖНО:  28000: роль \"x\" не существует", HW_PG_REFUSED},
        {"failed: FATAL:  42501: permission denied for database \"x\"", HW_PG_REFUSED},
        {"failed: SSL error: certificate verify failed", HW_PG_REFUSED},
        {"failed: fe_sendauth: no password supplied", HW_PG_REFUSED},
        {"invalid URI query parameter: \"x\"", HW_PG_REFUSED},
        {"invalid sslmode value: \"x\"", HW_PG_REFUSED},
        {"definition of service \"x\" not found", HW_PG_REFUSED},
        {"service file \"x\" not found", HW_PG_REFUSED},
        {"syntax error in service file \"x\", line 4", HW_PG_REFUSED},
        {"missing key/value separator \"=\" in URI query parameter: \"a\"", HW_PG_REFUSED},
        {"IPv6 host address may not be empty in URI: \"x\"", HW_PG_REFUSED},
        {"forbidden value %00 in percent-encoded value: \"%00\"", HW_PG_REFUSED},
        {"failed: channel binding required, but SSL not in use", HW_PG_REFUSED},
        {"connection to server at \"a\" failed: session is read-only", HW_PG_REFUSED},
        {"connection to server at \"a\" failed: Connection refused\n"
         "connection to server at \"b\" failed: session is read-only",
         HW_PG_AWAY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (hw_pg_why_connect(cases[i].text, sqlstate) != cases[i].rc)
            fail_msg("%s", cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verbose_form_becomes_one_plain_line),
        cmocka_unit_test(a_text_of_lines_becomes_one),
        cmocka_unit_test(no_part_of_a_password_is_shown),
        cmocka_unit_test(a_failed_connection_is_away_unless_a_user_must_mend_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
