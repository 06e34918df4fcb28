/* Which numbers descriptors get, and which of them a child process would inherit. */
#include "base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `body` in a child process, since it closes the standard streams. It returns 0 on success. */
static int in_child(int (*body)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool is_closed_on_exec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static bool leads_to_null(int fd)
{
    char path[32], to[32] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, to, sizeof to - 1) > 0 && strcmp(to, "/dev/null") == 0;
}

static int fill_closed(void)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    if (hw_descriptors_fill())
        return 1;
    for (int fd = 0; fd <= 2; fd++)
        if (!leads_to_null(fd) || is_closed_on_exec(fd))
            return 2;
    return 0;
}

static int fill_one(void)
{
    int ends[2];
    if (pipe(ends) || dup2(ends[1], 2) < 0)
        return 1;
    close(1);
    return hw_descriptors_fill() || !leads_to_null(1) || leads_to_null(2);
}

static void fills_what_is_closed_alone(void **state)
{
    (void)state;
    assert_int_equal(in_child(fill_closed), 0);
    assert_int_equal(in_child(fill_one), 0);
}

static int open_low(void)
{
    close(0);
    close(1);
    int file = hw_descriptors_open("/dev/zero", O_RDONLY, 0);
    int stream = hw_descriptors_socket(AF_UNIX, SOCK_STREAM, 0);
    if (file < 3 || stream < 3 || !is_closed_on_exec(file) || !is_closed_on_exec(stream))
        return 1;
    return fcntl(0, F_GETFD) >= 0 || fcntl(1, F_GETFD) >= 0;
}

static void gives_no_file_a_number_of_a_standard_stream(void **state)
{
    (void)state;
    assert_int_equal(in_child(open_low), 0);
}

static void tells_why_a_file_can_not_be_opened(void **state)
{
    (void)state;
    assert_int_equal(hw_descriptors_open("/nowhere/at/all", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOENT);
}

/* ---- pairs ---- */

static void knock(void *pair)
{
    assert_int_equal(write(((int *)pair)[1], "x", 1), 1);
}

static void assert_closed_on_exec(const int pair[2], bool expected)
{
    assert_int_equal(is_closed_on_exec(pair[0]), expected);
    assert_int_equal(is_closed_on_exec(pair[1]), expected);
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static void seals_the_pair_that_was_knocked_at_alone(void **state)
{
    int mine[2], others[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, mine), 0);
    assert_int_equal(write(others[0], "xy", 2), 2);
    hw_descriptors_seal_pair(knock, mine);
    assert_closed_on_exec(mine, true);
    assert_closed_on_exec(others, false);
    close_pair(mine);
    close_pair(others);
}

static void seals_both_ends_by_one(void **state)
{
    int mine[2], others[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, mine), 0);
    hw_descriptors_seal_pair_of(mine[1]);
    assert_closed_on_exec(mine, true);
    assert_closed_on_exec(others, false);
    close_pair(mine);
    close_pair(others);
}

static void sends_nothing_along_what_is_sealed(void **state)
{
    int mine[2];
    char byte;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mine), 0);
    hw_descriptors_seal_pair_of(mine[0]);
    assert_int_equal(recv(mine[1], &byte, 1, MSG_DONTWAIT), -1);
    close_pair(mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_what_is_closed_alone),
        cmocka_unit_test(gives_no_file_a_number_of_a_standard_stream),
        cmocka_unit_test(tells_why_a_file_can_not_be_opened),
        cmocka_unit_test(seals_the_pair_that_was_knocked_at_alone),
        cmocka_unit_test(seals_both_ends_by_one),
        cmocka_unit_test(sends_nothing_along_what_is_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
