/* error.h -- every error that hookward knows, in one table.
 *
 * A function that can fail returns 0, or one of the negative HW_E… codes below. The table gives
 * each code its name (the `error` member of an answer, the log's field, the ledger's column), the
 * HTTP status that the sender gets, and the sentence that says what is wrong, so that all agree.
 *
 * Thread  pure; any. */
#ifndef HW_ERROR_H
#define HW_ERROR_H

#include <stddef.h>

#include "base/str.h"

/* code, name, HTTP status, default message */
#define HW_ERRORS(X)                                                                               \
    /* notifications: 400 is the only status after which Accredit is documented to retry */        \
    X(HW_EMISSING_SIGNATURE, "missing_signature", 400, "the X-Signature header is missing")        \
    X(HW_EMALFORMED_SIGNATURE, "malformed_signature", 400,                                         \
      "X-Signature is not one Base64 text of the key's length")                                    \
    X(HW_EINVALID_SIGNATURE, "invalid_signature", 400,                                             \
      "the signature does not match the body under any known key")                                 \
    X(HW_EMALFORMED_JOB_ID, "malformed_job_id", 400,                                               \
      "X-JobId must be 1 to 128 printable ASCII characters, once")                                 \
    X(HW_EMALFORMED_JOB_ATTEMPT, "malformed_job_attempt", 400,                                     \
      "X-JobAttempt must be a whole number, once")                                                 \
    X(HW_EINVALID_JSON, "invalid_json", 400, "the body is not valid JSON")                         \
    X(HW_EMISSING_EVENT, "missing_event", 400, "the body is not an object with a string Event")    \
    X(HW_ETOO_OLD, "too_old", 400, "the notification is older than max_age")                       \
    X(HW_ETOO_NEW, "too_new", 400, "the notification is from more than max_age ahead")             \
    X(HW_EMALFORMED_TIMESTAMP, "malformed_timestamp", 400,                                         \
      "the Timestamp is missing, or can't be read as a time")                                      \
    X(HW_ENO_HANDLER, "no_handler", 400, "no handler is registered for this event")                \
    X(HW_ESCHEMA_VIOLATION, "schema_violation", 400, "the event does not match its schema")        \
    X(HW_EHANDLER_REFUSED, "handler_refused", 400, "the handler refused the notification")         \
    X(HW_EHANDLER_ERROR, "handler_error", 400, "the handler failed")                               \
    X(HW_EHANDLER_TIMEOUT, "handler_timeout", 400, "the handler did not finish in time")           \
    X(HW_EGIVEN_UP, "given_up", 400, "the handler gave this notification up for good")             \
    X(HW_EPAUSED, "paused", 400, "this event is paused here; try again later")                     \
    X(HW_EHOST_LOST, "host_lost", 400, "the host ended while the handler ran")                     \
    X(HW_EOVERLOADED, "overloaded", 400, "too many notifications are waiting; try again later")    \
    X(HW_EQUEUE_TIMEOUT, "queue_timeout", 400,                                                     \
      "the notification waited too long for a worker; try again later")                            \
    X(HW_ELEDGER_UNAVAILABLE, "ledger_unavailable", 400, "the outcome could not be recorded")      \
    X(HW_EDRAINING, "draining", 400, "the host is stopping; try again later")                      \
    /* the protocol */                                                                             \
    X(HW_EMALFORMED_REQUEST, "malformed_request", 400, "the request is not valid HTTP/1.1")        \
    X(HW_ETLS_REQUIRED, "tls_required", 400, "this port speaks TLS: use https://")                 \
    X(HW_ENOT_ALLOWED, "not_allowed", 403, "this address may not send here")                       \
    X(HW_ENOT_FOUND, "not_found", 404, "there is nothing at this path")                            \
    X(HW_EMETHOD_NOT_ALLOWED, "method_not_allowed", 405, "only POST is allowed here")              \
    X(HW_EREQUEST_TIMEOUT, "request_timeout", 408, "the request took too long to arrive")          \
    X(HW_EBODY_TOO_LARGE, "body_too_large", 413, "the body is larger than max_body")               \
    X(HW_EUNSUPPORTED_EXPECTATION, "unsupported_expectation", 417,                                 \
      "the only supported expectation is 100-continue")                                            \
    X(HW_EHEADER_TOO_LARGE, "header_too_large", 431, "the header is larger than max_header")       \
    X(HW_EUNSUPPORTED_TRANSFER_CODING, "unsupported_transfer_coding", 501,                         \
      "the only supported transfer coding is chunked")                                             \
    X(HW_EUNSUPPORTED_VERSION, "unsupported_version", 505,                                         \
      "only HTTP/1.0 and HTTP/1.1 are supported")                                                  \
    /* the control socket */                                                                       \
    X(HW_ERELOAD_FAILED, "reload_failed", 400, "nothing was reloaded; the old version goes on")    \
    /* apps */                                                                                     \
    X(HW_EAPP_ERROR, "app_error", 500, "the app failed; the log says why")                         \
    X(HW_EAPP_BUSY, "app_busy", 503, "the app is too busy; try again later")                       \
    /* inside the host; never sent */                                                              \
    X(HW_ENOMEM, "out_of_memory", 500, "out of memory")                                            \
    X(HW_EFAILED, "failed", 500, "failed")

enum {
    HW_ERROR_BASE = -1000,
#define HW_ERROR_ENUM(code, name, status, message) code,
    HW_ERRORS(HW_ERROR_ENUM)
#undef HW_ERROR_ENUM
        HW_ERROR_END
};

/* The texts are static. 0 or an unknown code is a bug, and asserts. */
const char *hw_error_name(int code);
const char *hw_error_message(int code);
int hw_error_status(int code);

/* The code that has this name; 0: none has. */
int hw_error_code(struct hw_str name);

/* Writes to `why` that a thread could not be started; `error` is an errno. Returns HW_EFAILED. */
int hw_error_no_thread(int error, char *why, size_t why_size);

#endif
