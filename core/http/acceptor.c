/* acceptor.c -- see acceptor.h */
#include "http/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "http/address.h"
#include "http/connection.h"
#include "http/connections.h"

static void on_knock(uv_poll_t *poll, int status, int events);
static void on_rested(uv_timer_t *timer);

static uint64_t now_of(const struct hw_acceptor *a)
{
    return uv_now(a->server->loop);
}

/* ---- doors ---- */

static void close_door(struct hw_door *door)
{
    if (!uv_is_closing((uv_handle_t *)&door->poll))
        uv_close((uv_handle_t *)&door->poll, NULL);
    door->open = false;
}

static void listen_at(struct hw_door *door)
{
    door->resting = uv_poll_start(&door->poll, UV_READABLE, on_knock) != 0;
}

static void rest(struct hw_door *door)
{
    struct hw_acceptor *a = door->acceptor;
    uv_poll_stop(&door->poll);
    door->resting = true;
    if (uv_is_active((uv_handle_t *)&a->rest))
        return;
    uv_timer_start(&a->rest, on_rested, a->rest_ms, 0);
    a->rest_ms =
        a->rest_ms * 2 < HW_ACCEPTOR_REST_MAX_MS ? a->rest_ms * 2 : HW_ACCEPTOR_REST_MAX_MS;
}

void hw_acceptor_resume(struct hw_acceptor *a)
{
    for (struct hw_door *door = a->doors; door; door = door->next)
        if (door->open && door->resting)
            listen_at(door);
}

/* ---- the reserved descriptor ---- */

static void keep_spare(struct hw_acceptor *a)
{
    if (a->spare < 0)
        a->spare = hw_descriptors_open("/dev/null", O_RDONLY, 0);
}

static bool use_spare(struct hw_acceptor *a)
{
    if (a->spare < 0)
        return false;
    close(a->spare);
    a->spare = -1;
    return true;
}

/* ---- accepting ---- */

static void count(struct hw_acceptor *a, enum hw_count which)
{
    hw_stats_add(&a->server->stats, which, 1);
}

/* Returns 0 or -errno. */
static int take(const struct hw_door *door, struct hw_arrival *arrival)
{
    socklen_t len = sizeof arrival->peer;
    *arrival =
        (struct hw_arrival){.is_unix = door->is_unix, .service = door->service, .tls = door->tls};
    if (door->proxy_protocol)
        arrival->header_to = &door->acceptor->troubles;
    arrival->fd = hw_descriptors_lift(
        accept4(door->fd, &arrival->peer.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (door->is_unix)
        arrival->peer.any.sa_family = AF_UNIX;
    return arrival->fd < 0 ? -errno : 0;
}

/* Returns true when the connection was entered in the crowd, or is exempt. */
static bool enter(struct hw_door *door, struct hw_arrival *arrival)
{
    struct hw_acceptor *a = door->acceptor;
    struct hw_server *s = a->server;
    if (door->exempt)
        return true;
    bool limited = hw_access_is_limited(&s->access, &arrival->peer, door->proxy_protocol);
    enum hw_crowd_answer answer =
        hw_crowd_enter(&s->crowd, &arrival->place, limited ? &arrival->peer.any : NULL);
    if (answer == HW_CROWD_IN)
        return true;
    hw_troubles_note_refused(&a->troubles, answer, &arrival->peer);
    count(a, HW_COUNT_TURNED_AWAY);
    return false;
}

static void welcome(struct hw_door *door, struct hw_arrival *arrival)
{
    struct hw_acceptor *a = door->acceptor;
    a->rest_ms = HW_ACCEPTOR_REST_MS;
    a->no_files_since = 0;
    if (!enter(door, arrival)) {
        close(arrival->fd);
    } else if (hw_connection_open(a->server, arrival)) {
        hw_troubles_note(&a->troubles, HW_TROUBLE_NO_MEMORY, NULL, NULL);
        count(a, HW_COUNT_TURNED_AWAY);
    }
}

/* ---- when it fails ---- */

/* Returns true when a descriptor may be free now. */
static bool find_file(struct hw_door *door)
{
    struct hw_acceptor *a = door->acceptor;
    uint64_t now = now_of(a);
    hw_troubles_note(&a->troubles, HW_TROUBLE_NO_FILE, NULL, NULL);
    count(a, HW_COUNT_OUT_OF_FILES);
    if (!a->no_files_since)
        a->no_files_since = now;
    if (a->server->on_no_files && (!a->asked_at || now - a->asked_at >= HW_ACCEPTOR_ASK_MS)) {
        a->asked_at = now;
        a->server->on_no_files(a->server);
    }
    return hw_connections_make_room(a->server) || (door->exempt && use_spare(a));
}

static void turn_away(struct hw_door *door)
{
    struct hw_arrival arrival;
    struct hw_acceptor *a = door->acceptor;
    for (int i = 0; i < HW_ACCEPTOR_TURN && use_spare(a); i++) {
        int rc = take(door, &arrival);
        if (rc == 0)
            close(arrival.fd);
        keep_spare(a);
        if (rc)
            return;
        hw_troubles_note(&a->troubles, HW_TROUBLE_TURNED_AWAY, &arrival.peer, NULL);
        count(a, HW_COUNT_TURNED_AWAY);
    }
}

static void wait_for_files(struct hw_door *door)
{
    struct hw_acceptor *a = door->acceptor;
    if (!door->exempt && now_of(a) - a->no_files_since >= HW_ACCEPTOR_PATIENCE_MS)
        turn_away(door);
    rest(door);
}

/* Trying again at once would not help. */
static void wait_a_while(struct hw_door *door, int error)
{
    struct hw_acceptor *a = door->acceptor;
    bool no_memory = error == -ENOMEM || error == -ENOBUFS;
    if (no_memory)
        hw_troubles_note(&a->troubles, HW_TROUBLE_NO_MEMORY, NULL, NULL);
    else
        hw_troubles_note(&a->troubles, HW_TROUBLE_FAILED, NULL, uv_strerror(error));
    count(a, HW_COUNT_OUT_OF_FILES);
    rest(door);
}

/* Whether the error concerns one connection only: its client is gone, or its network failed
 * (accept(2) returns both). The next connection may be fine. */
static bool concerns_one_alone(int error)
{
    static const int codes[] = {EINTR,       ECONNABORTED, EPROTO,       EPERM,  ENETDOWN,
                                ENETUNREACH, EHOSTDOWN,    EHOSTUNREACH, ENONET, ENOPROTOOPT};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (error == -codes[i])
            return true;
    return false;
}

/* ---- a turn at a door ---- */

/* Whether one more connection may come in. At max_connections an old one is closed only for the
 * first of a turn, since it is not known whether a second one waits. */
static bool has_room(struct hw_door *door, bool first)
{
    struct hw_acceptor *a = door->acceptor;
    if (door->exempt || !hw_crowd_is_full(&a->server->crowd))
        return true;
    if (!first)
        return false;
    if (hw_connections_make_room(a->server)) {
        hw_troubles_note(&a->troubles, HW_TROUBLE_MADE_ROOM, NULL, NULL);
        return true;
    }
    hw_troubles_note(&a->troubles, HW_TROUBLE_FULL, NULL, NULL);
    rest(door);
    return false;
}

static bool is_no_file(int error)
{
    return error == -EMFILE || error == -ENFILE;
}

/* Accepts a connection. When no descriptor is free, frees one if possible and tries once more. */
static int take_somehow(struct hw_door *door, struct hw_arrival *arrival)
{
    int rc = take(door, arrival);
    return is_no_file(rc) && find_file(door) ? take(door, arrival) : rc;
}

/* accept4 fails for lack of a descriptor even when no connection waits, so only in the first try of
 * a turn is it certain that one does. Returns true when the door may go on. */
static bool take_in_one(struct hw_door *door, bool first)
{
    struct hw_arrival arrival;
    int rc = first ? take_somehow(door, &arrival) : take(door, &arrival);
    if (rc == 0)
        welcome(door, &arrival);
    else if (first && is_no_file(rc))
        wait_for_files(door);
    else if (rc == -EAGAIN)
        door->acceptor->no_files_since = 0; /* EAGAIN shows that a descriptor was free */
    else if (!is_no_file(rc) && !concerns_one_alone(rc))
        wait_a_while(door, rc);
    return rc == 0 || concerns_one_alone(rc);
}

static void take_in(struct hw_door *door)
{
    int taken = 0;
    keep_spare(door->acceptor);
    while (taken < HW_ACCEPTOR_TURN && has_room(door, taken == 0) && take_in_one(door, taken == 0))
        taken++;
}

/* ---- open and close ---- */

void hw_acceptor_init(struct hw_acceptor *a, struct hw_server *server)
{
    *a = (struct hw_acceptor){.server = server, .spare = -1, .rest_ms = HW_ACCEPTOR_REST_MS};
    uv_timer_init(server->loop, &a->rest);
    a->rest.data = a;
    hw_troubles_init(&a->troubles, server->loop, &server->crowd);
    keep_spare(a);
}

int hw_acceptor_open(struct hw_acceptor *a, struct hw_door *door, int fd, bool is_unix, bool exempt,
                     struct hw_service *service)
{
    *door = (struct hw_door){
        .acceptor = a, .service = service, .fd = fd, .is_unix = is_unix, .exempt = exempt};
    int rc = uv_poll_init(a->server->loop, &door->poll, fd);
    if (rc)
        return rc;
    door->poll.data = door;
    door->open = true;
    door->next = a->doors;
    a->doors = door;
    listen_at(door);
    return door->resting ? UV_ENOMEM : 0;
}

void hw_acceptor_close(struct hw_acceptor *a)
{
    for (struct hw_door *door = a->doors; door; door = door->next)
        close_door(door);
    a->doors = NULL;
    if (!uv_is_closing((uv_handle_t *)&a->rest))
        uv_close((uv_handle_t *)&a->rest, NULL);
    hw_troubles_close(&a->troubles);
    if (a->spare >= 0)
        close(a->spare);
    a->spare = -1;
}

/* ---- callbacks ---- */

/* After an error, accept4 tells what is wrong. libuv has stopped the poll by then; it is started
 * again after a rest. */
static void on_knock(uv_poll_t *poll, int status, int events)
{
    (void)events;
    take_in(poll->data);
    if (status < 0)
        rest(poll->data);
}

static void on_rested(uv_timer_t *timer)
{
    hw_acceptor_resume(timer->data);
}
