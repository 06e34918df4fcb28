/* pg_wire.c -- see pg_wire.h */
#include "ledger/pg_wire.h"

#if HW_LIBPQ

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

enum { TLS_MS = 20 };

enum hw_pg_rc hw_pg_wire_fail(struct hw_pg_wire *wire, enum hw_pg_rc rc, const char *why)
{
    hw_pg_why_line(why, wire->url, wire->why, sizeof wire->why);
    if (rc != HW_PG_DATA && rc != HW_PG_AGAIN && rc != HW_PG_REFUSED)
        hw_pg_wire_close(wire);
    return rc;
}

/* The connection itself failed; libpq says how. */
static enum hw_pg_rc broken(struct hw_pg_wire *wire)
{
    const char *why = hw_libpq.errorMessage(wire->conn);
    return hw_pg_wire_fail(wire, HW_PG_BROKEN, *why ? why : "the connection ended");
}

/* Waits for one of `events`. Returns those that came, 0 when the deadline has passed. */
static short wait_for(struct hw_pg_wire *wire, short events, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = hw_libpq.socket(wire->conn), .events = events};
    for (;;) {
        uint64_t now = hw_now_ns();
        uint64_t ms = now < deadline_ns ? (deadline_ns - now + 999999) / 1000000 : 0;
        int n = poll(&fd, 1, ms < 60000 ? (int)ms : 60000);
        if (n > 0)
            return fd.revents;
        if (n == 0 && ms < 60000)
            return 0;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return POLLERR;
    }
}

/* ---- open and close ---- */

/* The one warning that takes a commit back, in part (src/backend/replication/syncrep.c). Its text may be
 * translated. */
static void on_notice(void *wire, const PGresult *notice)
{
    const char *function = hw_libpq.resultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    if (function && strcmp(function, "SyncRepWaitForLSN") == 0)
        ((struct hw_pg_wire *)wire)->unsure = true;
}

static enum hw_pg_rc poll_connect(struct hw_pg_wire *wire, uint64_t deadline_ns)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED) {
            const char *why = hw_libpq.errorMessage(wire->conn);
            enum hw_pg_rc rc = hw_libpq.connectionNeedsPassword(wire->conn)
                                   ? HW_PG_REFUSED
                                   : hw_pg_why_connect(why, wire->sqlstate);
            return hw_pg_wire_fail(wire, rc, why);
        }
        if (!wait_for(wire, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ns))
            return hw_pg_wire_fail(wire, HW_PG_LATE, "it could not be connected to in time");
        next = hw_libpq.connectPoll(wire->conn);
    }
    return HW_PG_OK;
}

/* Errors are verbose while it connects, for their SQLSTATE. */
enum hw_pg_rc hw_pg_wire_open(struct hw_pg_wire *wire, const char *const *keywords,
                              const char *const *values, uint64_t deadline_ns)
{
    hw_pg_wire_close(wire);
    wire->sqlstate[0] = wire->why[0] = '\0';
    wire->conn = hw_libpq.connectStartParams(keywords, values, 1);
    if (!wire->conn)
        return hw_pg_wire_fail(wire, HW_PG_AWAY, "out of memory");
    enum hw_pg_rc rc;
    if (hw_libpq.status(wire->conn) == CONNECTION_BAD) {
        const char *why = hw_libpq.errorMessage(wire->conn);
        rc = hw_pg_wire_fail(wire, hw_pg_why_connect(why, wire->sqlstate), why);
    } else {
        hw_libpq.setErrorVerbosity(wire->conn, PQERRORS_VERBOSE);
        hw_libpq.setNoticeReceiver(wire->conn, on_notice, wire);
        rc = poll_connect(wire, deadline_ns);
    }
    if (rc == HW_PG_OK) {
        hw_libpq.setErrorVerbosity(wire->conn, PQERRORS_DEFAULT);
        hw_libpq.setnonblocking(wire->conn, 1);
    } else {
        hw_pg_wire_close(wire);
    }
    return rc;
}

void hw_pg_wire_close(struct hw_pg_wire *wire)
{
    if (wire->conn)
        hw_libpq.finish(wire->conn);
    wire->conn = NULL;
}

/* What came unasked is read: notices, and why the server ends the session, then its end. */
bool hw_pg_wire_is_alive(struct hw_pg_wire *wire)
{
    struct pollfd fd = {.fd = hw_libpq.socket(wire->conn), .events = POLLIN};
    for (int i = 0; i < 8 && poll(&fd, 1, 0) > 0; i++)
        if (!hw_libpq.consumeInput(wire->conn))
            break;
    return hw_libpq.status(wire->conn) == CONNECTION_OK;
}

/* ---- answers ---- */

/* Bytes may wait within the TLS library, where poll does not see them. So with TLS it is looked at again
 * soon. */
static short wait_for_input(struct hw_pg_wire *wire, bool more_to_send, uint64_t deadline_ns)
{
    short events = more_to_send ? POLLIN | POLLOUT : POLLIN;
    uint64_t soon = hw_now_ns() + TLS_MS * 1000000ull;
    if (!hw_libpq.sslInUse(wire->conn) || soon >= deadline_ns)
        return wait_for(wire, events, deadline_ns);
    short came = wait_for(wire, events, soon);
    return came ? came : POLLIN;
}

/* Sends what waits, and reads until the next result is whole. */
static enum hw_pg_rc until_result(struct hw_pg_wire *wire, uint64_t deadline_ns)
{
    while (hw_libpq.isBusy(wire->conn)) {
        int left = hw_libpq.flush(wire->conn);
        if (left < 0)
            return broken(wire);
        short came = wait_for_input(wire, left, deadline_ns);
        if (!came)
            return hw_pg_wire_fail(wire, HW_PG_LATE, "it did not answer in time");
        if ((came & ~POLLOUT) && !hw_libpq.consumeInput(wire->conn))
            return broken(wire);
    }
    return HW_PG_OK;
}

/* Notes the first error; a later one only follows from it. */
static enum hw_pg_rc note_error(struct hw_pg_wire *wire, const PGresult *result)
{
    const char *sqlstate = hw_libpq.resultErrorField(result, PG_DIAG_SQLSTATE);
    const char *why = hw_libpq.resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    snprintf(wire->sqlstate, sizeof wire->sqlstate, "%s", sqlstate ? sqlstate : "");
    hw_pg_why_line(why ? why : hw_libpq.errorMessage(wire->conn), wire->url, wire->why,
                   sizeof wire->why);
    return hw_pg_why_code(wire->sqlstate);
}

/* Takes one result over. Returns false after the last of the run. */
static bool take(struct hw_pg_wire *wire, PGresult *result, struct hw_pg_step *step,
                 enum hw_pg_rc *rc)
{
    ExecStatusType status = hw_libpq.resultStatus(result);
    bool fine = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (step && fine) {
        step->done = true;
        step->result = result;
        return true;
    }
    if (!fine && status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED &&
        status != PGRES_EMPTY_QUERY && *rc == HW_PG_OK)
        *rc = note_error(wire, result);
    hw_libpq.clear(result);
    return status != PGRES_PIPELINE_SYNC;
}

/* Reads all results: of a pipeline up to its Sync, where a NULL follows each step's; else up to NULL. */
static enum hw_pg_rc read_all(struct hw_pg_wire *wire, struct hw_pg_step *steps, size_t count,
                              uint64_t deadline_ns)
{
    enum hw_pg_rc rc = HW_PG_OK;
    size_t at = 0, ends = 0;
    for (bool more = true; more;) {
        enum hw_pg_rc came = until_result(wire, deadline_ns);
        if (came != HW_PG_OK)
            return rc == HW_PG_OK ? came : rc;
        PGresult *result = hw_libpq.getResult(wire->conn);
        ends = result ? 0 : ends + 1;
        if (result)
            more = take(wire, result, at < count ? &steps[at] : NULL, &rc);
        else
            at++;
        if (hw_libpq.status(wire->conn) == CONNECTION_BAD)
            return rc == HW_PG_OK ? broken(wire) : rc;
        if (!result && count == 0)
            break;
        if (ends > 1)
            return hw_pg_wire_fail(wire, HW_PG_BROKEN, "the answers have no end");
    }
    return rc;
}

/* The connection's end and what a code asks for. */
static enum hw_pg_rc finish(struct hw_pg_wire *wire, enum hw_pg_rc rc)
{
    if (rc == HW_PG_OK && wire->unsure) {
        rc = HW_PG_UNSURE;
        snprintf(wire->why, sizeof wire->why, "it is not sure that a standby has the commit");
    }
    bool keep = rc == HW_PG_OK || rc == HW_PG_AGAIN || rc == HW_PG_DATA || rc == HW_PG_REFUSED;
    if (!keep || (wire->conn && hw_libpq.status(wire->conn) == CONNECTION_BAD))
        hw_pg_wire_close(wire);
    return rc;
}

static void begin(struct hw_pg_wire *wire)
{
    wire->unsure = false;
    wire->sqlstate[0] = wire->why[0] = '\0';
}

/* ---- runs ---- */

static bool send_step(struct hw_pg_wire *wire, const struct hw_pg_step *step)
{
    struct hw_pg_params p;
    hw_pg_args_params(step->args, &p);
    const char *const *values = p.values;
    if (step->name && step->sql)
        return hw_libpq.sendPrepare(wire->conn, step->name, step->sql, p.count, p.types);
    if (step->name)
        return hw_libpq.sendQueryPrepared(wire->conn, step->name, p.count, values, p.lengths,
                                          p.formats, 1);
    return hw_libpq.sendQueryParams(wire->conn, step->sql, p.count, p.types, values, p.lengths,
                                    p.formats, 1);
}

/* Without its Sync a pipeline does nothing, so a failure while it is filled leaves nothing behind. */
enum hw_pg_rc hw_pg_wire_pipe(struct hw_pg_wire *wire, struct hw_pg_step *steps, size_t count,
                              uint64_t deadline_ns)
{
    HW_CHECK(count > 0);
    begin(wire);
    if (!hw_libpq.enterPipelineMode(wire->conn))
        return broken(wire);
    for (size_t i = 0; i < count; i++)
        if (!send_step(wire, &steps[i]))
            return broken(wire);
    if (!hw_libpq.pipelineSync(wire->conn))
        return broken(wire);
    enum hw_pg_rc rc = finish(wire, read_all(wire, steps, count, deadline_ns));
    if (wire->conn)
        hw_libpq.exitPipelineMode(wire->conn);
    for (size_t i = 0; i < count && rc != HW_PG_OK; i++) {
        hw_libpq.clear(steps[i].result);
        steps[i].result = NULL;
    }
    return rc;
}

enum hw_pg_rc hw_pg_wire_exec(struct hw_pg_wire *wire, const char *sql, uint64_t deadline_ns)
{
    begin(wire);
    if (!hw_libpq.sendQuery(wire->conn, sql))
        return broken(wire);
    return finish(wire, read_all(wire, NULL, 0, deadline_ns));
}

#endif
