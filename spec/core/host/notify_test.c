/* Messages reach the manager's socket, never block, and a change of state is not lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "host/notify.h"

enum { QUEUE_MAX = 100000 /* messages; any queue takes less */ };

/* Opens the manager's socket; "@" stands for the abstract space. */
static int listen_at(const char *name)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memcpy(sun.sun_path, name, len);
    if (name[0] == '@')
        sun.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&sun,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

/* Returns false when there is no message. */
static bool receive(int fd, char *text, size_t size)
{
    ssize_t len = recv(fd, text, size - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return len >= 0;
}

static void assert_received(int fd, const char *expected)
{
    char text[2 * HW_NOTIFY_MAX];
    assert_true(receive(fd, text, sizeof text));
    assert_string_equal(text, expected);
}

static void open_at(struct hw_notify *n, const char *name)
{
    setenv("NOTIFY_SOCKET", name, 1);
    hw_notify_open(n);
    assert_true(n->fd >= 0);
}

/* ---- promises ---- */

static void check_socket(const char *name)
{
    struct hw_notify n;
    int fd = listen_at(name);
    open_at(&n, name);
    hw_notify_say_state(&n, "READY=%d\nSTATUS=%s", 1, "well");
    assert_received(fd, "READY=1\nSTATUS=well");
    hw_notify_say(&n, "WATCHDOG=1");
    assert_received(fd, "WATCHDOG=1");
    hw_notify_close(&n);
    close(fd);
}

static void reaches_a_socket_with_a_path_and_one_without(void **state)
{
    char path[FOLDER_PATH_MAX], name[128];
    struct folder folder;
    (void)state;
    folder_open(&folder);
    check_socket(folder_path(&folder, "notify", path));
    folder_close(&folder);
    snprintf(name, sizeof name, "@hookward-notify-test-%ld", (long)getpid());
    check_socket(name);
}

static void does_not_block_and_loses_no_change_of_state(void **state)
{
    char path[FOLDER_PATH_MAX], text[2 * HW_NOTIFY_MAX];
    struct folder folder;
    struct hw_notify n;
    int queued = 0;
    (void)state;
    folder_open(&folder);
    int fd = listen_at(folder_path(&folder, "notify", path));
    open_at(&n, path);
    for (int i = 0; i < QUEUE_MAX && !n.state[0]; i++) {
        hw_notify_say_state(&n, "RELOADING=1\nMONOTONIC_USEC=%d", i);
        queued += !n.state[0];
    }
    assert_true(queued > 0 && queued < QUEUE_MAX);
    hw_notify_say(&n, "WATCHDOG=1");
    hw_notify_say_state(&n, "READY=1"); /* in place of the one that waits */
    while (queued-- > 0)
        assert_true(receive(fd, text, sizeof text));
    assert_false(receive(fd, text, sizeof text));
    hw_notify_again(&n);
    assert_received(fd, "READY=1");
    hw_notify_again(&n);
    assert_false(receive(fd, text, sizeof text));
    hw_notify_close(&n);
    close(fd);
    folder_close(&folder);
}

static void cuts_a_message_that_is_too_long(void **state)
{
    char path[FOLDER_PATH_MAX], longest[2 * HW_NOTIFY_MAX], text[2 * HW_NOTIFY_MAX];
    struct folder folder;
    struct hw_notify n;
    (void)state;
    folder_open(&folder);
    int fd = listen_at(folder_path(&folder, "notify", path));
    open_at(&n, path);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    hw_notify_say(&n, "%s", longest);
    assert_true(receive(fd, text, sizeof text));
    assert_int_equal(strlen(text), HW_NOTIFY_MAX - 1);
    hw_notify_close(&n);
    close(fd);
    folder_close(&folder);
}

static void says_nothing_where_nobody_listens(void **state)
{
    struct hw_notify n;
    (void)state;
    hw_notify_open(&n); /* without NOTIFY_SOCKET */
    assert_int_equal(n.fd, -1);
    hw_notify_say_state(&n, "READY=1");
    hw_notify_close(&n);
    open_at(&n, "/no/such/socket");
    hw_notify_say_state(&n, "READY=1");
    assert_string_equal(n.state, ""); /* to try again would be in vain */
    hw_notify_close(&n);
}

static uint64_t watchdog_of(const char *us, const char *pid)
{
    struct hw_notify n;
    setenv("WATCHDOG_USEC", us, 1);
    if (pid)
        setenv("WATCHDOG_PID", pid, 1);
    hw_notify_open(&n);
    hw_notify_close(&n);
    return n.watchdog_us;
}

static void reads_a_watchdog_that_is_for_this_process(void **state)
{
    char pid[32];
    (void)state;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(watchdog_of("30000000", NULL), 30000000);
    assert_int_equal(watchdog_of("30000000", pid), 30000000);
    assert_int_equal(watchdog_of("30000000", "1"), 0);
    assert_int_equal(watchdog_of("", pid), 0);
}

static void leaves_nothing_in_the_environment(void **state)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES",
                                        "LISTEN_PIDFDID"};
    struct hw_notify n;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], "/1", 1);
    hw_notify_open(&n);
    hw_notify_close(&n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_null(getenv(names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_a_socket_with_a_path_and_one_without),
        cmocka_unit_test(does_not_block_and_loses_no_change_of_state),
        cmocka_unit_test(cuts_a_message_that_is_too_long),
        cmocka_unit_test(says_nothing_where_nobody_listens),
        cmocka_unit_test(reads_a_watchdog_that_is_for_this_process),
        cmocka_unit_test(leaves_nothing_in_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
