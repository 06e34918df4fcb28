/* Every entry is one valid line, whatever it contains; a stuck reader only costs lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/log_out.h"

enum { CAUGHT_MAX = 64 * 1024 };

static int ends[2]; /* a pipe: [0] is what the log wrote */
static char caught[CAUGHT_MAX + 1];
static size_t caught_len;
static lua_State *L;

static int open_pipe(void **state)
{
    (void)state;
    HW_CHECK(pipe2(ends, O_CLOEXEC) == 0);
    hw_log_set(HW_LOG_DEBUG, true);
    HW_CHECK(hw_log_open(ends[1]) == 0);
    return 0;
}

/* Closes the log; `caught` is then all that it wrote. */
static void catch (void)
{
    hw_log_close();
    close(ends[1]);
    caught_len = 0;
    for (ssize_t n; (n = read(ends[0], caught + caught_len, CAUGHT_MAX - caught_len)) > 0;)
        caught_len += (size_t)n;
    caught[caught_len] = '\0';
    close(ends[0]);
}

/* Strict: the text of a JSON string may hold well-formed UTF-8 only (RFC 8259, section 8.1). */
static bool is_utf8(const char *line)
{
    lua_settop(L, 0);
    lua_getglobal(L, "utf8");
    lua_getfield(L, -1, "len");
    lua_pushstring(L, line);
    lua_call(L, 1, 1);
    return lua_isinteger(L, -1);
}

/* Decodes the one line that was caught; its table is then at 1. */
static void decode_the_line(void)
{
    assert_true(caught_len > 0);
    assert_int_equal(caught[caught_len - 1], '\n');
    assert_int_equal(strlen(caught), caught_len); /* no zero byte */
    assert_ptr_equal(strchr(caught, '\n'), caught + caught_len - 1);
    assert_true(is_utf8(caught));
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    lua_call(L, 1, 1);
    lua_getfield(L, 1, "decode");
    lua_pushlstring(L, caught, caught_len);
    if (lua_pcall(L, 1, 1, 0))
        fail_msg("%s: %s", lua_tostring(L, -1), caught);
    lua_replace(L, 1);
    lua_settop(L, 1);
}

static struct hw_str field(const char *name)
{
    struct hw_str text;
    lua_getfield(L, 1, name);
    text.ptr = lua_tolstring(L, -1, &text.len);
    return text;
}

static void assert_field(const char *name, struct hw_str expected)
{
    struct hw_str value = field(name);
    assert_non_null(value.ptr);
    assert_int_equal(value.len, expected.len);
    assert_memory_equal(value.ptr, expected.ptr, expected.len);
}

/* Logs `value` in JSON, as message and as field; both must come out as `expected`. */
static void assert_comes_out(struct hw_str value, struct hw_str expected)
{
    struct hw_log_line line;
    open_pipe(NULL);
    hw_log_begin(&line, HW_LOG_WARN, value);
    hw_log_text(&line, "field", value);
    hw_log_end(&line);
    catch ();
    decode_the_line();
    assert_field("message", expected);
    assert_field("field", expected);
    assert_field("level", HW_STR("warn"));
}

/* ---- JSON ---- */

static void writes_every_byte_as_json(void **state)
{
    char all[128];
    (void)state;
    for (int i = 0; i < 128; i++)
        all[i] = (char)i;
    assert_comes_out((struct hw_str){all, sizeof all}, (struct hw_str){all, sizeof all});
    assert_comes_out(HW_STR(""), HW_STR(""));
    assert_comes_out(HW_STR("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf"),
                     HW_STR("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf"));
}

#define SUBSTITUTE "\xef\xbf\xbd"

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    assert_comes_out(HW_STR("a\xffz"), HW_STR("a" SUBSTITUTE "z"));
    assert_comes_out(HW_STR("\x80"), HW_STR(SUBSTITUTE));
    assert_comes_out(HW_STR("\xc3"), HW_STR(SUBSTITUTE));
    assert_comes_out(HW_STR("\xe2\x82"), HW_STR(SUBSTITUTE SUBSTITUTE));
    assert_comes_out(HW_STR("\xc0\x80"), HW_STR(SUBSTITUTE SUBSTITUTE));
    assert_comes_out(HW_STR("\xe0\x9f\xbf"), HW_STR(SUBSTITUTE SUBSTITUTE SUBSTITUTE));
    assert_comes_out(HW_STR("\xed\xa0\x80"), HW_STR(SUBSTITUTE SUBSTITUTE SUBSTITUTE));
    assert_comes_out(HW_STR("\xf0\x8f\xbf\xbf"),
                     HW_STR(SUBSTITUTE SUBSTITUTE SUBSTITUTE SUBSTITUTE));
    assert_comes_out(HW_STR("\xf4\x90\x80\x80"),
                     HW_STR(SUBSTITUTE SUBSTITUTE SUBSTITUTE SUBSTITUTE));
}

static void writes_each_kind_of_field(void **state)
{
    struct hw_log_line line;
    (void)state;
    open_pipe(NULL);
    hw_log_begin(&line, HW_LOG_DEBUG, HW_STR("fields"));
    hw_log_text(&line, "none", HW_STR_NONE);
    hw_log_int(&line, "least", INT64_MIN);
    hw_log_real(&line, "real", 1.5, 2);
    hw_log_real(&line, "nan", 0.0 / 0.0, 2);
    hw_log_real(&line, "infinite", -1.0 / 0.0, 2);
    hw_log_real(&line, "huge", 1e300, 2);
    hw_log_bool(&line, "yes", true);
    hw_log_bool(&line, "no", false);
    hw_log_end(&line);
    catch ();
    decode_the_line();
    assert_null(strstr(caught, "none"));
    assert_non_null(strstr(caught, ",\"least\":-9223372036854775808,\"real\":1.50,\"nan\":null,"
                                   "\"infinite\":null,\"huge\":null,\"yes\":true,\"no\":false}\n"));
}

static void sets_a_group_apart(void **state)
{
    struct hw_log_line line;
    (void)state;
    open_pipe(NULL);
    hw_log_begin(&line, HW_LOG_INFO, HW_STR("a\tb"));
    hw_log_text(&line, "event", HW_STR("A.B"));
    assert_true(hw_log_group(&line, "fields"));
    hw_log_text(&line, "event", HW_STR("C\tD"));
    hw_log_json(&line, "list", HW_STR("[1,{}]"));
    hw_log_group_end(&line);
    hw_log_bool(&line, "behind", true);
    hw_log_end(&line);
    catch ();
    decode_the_line();
    assert_non_null(strstr(caught, "\"message\":\"a\\tb\",\"event\":\"A.B\",\"fields\":{"
                                   "\"event\":\"C\\tD\",\"list\":[1,{}]},\"behind\":true}\n"));
    open_pipe(NULL);
    hw_log_set(HW_LOG_INFO, false);
    hw_log_begin(&line, HW_LOG_INFO, HW_STR("a\tb"));
    hw_log_text(&line, "event", HW_STR("A.B"));
    assert_true(hw_log_group(&line, "fields"));
    hw_log_text(&line, "event", HW_STR("C\tD"));
    hw_log_json(&line, "list", HW_STR("[1,{}]"));
    hw_log_group_end(&line);
    hw_log_bool(&line, "job", true);
    hw_log_end(&line);
    catch ();
    assert_non_null(
        strstr(caught, " a\tb event=A.B fields.event=\"C\\tD\" list=[1,{}] job=true\n"));
}

/* Whatever length the parts have, the line stays valid and within its bound. */
static void keeps_an_overlong_line_valid(void **state)
{
    static char value[2 * HW_LOG_LINE_MAX];
    static const char *const fills[] = {"x", "\"", "\x01", "\xff", "\xe2\x82\xac"};
    struct hw_log_line line;
    (void)state;
    for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
        size_t unit = strlen(fills[f]);
        for (size_t i = 0; i + unit <= sizeof value; i += unit)
            memcpy(value + i, fills[f], unit);
        for (size_t len = HW_LOG_LINE_MAX - 300; len < HW_LOG_LINE_MAX + 20; len += 7) {
            open_pipe(NULL);
            hw_log_begin(&line, HW_LOG_INFO, HW_STR("long"));
            hw_log_text(&line, "first", (struct hw_str){value, len - len % unit});
            bool group = hw_log_group(&line, "fields");
            for (int i = 0; i < 10; i++) {
                hw_log_int(&line, "number", INT64_MIN);
                hw_log_json(&line, "json", HW_STR("[{\"a\":[1,null]}]"));
            }
            hw_log_text(&line, "last", (struct hw_str){value, len});
            if (group)
                hw_log_group_end(&line);
            hw_log_end(&line);
            catch ();
            assert_true(caught_len <= HW_LOG_LINE_MAX);
            decode_the_line();
        }
    }
}

/* ---- text ---- */

static void writes_text_for_people(void **state)
{
    struct hw_log_line line;
    (void)state;
    open_pipe(NULL);
    hw_log_set(HW_LOG_INFO, false);
    hw_log_begin(&line, HW_LOG_INFO, HW_STR("hello"));
    hw_log_text(&line, "plain", HW_STR("a/b.lua:4"));
    hw_log_text(&line, "quoted", HW_STR("two words"));
    hw_log_text(&line, "empty", HW_STR(""));
    hw_log_int(&line, "n", -3);
    hw_log_end(&line);
    catch ();
    assert_string_equal(strchr(caught, 'Z'),
                        "Z info  hello plain=a/b.lua:4 quoted=\"two words\" empty=\"\" n=-3\n");
}

static void lets_no_bytes_reach_a_terminal(void **state)
{
    static const char bad[] = "a\033[31m\rb\tc\x7f\xc2\x9bz\x9b";
    struct hw_log_line line;
    (void)state;
    open_pipe(NULL);
    hw_log_set(HW_LOG_INFO, false);
    hw_log_begin(&line, HW_LOG_INFO, HW_STR(bad));
    hw_log_text(&line, "field", HW_STR(bad));
    hw_log_lines(&line, "below", HW_STR("first\n\033[31m\r\x7f\xc2\x9bz\x9b\nlast"));
    hw_log_end(&line);
    catch ();
    for (size_t i = 0; i < caught_len; i++) {
        unsigned char c = (unsigned char)caught[i];
        assert_true(c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f));
    }
    assert_null(strstr(caught, "\xc2\x9b"));
    assert_true(is_utf8(caught));
    assert_non_null(strstr(caught, "\n    first\n    "));
    assert_non_null(strstr(caught, "\n    last\n"));
}

static void says_only_what_its_level_wants(void **state)
{
    (void)state;
    open_pipe(NULL);
    hw_log_set(HW_LOG_WARN, false);
    hw_log_say(HW_LOG_INFO, "quiet %d", 1);
    hw_log_say(HW_LOG_WARN, "loud %d", 2);
    struct hw_log_line line;
    hw_log_begin(&line, HW_LOG_INFO, HW_STR("quiet as well"));
    hw_log_end(&line);
    catch ();
    assert_null(strstr(caught, "quiet"));
    assert_non_null(strstr(caught, "loud 2\n"));
    assert_int_equal(hw_log_level_of(HW_STR("warn")), HW_LOG_WARN);
    assert_int_equal(hw_log_level_of(HW_STR("off")), HW_LOG_OFF);
    assert_int_equal(hw_log_level_of(HW_STR("loud")), -1);
}

/* ---- threads, and a reader that is stuck ---- */

enum { THREADS = 4, LINES = 100 };

static void *say_many(void *arg)
{
    for (int i = 0; i < LINES; i++)
        hw_log_say(HW_LOG_INFO, "%s %d", (const char *)arg, i);
    return NULL;
}

static void writes_whole_lines_from_many_threads(void **state)
{
    static const char *const names[THREADS] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    int lines = 0;
    (void)state;
    open_pipe(NULL);
    for (int i = 0; i < THREADS; i++)
        HW_CHECK(pthread_create(&threads[i], NULL, say_many, (void *)names[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    catch ();
    for (char *at = caught; *at; lines++) {
        assert_ptr_equal(strstr(at, "{\"time\":\""), at);
        at = strchr(at, '\n') + 1;
        assert_int_equal(at[-2], '}');
    }
    assert_int_equal(lines, THREADS * LINES);
}

static void nests_open_and_close(void **state)
{
    (void)state;
    open_pipe(NULL);
    HW_CHECK(hw_log_open(ends[1]) == 0);
    hw_log_close();
    hw_log_say(HW_LOG_INFO, "still open");
    catch ();
    assert_non_null(strstr(caught, "still open"));
}

/* Logs more than the buffers and the pipe hold. It must return; how soon is not checked. */
static void flood(void)
{
    static char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    for (int i = 0; i < 4 * HW_LOG_BUFFER_MAX / 2000; i++)
        hw_log_say(HW_LOG_INFO, "%s", long_text);
}

/* The sum of what the lines say, and how many of them there are. */
static unsigned long long count_dropped(const char *all, size_t *reports)
{
    static const char line[] = "\"log lines dropped\",\"count\":";
    unsigned long long dropped = 0;
    *reports = 0;
    for (const char *at = all; (at = strstr(at, line)) && strchr(at, '}'); ++*reports)
        dropped += strtoull(at += strlen(line), NULL, 10);
    return dropped;
}

static void counts_what_a_stuck_reader_made_it_drop(void **state)
{
    static char all[8 * HW_LOG_BUFFER_MAX];
    size_t len = 0, lines = 0, reports = 0;
    unsigned long long dropped = 0;
    (void)state;
    open_pipe(NULL);
    flood();
    hw_log_say(HW_LOG_INFO, "the next");
    /* Now somebody reads. */
    fcntl(ends[0], F_SETFL, 0);
    while (!dropped || dropped < hw_log_dropped()) {
        ssize_t n = read(ends[0], all + len, sizeof all - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        all[len] = '\0';
        dropped = count_dropped(all, &reports);
    }
    for (const char *at = all; (at = strchr(at, '\n')); at++)
        lines++;
    assert_true(dropped > 0);
    assert_true(dropped < 4 * HW_LOG_BUFFER_MAX / 2000);
    assert_true(lines <= 4 * HW_LOG_BUFFER_MAX / 2000 - dropped + 1 + reports);
    assert_int_equal(hw_log_dropped(), dropped);
    catch ();
}

/* Must be the last: the log's thread stays behind, stuck. */
static void closes_within_its_limit_when_the_reader_is_stuck(void **state)
{
    struct timespec before, after;
    (void)state;
    open_pipe(NULL);
    flood();
    clock_gettime(CLOCK_MONOTONIC, &before);
    hw_log_close();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 10 + HW_LOG_CLOSE_MS / 1000);
    hw_log_set(HW_LOG_OFF, false);
}

/* What the tap got last. */
static struct {
    enum hw_log_level level;
    int lines;
    char json[HW_LOG_LINE_MAX];
} tapped;

static void take(void *ud, enum hw_log_level level, struct hw_str json)
{
    assert_ptr_equal(&tapped, ud);
    tapped.level = level;
    tapped.lines++;
    memcpy(tapped.json, json.ptr, json.len);
    tapped.json[json.len] = '\0';
}

static void *say_elsewhere(void *unused)
{
    (void)unused;
    hw_log_say(HW_LOG_WARN, "elsewhere");
    return NULL;
}

static void lets_a_tap_take_its_threads_lines(void **state)
{
    pthread_t other;
    open_pipe(state);
    hw_log_set(HW_LOG_ERROR, false);
    struct hw_log_tap none = hw_log_set_tap((struct hw_log_tap){take, &tapped});
    assert_null(none.take);
    hw_log_say(HW_LOG_DEBUG, "a \"%s\"", "b");
    assert_int_equal(HW_LOG_DEBUG, tapped.level);
    assert_non_null(strstr(tapped.json, ",\"level\":\"debug\",\"message\":\"a \\\"b\\\"\"}"));
    hw_log_set(HW_LOG_WARN, false);
    HW_CHECK(pthread_create(&other, NULL, say_elsewhere, NULL) == 0);
    pthread_join(other, NULL);
    assert_int_equal(1, tapped.lines);
    assert_ptr_equal(&tapped, hw_log_set_tap(none).ud);
    hw_log_say(HW_LOG_WARN, "here");
    catch ();
    assert_int_equal(1, tapped.lines);
    assert_non_null(strstr(caught, "warn  elsewhere\n"));
    assert_non_null(strstr(caught, "warn  here\n"));
    assert_null(strstr(caught, "a \"b\""));
}

static int open_lua(void **state)
{
    (void)state;
    L = luaL_newstate();
    HW_CHECK(L);
    luaL_openlibs(L);
    return 0;
}

static int close_lua(void **state)
{
    (void)state;
    lua_close(L);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_byte_as_json),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(writes_each_kind_of_field),
        cmocka_unit_test(sets_a_group_apart),
        cmocka_unit_test(keeps_an_overlong_line_valid),
        cmocka_unit_test(writes_text_for_people),
        cmocka_unit_test(lets_no_bytes_reach_a_terminal),
        cmocka_unit_test(says_only_what_its_level_wants),
        cmocka_unit_test(writes_whole_lines_from_many_threads),
        cmocka_unit_test(nests_open_and_close),
        cmocka_unit_test(lets_a_tap_take_its_threads_lines),
        cmocka_unit_test(counts_what_a_stuck_reader_made_it_drop),
        cmocka_unit_test(closes_within_its_limit_when_the_reader_is_stuck),
    };
    alarm(60); /* ends a test that waits for the log's thread forever */
    return cmocka_run_group_tests_name("log", tests, open_lua, close_lua);
}
