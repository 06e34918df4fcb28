/* pg_keywords.c -- see pg_keywords.h */
#include "ledger/pg_keywords.h"

#include "ledger/pg_libpq.h"

#if HW_LIBPQ

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Of a keyword that is given twice, libpq takes the last. */
static void tell(struct hw_pg_keywords *words, const char *name, const char *value)
{
    HW_CHECK(words->count < HW_PG_KEYWORDS_MAX - 1);
    words->names[words->count] = name;
    words->values[words->count++] = value;
}

/* What holds unless the URL or the environment says otherwise. */
static void tell_defaults(struct hw_pg_keywords *words, const char *application)
{
    static const char *const defaults[][3] = {
        {"target_session_attrs", "read-write", "PGTARGETSESSIONATTRS"},
        {"keepalives_idle", "10", ""},
        {"keepalives_interval", "3", ""},
        {"keepalives_count", "3", ""},
        {"tcp_user_timeout", "5000", ""},
    };
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (!getenv(defaults[i][2]))
            tell(words, defaults[i][0], defaults[i][1]);
    if (!getenv("PGAPPNAME"))
        tell(words, "application_name", application);
}

/* Returns "b,c,a" for "a,b,c" and 1; NULL for a list of one, or without memory. */
static char *rotated(const char *list, unsigned by)
{
    size_t count = 1;
    for (const char *p = list; *p; p++)
        count += *p == ',';
    const char *from = list;
    for (size_t skip = by % count; skip > 0; skip--)
        from = strchr(from, ',') + 1;
    char *text = NULL;
    if (from == list || asprintf(&text, "%s,%.*s", from, (int)(from - list - 1), list) < 0)
        return NULL;
    return text;
}

/* libpq goes on to the next host when one refuses, but not when one is silent. So after a connect that
 * was not answered in time, the next begins at another. */
static void tell_rotation(struct hw_pg_keywords *words, const char *url, unsigned tries)
{
    static const char *const names[3] = {"host", "hostaddr", "port"};
    PQconninfoOption *options = tries ? hw_libpq.conninfoParse(url, NULL) : NULL;
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        for (size_t i = 0; i < 3; i++)
            if (o->val && strcmp(o->keyword, names[i]) == 0)
                words->texts[i] = rotated(o->val, tries);
    for (size_t i = 0; i < 3; i++)
        if (words->texts[i])
            tell(words, names[i], words->texts[i]);
    if (options)
        hw_libpq.conninfoFree(options);
}

void hw_pg_keywords_fill(struct hw_pg_keywords *words, const char *url, const char *name,
                         unsigned tries)
{
    memset(words, 0, sizeof *words);
    snprintf(words->application, sizeof words->application, "hookward/%s", name ? name : "");
    tell_defaults(words, words->application);
    tell(words, "dbname", url);
    tell(words, "client_encoding", "UTF8");
    tell_rotation(words, url, tries);
}

void hw_pg_keywords_free(struct hw_pg_keywords *words)
{
    for (size_t i = 0; i < 3; i++)
        free(words->texts[i]);
}

#endif
