/* One host for each ledger, between processes and within one. Within one no file is opened. */
#include "ledger/lock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static char why[256];

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/ledger_lock_XXXXXX");
    int fd = mkstemp(path);
    why[0] = '\0';
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* Runs `check` in a child process. */
static bool holds_in_child(bool (*check)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(check() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A forked process would have a copy of the list, so the other one is a program without a list. */
static bool another_program_is_refused(void)
{
    char command[256];
    snprintf(command, sizeof command, "flock -n %s true", path);
    return system(command) != 0;
}

static bool has_posix_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR);
    return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static void keeps_other_programs_out_until_it_is_put(void **state)
{
    (void)state;
    struct hw_ledger_lock *lock = hw_ledger_lock_take(path, why, sizeof why);
    assert_non_null(lock);
    assert_true(another_program_is_refused());
    hw_ledger_lock_put(lock);
    assert_false(another_program_is_refused());
}

static void is_refused_while_another_program_has_it(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "exec flock -n %s sh -c 'echo locked; cat >/dev/null'", path);
    int in[2], out[2];
    assert_int_equal(pipe(in) | pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    char byte;
    assert_int_equal(read(out[0], &byte, 1), 1);
    assert_null(hw_ledger_lock_take(path, why, sizeof why));
    assert_non_null(strstr(why, "another hookward is serving with this ledger"));
    close(in[0]);
    close(in[1]);
    waitpid(pid, NULL, 0);
    close(out[0]);
    close(out[1]);
}

/* SQLite's locks are POSIX locks: any close() of the file in this process would drop them. */
static void refuses_a_second_host_of_the_process_and_leaves_locks_alone(void **state)
{
    (void)state;
    struct hw_ledger_lock *lock = hw_ledger_lock_take(path, why, sizeof why);
    struct flock posix = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR);
    assert_int_equal(fcntl(fd, F_SETLK, &posix), 0);
    assert_null(hw_ledger_lock_take(path, why, sizeof why));
    assert_non_null(strstr(why, "another host of this process is serving with this ledger"));
    assert_true(holds_in_child(has_posix_lock));
    close(fd);
    hw_ledger_lock_put(lock);
}

static void is_free_for_the_next_host_of_the_process(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct hw_ledger_lock *lock = hw_ledger_lock_take(path, why, sizeof why);
        assert_non_null(lock);
        hw_ledger_lock_put(lock);
    }
}

static void says_why_there_is_no_file(void **state)
{
    (void)state;
    assert_null(hw_ledger_lock_take("/no/such/folder/x.db", why, sizeof why));
    assert_string_equal(why,
                        "/no/such/folder/x.db: its folder is not there; make it with `mkdir -p`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_other_programs_out_until_it_is_put, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(is_refused_while_another_program_has_it, make_file,
                                        remove_file),
        cmocka_unit_test_setup_teardown(refuses_a_second_host_of_the_process_and_leaves_locks_alone,
                                        make_file, remove_file),
        cmocka_unit_test_setup_teardown(is_free_for_the_next_host_of_the_process, make_file,
                                        remove_file),
        cmocka_unit_test(says_why_there_is_no_file),
    };
    return cmocka_run_group_tests_name("ledger_lock", tests, NULL, NULL);
}
