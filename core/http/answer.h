/* answer.h -- the bytes of an answer.
 *
 * Answers carry Date, Content-Type, Content-Length and, where needed, Connection and Allow; never
 * Server, nor anything about a handler's code (RFC 9110 and 9112).
 * Thread  the leader, which owns the cached date. */
#ifndef HW_ANSWER_H
#define HW_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/str.h"

enum {
    HW_ANSWER_MAX = 2048,      /* bytes of a whole answer; for an app's, of its head */
    HW_ANSWER_REASON_MAX = 200 /* bytes of a reason; a longer one is cut between characters */
};

struct hw_answer_clock {
    time_t second;
    char date[32]; /* "Mon, 23 Nov 2026 20:30:00 GMT" */
};

/* How the client finds the end of the body (RFC 9112, 6.3). */
enum hw_framing { HW_FRAMING_LENGTH, HW_FRAMING_CHUNKED, HW_FRAMING_CLOSE };

struct hw_answer {
    int code;                /* 0 for 200, or an HW_E… code */
    struct hw_str reason;    /* instead of the code's own message; any bytes */
    bool close;              /* Connection: close */
    bool keep_alive_1_0;     /* Connection: keep-alive, which HTTP/1.0 clients need */
    bool head;               /* the answer to HEAD: no body */
    enum hw_framing framing; /* of an app's answer */
};

/* What an app answers. */
struct hw_reply {
    int status;           /* 200 to 599; 204 and 304 have no body */
    struct hw_str fields; /* its own header lines, each with its line end */
    struct hw_str body;
};

/* Writes the head of an app's answer up to the app's own header lines: status line, Date,
 * Content-Length or Transfer-Encoding, Connection. Uses only close, keep_alive_1_0 and framing of
 * `answer`. Returns the number of bytes written to out[0..HW_ANSWER_MAX). */
size_t hw_answer_write_head(char *out, const struct hw_reply *reply, const struct hw_answer *answer,
                            struct hw_answer_clock *clock);

/* Whether an answer of this status has no body (RFC 9110, 6.4.1). */
bool hw_answer_is_bare(int status);

/* Writes a whole answer. Returns the number of bytes written to out[0..HW_ANSWER_MAX). */
size_t hw_answer_write(char *out, const struct hw_answer *answer, struct hw_answer_clock *clock);

extern const struct hw_str hw_answer_continue; /* 100 Continue */

#endif
