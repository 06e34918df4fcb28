/* pg_why.c -- see pg_why.h */
#include "ledger/pg_why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *sqlstate, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (strncmp(sqlstate, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

/* 57P03 is not among the broken ones: the server said it before anything began. 26000 and 0A000: a pooler
 * gave the connection another session, or a migration changed what a plan was made for. Both are mended
 * by a new connection. */
enum hw_pg_rc hw_pg_why_code(const char *sqlstate)
{
    static const char *const again[] = {"40001", "40P01", "55P03", NULL};
    static const char *const away[] = {"57P03", "53", "58", "25006", NULL};
    static const char *const broken[] = {"08", "57P", "26000", "0A000", NULL};
    static const char *const data[] = {"22", "23", "54", NULL};
    static const char *const late[] = {"57014", NULL};
    return *sqlstate == '\0'             ? HW_PG_BROKEN
           : is_one_of(sqlstate, again)  ? HW_PG_AGAIN
           : is_one_of(sqlstate, away)   ? HW_PG_AWAY
           : is_one_of(sqlstate, broken) ? HW_PG_BROKEN
           : is_one_of(sqlstate, data)   ? HW_PG_DATA
           : is_one_of(sqlstate, late)   ? HW_PG_LATE
                                         : HW_PG_REFUSED;
}

/* ---- a connection that could not be made ---- */

/* The verbose form is `FATAL:  28P01: the text`; the first word may be translated. Whether p stands at
 * the mark, which begins with the first colon. */
static bool is_mark(const char *p)
{
    return strncmp(p, ":  ", 3) == 0 &&
           strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && p[8] == ':';
}

/* The last mark; NULL for none. */
static const char *mark_of(const char *text)
{
    const char *found = NULL;
    for (const char *p = text; (p = strchr(p, ':')); p++)
        if (is_mark(p))
            found = p;
    return found;
}

static bool says(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return true;
    return false;
}

/* A server that is a standby, and stands alone in the URL, is a mistake of the user's. Of several, the one
 * that writes may be about to come. */
enum hw_pg_rc hw_pg_why_connect(const char *text, char sqlstate[6])
{
    static const char *const passing[] = {"08", "40", "53", "57", "58", "XX", NULL};
    /* pgbouncer has 08P01 for nearly all, and libpq no code for its own */
    static const char *const mistakes[] = {"certificate",
                                           "does not support SSL",
                                           "no password supplied",
                                           "password authentication failed",
                                           "no such user",
                                           "no such database",
                                           "connection info string",
                                           "could not match",
                                           " in URI",
                                           "forbidden value",
                                           "service file",
                                           "channel binding required",
                                           NULL};
    static const char *const forms[] = {"invalid ", "definition of service", NULL};
    static const char *const standby[] = {"session is read-only", "hot standby mode", NULL};
    const char *mark = mark_of(text);
    snprintf(sqlstate, 6, "%.5s", mark ? mark + 3 : "");
    const char *first = strstr(text, "connection to server");
    bool alone = !first || !strstr(first + 1, "connection to server");
    if (says(text, mistakes) || is_one_of(text, forms))
        return HW_PG_REFUSED;
    if (says(text, standby)) {
        snprintf(sqlstate, 6, "25006");
        return alone ? HW_PG_REFUSED : HW_PG_AWAY;
    }
    return *sqlstate == '\0' || is_one_of(sqlstate, passing) ? HW_PG_AWAY : HW_PG_REFUSED;
}

/* ---- one line ---- */

/* What may be the password in `scheme://user:password@host/…?password=…`, up to the last @, so that one
 * that was not escaped is hidden whole. */
static void find_secret(const char *url, const char **secret, size_t *len)
{
    const char *from = strstr(url, "://"), *at = strrchr(url, '@');
    const char *colon = from ? strchr(from + 3, ':') : NULL;
    *len = 0;
    *secret = colon && at && colon < at ? colon + 1 : NULL;
    if (*secret)
        *len = (size_t)(at - *secret);
    else if ((*secret = strstr(url, "password=")) != NULL)
        *len = strcspn(*secret += strlen("password="), "&");
}

static bool may_hold(const char *quoted, size_t len, const char *secret, size_t secret_len)
{
    return len > 0 && (memmem(secret, secret_len, quoted, len) ||
                       memmem(quoted, len, secret, secret_len) || memchr(quoted, '@', len));
}

struct line {
    char *text;
    size_t used, size;
};

static void add(struct line *line, const char *text, size_t len)
{
    size_t left = line->size - line->used - 1;
    len = len < left ? len : left;
    memcpy(line->text + line->used, text, len);
    line->used += len;
}

/* A line's end, with what follows it. Returns where the text goes on. */
static const char *add_end(struct line *line, const char *p)
{
    p += strspn(p, "\n\t ");
    if (strncmp(p, "LOCATION:", 9) == 0)
        return add_end(line, p + strcspn(p, "\n"));
    if (*p)
        add(line, "; ", 2);
    return p;
}

/* With sslmode=prefer libpq tries twice, and says twice what a password lacks. Returns the length. */
static size_t once(const char *line, size_t len)
{
    size_t half = (len - 2) / 2;
    bool twice = len > 2 && len % 2 == 0 && memcmp(line + half, "; ", 2) == 0 &&
                 memcmp(line, line + half + 2, half) == 0;
    return twice ? half : len;
}

void hw_pg_why_line(const char *text, const char *url, char *line, size_t size)
{
    const char *secret;
    size_t secret_len;
    struct line out = {line, 0, size};
    find_secret(url, &secret, &secret_len);
    for (const char *p = text; *p;) {
        size_t quoted = *p == '"' ? strcspn(p + 1, "\"\n") : 0;
        bool closed = quoted && p[quoted + 1] == '"';
        if (closed && secret_len && may_hold(p + 1, quoted, secret, secret_len)) {
            add(&out, "\"…\"", strlen("\"…\""));
            p += quoted + 2;
        } else if (is_mark(p)) {
            add(&out, ": ", 2);
            p += strlen(":  28P01: ");
        } else if (*p == '\n') {
            p = add_end(&out, p);
        } else {
            add(&out, *p == '\t' ? " " : p, 1);
            p++;
        }
    }
    line[once(line, out.used)] = '\0';
}
