/* A loop's table of descriptors is allocated before they are opened. */
#include "base/loop.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILES = 1000 };

static void limit_files(rlim_t files)
{
    struct rlimit limit = {files, files};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void assert_closes(uv_loop_t *loop)
{
    assert_int_equal(uv_loop_close(loop), 0); /* nothing is left in it */
}

static void has_room_for_every_descriptor(void **state)
{
    uv_loop_t loop, plain;
    (void)state;
    limit_files(FILES);
    assert_int_equal(uv_loop_init(&plain), 0);
    int free_one = dup(0);
    close(free_one);
    assert_int_equal(hw_loop_init(&loop, FILES), 0);
    assert_true(loop.nwatchers >= FILES);
    assert_int_equal(loop.nfds, plain.nfds); /* libuv's own */
    assert_closes(&loop);
    assert_closes(&plain);
    assert_int_equal(fcntl(free_one, F_GETFD), -1); /* none stays open */
}

static void does_without_where_there_are_not_so_many(void **state)
{
    uv_loop_t loop;
    (void)state;
    assert_int_equal(hw_loop_init(&loop, 10 * FILES), 0);
    assert_closes(&loop);
}

static void takes_no_more_than_its_limit(void **state)
{
    uv_loop_t loop;
    (void)state;
    assert_int_equal(hw_loop_init(&loop, SIZE_MAX), 0);
    assert_true(loop.nwatchers <= HW_LOOP_FILES_MAX);
    assert_closes(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_no_more_than_its_limit),
        cmocka_unit_test(has_room_for_every_descriptor),
        cmocka_unit_test(does_without_where_there_are_not_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
