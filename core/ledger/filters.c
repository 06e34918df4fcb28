/* filters.c -- see filters.h */
#include "ledger/filters.h"

#include <lauxlib.h>
#include <string.h>

#include "ledger/ledger.h"

/* ---- reading the filters ---- */

static int64_t state_bit(lua_State *L, const char *name)
{
    for (int i = 1; i < HW_LEDGER_STATE_END; i++)
        if (strcmp(hw_ledger_state_name(i), name) == 0)
            return INT64_C(1) << i;
    return luaL_error(L, "ledger: there is no state '%s'", name);
}

/* The string at `i` in the array on top, which keeps it alive. */
static const char *item_text(lua_State *L, const char *filter, lua_Integer i)
{
    if (lua_rawgeti(L, -1, i) != LUA_TSTRING)
        luaL_error(L, "ledger: %s must be an array of strings", filter);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

static void check_array(lua_State *L, const char *filter)
{
    if (!lua_istable(L, -1))
        luaL_error(L, "ledger: %s must be an array of strings", filter);
}

static void read_states(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    check_array(L, name);
    f->states = 0;
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1); i++)
        f->states |= state_bit(L, item_text(L, name, i));
}

static void read_ids(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    check_array(L, name);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, -1); i++)
        item_text(L, name, i);
    f->ids = -1; /* hw_ledger_filters_read sets where */
}

static size_t count_stars(struct hw_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '*';
    return count;
}

static void read_event(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "ledger: %s must be a string", name);
    struct hw_str *e = &f->event;
    e->ptr = lua_tolstring(L, -1, &e->len);
    size_t stars = count_stars(*e);
    if (stars == 0) {
        f->pattern = HW_LEDGER_PATTERN_EXACT;
    } else if (stars == 1 && e->len == 1) {
        f->pattern = HW_LEDGER_PATTERN_ANY;
    } else if (stars == 1 && e->len > 2 && memcmp(e->ptr + e->len - 2, ".*", 2) == 0) {
        f->pattern = HW_LEDGER_PATTERN_PREFIX;
        e->len--;
    } else if (stars == 1 && e->len > 2 && memcmp(e->ptr, "*.", 2) == 0) {
        f->pattern = HW_LEDGER_PATTERN_SUFFIX;
        e->ptr++;
        e->len--;
    } else {
        luaL_error(L, "ledger: a star may stand for all of a name (\"*\"), its end "
                      "(\"Entity.*\") or its beginning (\"*.Event\")");
    }
}

static void read_error(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "ledger: %s must be a string", name);
    f->error.ptr = lua_tolstring(L, -1, &f->error.len);
}

static int64_t read_ms(lua_State *L, const char *name)
{
    double ms = lua_tonumber(L, -1) * 1000;
    if (lua_type(L, -1) != LUA_TNUMBER || ms != ms)
        luaL_error(L, "ledger: %s must be a number of seconds", name);
    if (ms <= -9e18 || ms >= 9e18)
        return ms < 0 ? INT64_MIN : INT64_MAX;
    return (int64_t)(ms < 0 ? ms - 0.5 : ms + 0.5);
}

static int64_t read_integer(lua_State *L, const char *name)
{
    if (lua_type(L, -1) != LUA_TNUMBER || !lua_isinteger(L, -1))
        luaL_error(L, "ledger: %s must be a whole number", name);
    return lua_tointeger(L, -1);
}

static void read_since(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->since_ms = read_ms(L, name);
}

static void read_until(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->until_ms = read_ms(L, name);
}

static void read_after(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->after = read_integer(L, name);
}

static void read_upto(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->upto = read_integer(L, name);
}

static void read_limit(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->limit = read_integer(L, name);
}

static void read_seconds(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    f->seconds = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(f->seconds >= 0 && f->seconds < 1e6))
        luaL_error(L, "ledger: %s must be a number of seconds", name);
}

static void read_oldest_first(lua_State *L, struct hw_ledger_filters *f, const char *name)
{
    (void)name;
    f->oldest_first = lua_toboolean(L, -1);
}

static const struct filter {
    const char *name;
    void (*read)(lua_State *L, struct hw_ledger_filters *f,
                 const char *name); /* the value is on top */
} known_filters[] = {
    {"states", read_states},   {"event", read_event},
    {"ids", read_ids},         {"since", read_since},
    {"until", read_until},     {"after", read_after},
    {"error", read_error},     {"upto", read_upto},
    {"limit", read_limit},     {"oldest_first", read_oldest_first},
    {"seconds", read_seconds},
};

static const struct filter *find_filter(lua_State *L, int key)
{
    const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : "";
    for (size_t i = 0; i < sizeof known_filters / sizeof *known_filters; i++)
        if (strcmp(known_filters[i].name, name) == 0)
            return &known_filters[i];
    luaL_error(L, "ledger: there is no filter '%s'", luaL_tolstring(L, key, NULL));
    return NULL;
}

void hw_ledger_filters_read(lua_State *L, int index, struct hw_ledger_filters *f)
{
    *f = (struct hw_ledger_filters){.states = -1,
                                    .since_ms = INT64_MIN,
                                    .until_ms = INT64_MAX,
                                    .after = INT64_MIN,
                                    .upto = INT64_MAX,
                                    .limit = -1,
                                    .seconds = -1};
    if (lua_isnoneornil(L, index)) {
        lua_pushnil(L);
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) { /* name value */
        const struct filter *filter = find_filter(L, lua_gettop(L) - 1);
        filter->read(L, f, filter->name);
        lua_pop(L, 1); /* name */
    }
    lua_pushliteral(L, "ids");
    lua_rawget(L, index);
    if (f->ids)
        f->ids = lua_gettop(L);
}

/* ---- from filters to a statement ---- */

/* hw_ledger_filters_bind uses these numbers. */
#define MATCHES                                                                                    \
    "(?1 >> state) & 1"                                                                            \
    " AND (?2 IS NULL OR event = ?2)"                                                              \
    " AND (?3 IS NULL OR substr(event, 1, length(?3)) = ?3)"                                       \
    " AND (?4 IS NULL OR substr(event, -length(?4)) = ?4)"                                         \
    " AND (?5 IS NULL OR received_at >= ?5)"                                                       \
    " AND (?6 IS NULL OR received_at <= ?6)"                                                       \
    " AND (?9 IS NULL OR instr(lower(coalesce(error, '') || char(10) || coalesce(reason, '')"      \
    " || char(10) || coalesce(detail, '')), lower(?9)) > 0)"
#define RANGE "seq > ?7 AND seq <= ?8"

/* Of all rows, and of those that did not succeed. */
#define ALL " FROM notifications WHERE "
#define TROUBLE " FROM notifications INDEXED BY by_trouble WHERE state <> 1 AND "

enum {
    BIND_STATES = 1,
    BIND_PATTERN,
    BIND_SINCE = 5,
    BIND_UNTIL,
    BIND_AFTER,
    BIND_UPTO,
    BIND_ERROR,
    BIND_IDS
};

static bool leaves_out_success(const struct hw_ledger_filters *f)
{
    return !(f->states >> HW_SUCCEEDED & 1);
}

const char *hw_ledger_filters_push_scan(lua_State *L, const struct hw_ledger_filters *f)
{
    return lua_pushfstring(L,
                           "SELECT seq, CASE WHEN " MATCHES " THEN 1 END%s" RANGE " ORDER BY seq%s",
                           leaves_out_success(f) ? TROUBLE : ALL, f->oldest_first ? "" : " DESC");
}

const char *hw_ledger_filters_push_sql(lua_State *L, const struct hw_ledger_filters *f,
                                       const char *what, const char *tail)
{
    size_t ids = f->ids ? lua_rawlen(L, f->ids) : 0;
    luaL_Buffer sql;
    luaL_buffinit(L, &sql);
    luaL_addstring(&sql, what);
    luaL_addstring(&sql, leaves_out_success(f) && !f->ids ? TROUBLE : ALL);
    luaL_addstring(&sql, RANGE " AND " MATCHES);
    if (f->ids)
        luaL_addstring(&sql, " AND job_id IN (");
    for (size_t i = 0; i < ids; i++)
        luaL_addstring(&sql, i > 0 ? ",?" : "?");
    if (f->ids)
        luaL_addchar(&sql, ')');
    luaL_addstring(&sql, tail);
    luaL_pushresult(&sql);
    return lua_tostring(L, -1);
}

static int bind_text(sqlite3_stmt *stmt, int at, struct hw_str text)
{
    return sqlite3_bind_text64(stmt, at, text.ptr, text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int bind_ids(lua_State *L, const struct hw_ledger_filters *f, sqlite3_stmt *stmt)
{
    size_t count = f->ids ? lua_rawlen(L, f->ids) : 0;
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        struct hw_str id;
        lua_rawgeti(L, f->ids, (lua_Integer)i + 1);
        id.ptr = lua_tolstring(L, -1, &id.len);
        rc = bind_text(stmt, BIND_IDS + (int)i, id);
        lua_pop(L, 1);
    }
    return rc;
}

int hw_ledger_filters_bind(lua_State *L, const struct hw_ledger_filters *f, sqlite3_stmt *stmt)
{
    static const int patterns[] = {[HW_LEDGER_PATTERN_EXACT] = BIND_PATTERN,
                                   [HW_LEDGER_PATTERN_PREFIX] = BIND_PATTERN + 1,
                                   [HW_LEDGER_PATTERN_SUFFIX] = BIND_PATTERN + 2};
    int rc = sqlite3_bind_int64(stmt, BIND_STATES, f->states);
    if (rc == SQLITE_OK && f->pattern != HW_LEDGER_PATTERN_ANY)
        rc = bind_text(stmt, patterns[f->pattern], f->event);
    if (rc == SQLITE_OK && f->since_ms != INT64_MIN)
        rc = sqlite3_bind_int64(stmt, BIND_SINCE, f->since_ms);
    if (rc == SQLITE_OK && f->until_ms != INT64_MAX)
        rc = sqlite3_bind_int64(stmt, BIND_UNTIL, f->until_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, BIND_AFTER, f->after);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, BIND_UPTO, f->upto);
    if (rc == SQLITE_OK && f->error.ptr)
        rc = bind_text(stmt, BIND_ERROR, f->error);
    return rc == SQLITE_OK ? bind_ids(L, f, stmt) : rc;
}

void hw_ledger_filters_bind_row(sqlite3_stmt *stmt, int64_t seq)
{
    sqlite3_bind_int64(stmt, BIND_AFTER, seq - 1);
    sqlite3_bind_int64(stmt, BIND_UPTO, seq);
}
