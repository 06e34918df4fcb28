/* pg_libpq.h -- libpq, loaded by the first that needs it.
 *
 * Why     most hosts have SQLite for a ledger. So libpq is recommended, not required: neither at build
 *         time, where only its header is looked for, nor at a start.
 * How     hw_libpq.connectPoll is PQconnectPoll, and so on, after hw_libpq_load. HW_LIBPQ is 0 in a build
 *         without the header; only hw_libpq_load is there then, and always fails.
 * Not     for other files than pg.c and pg_wire.c.
 * Thread  any. */
#ifndef HW_PG_LIBPQ_H
#define HW_PG_LIBPQ_H

#if defined HW_WITHOUT_LIBPQ
#define HW_LIBPQ 0
#elif __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#define HW_LIBPQ 1
#elif __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#define HW_LIBPQ 1
#else
#define HW_LIBPQ 0
#endif

/* Pipelines came with version 14. */
#if HW_LIBPQ && !defined LIBPQ_HAS_PIPELINING
#undef HW_LIBPQ
#define HW_LIBPQ 0
#endif

#if HW_LIBPQ
/* clang-format off */
#define HW_LIBPQ_FUNCTIONS(X)                                                                      \
    X(backendPID) X(clear) X(cmdTuples) X(conninfoFree) X(conninfoParse) X(connectPoll)            \
    X(connectStartParams) X(connectionNeedsPassword) X(consumeInput) X(db) X(enterPipelineMode)    \
    X(errorMessage) X(exitPipelineMode) X(finish) X(flush) X(freemem) X(getResult) X(getisnull)    \
    X(getlength) X(getvalue) X(host) X(hostaddr) X(isBusy) X(libVersion) X(ntuples)                \
    X(pipelineSync) X(port) X(resultErrorField) X(resultStatus) X(sendPrepare) X(sendQuery)        \
    X(sendQueryParams) X(sendQueryPrepared) X(setErrorVerbosity) X(setNoticeReceiver)              \
    X(setnonblocking) X(socket) X(sslInUse) X(status) X(user)
/* clang-format on */

struct hw_libpq {
#define HW_LIBPQ_MEMBER(name) __typeof__(&PQ##name) name;
    HW_LIBPQ_FUNCTIONS(HW_LIBPQ_MEMBER)
#undef HW_LIBPQ_MEMBER
};

/* All NULL before hw_libpq_load has returned NULL; constant after that. */
extern struct hw_libpq hw_libpq;
#endif

/* Loads libpq, unless an earlier call has. Returns NULL, or one line that says what to install; the text
 * is this thread's, until its next call. */
const char *hw_libpq_load(void);

#endif
