/* pg_args.c -- see pg_args.h */
#include "ledger/pg_args.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* oids of src/include/catalog/pg_type.dat, which never change. */
static const struct {
    unsigned oid, array_oid;
    size_t size; /* of an integer */
} types[] = {
    [HW_PG_BOOL] = {16, 1000, 1}, [HW_PG_INT2] = {21, 1005, 2}, [HW_PG_INT4] = {23, 1007, 4},
    [HW_PG_INT8] = {20, 1016, 8}, [HW_PG_TEXT] = {25, 1009, 0}, [HW_PG_BYTEA] = {17, 1001, 0},
};

enum { ARRAY_HEADER = 20 }; /* dimensions, has nulls, type, items, first index: 4 bytes each */

struct param {
    size_t at, len;
    unsigned oid;
    bool null;
};

struct hw_pg_args {
    unsigned char *bytes;
    size_t len, size;
    struct param params[HW_PG_PARAMS_MAX];
    int count;
    bool spoiled;
    /* the array that is being filled */
    bool in_array;
    enum hw_pg_type type;
    uint32_t items;
    bool has_null;
};

struct hw_pg_args *hw_pg_args_new(void)
{
    return calloc(1, sizeof(struct hw_pg_args));
}

void hw_pg_args_free(struct hw_pg_args *args)
{
    if (args)
        free(args->bytes);
    free(args);
}

void hw_pg_args_clear(struct hw_pg_args *args)
{
    args->len = 0;
    args->count = 0;
    args->spoiled = args->in_array = false;
}

/* Room for `more` bytes at the end; NULL without memory. */
static unsigned char *room(struct hw_pg_args *args, size_t more)
{
    if (args->spoiled)
        return NULL;
    if (args->size - args->len < more) {
        size_t size = (args->len + more) * 2 + 1024;
        unsigned char *bytes = realloc(args->bytes, size);
        if (!bytes) {
            args->spoiled = true;
            return NULL;
        }
        args->bytes = bytes;
        args->size = size;
    }
    return args->bytes + args->len;
}

static void put(struct hw_pg_args *args, const void *bytes, size_t len)
{
    unsigned char *to = room(args, len);
    if (!to)
        return;
    if (len > 0)
        memcpy(to, bytes, len);
    args->len += len;
}

static void put_u32(struct hw_pg_args *args, uint32_t value)
{
    uint32_t big = htobe32(value);
    put(args, &big, sizeof big);
}

static void set_u32(struct hw_pg_args *args, size_t at, uint32_t value)
{
    uint32_t big = htobe32(value);
    if (!args->spoiled)
        memcpy(args->bytes + at, &big, sizeof big);
}

static void put_int(struct hw_pg_args *args, enum hw_pg_type type, int64_t value)
{
    size_t size = types[type].size;
    HW_CHECK(size > 0);
    uint64_t big = htobe64((uint64_t)value);
    put(args, (const char *)&big + 8 - size, size);
}

static bool is_clean(struct hw_str text)
{
    for (size_t i = 0, n; i < text.len; i += n) {
        n = hw_str_utf8(text, i);
        if (n == 0 || text.ptr[i] == '\0')
            return false;
    }
    return true;
}

static void put_text(struct hw_pg_args *args, struct hw_str text)
{
    if (is_clean(text)) {
        put(args, text.ptr, text.len);
        return;
    }
    if (!room(args, text.len * 3))
        return;
    for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
        n = hw_str_utf8(text, i);
        if (n == 0 || text.ptr[i] == '\0')
            put(args, "\xef\xbf\xbd", 3);
        else
            put(args, text.ptr + i, n);
    }
}

/* ---- single values ---- */

static struct param *begin(struct hw_pg_args *args, unsigned oid)
{
    HW_CHECK(args->count < HW_PG_PARAMS_MAX && !args->in_array);
    struct param *p = &args->params[args->count++];
    *p = (struct param){.at = args->len, .oid = oid};
    return p;
}

static void end(struct hw_pg_args *args, struct param *p)
{
    p->len = args->len - p->at;
    if (p->len > INT_MAX)
        args->spoiled = true;
}

void hw_pg_arg_int(struct hw_pg_args *args, enum hw_pg_type type, int64_t value)
{
    struct param *p = begin(args, types[type].oid);
    put_int(args, type, value);
    end(args, p);
}

void hw_pg_arg_null(struct hw_pg_args *args)
{
    begin(args, 0)->null = true;
}

void hw_pg_arg_text(struct hw_pg_args *args, struct hw_str text)
{
    struct param *p = begin(args, types[HW_PG_TEXT].oid);
    p->null = !text.ptr;
    put_text(args, text);
    end(args, p);
}

void hw_pg_arg_bytes(struct hw_pg_args *args, struct hw_str bytes)
{
    struct param *p = begin(args, types[HW_PG_BYTEA].oid);
    p->null = !bytes.ptr;
    put(args, bytes.ptr, bytes.len);
    end(args, p);
}

/* ---- arrays ---- */

void hw_pg_array_begin(struct hw_pg_args *args, enum hw_pg_type type)
{
    begin(args, types[type].array_oid);
    args->in_array = true;
    args->type = type;
    args->items = 0;
    args->has_null = false;
    put_u32(args, 1);
    put_u32(args, 0);
    put_u32(args, types[type].oid);
    put_u32(args, 0);
    put_u32(args, 1);
}

void hw_pg_item_null(struct hw_pg_args *args)
{
    args->items++;
    args->has_null = true;
    put_u32(args, UINT32_MAX);
}

void hw_pg_item_int(struct hw_pg_args *args, int64_t value)
{
    args->items++;
    put_u32(args, (uint32_t)types[args->type].size);
    put_int(args, args->type, value);
}

void hw_pg_item_text(struct hw_pg_args *args, struct hw_str text)
{
    if (!text.ptr) {
        hw_pg_item_null(args);
        return;
    }
    HW_CHECK(args->type == HW_PG_TEXT);
    args->items++;
    size_t at = args->len;
    put_u32(args, 0);
    put_text(args, text);
    set_u32(args, at, (uint32_t)(args->len - at - 4));
}

void hw_pg_item_bytes(struct hw_pg_args *args, struct hw_str bytes)
{
    if (!bytes.ptr) {
        hw_pg_item_null(args);
        return;
    }
    HW_CHECK(args->type == HW_PG_BYTEA);
    args->items++;
    put_u32(args, (uint32_t)bytes.len);
    put(args, bytes.ptr, bytes.len);
}

/* An empty array has no dimension. */
void hw_pg_array_end(struct hw_pg_args *args)
{
    HW_CHECK(args->in_array);
    args->in_array = false;
    struct param *p = &args->params[args->count - 1];
    set_u32(args, p->at + 4, args->has_null);
    set_u32(args, p->at + 12, args->items);
    if (args->items == 0 && !args->spoiled) {
        set_u32(args, p->at, 0);
        args->len = p->at + ARRAY_HEADER - 8;
    }
    end(args, p);
}

bool hw_pg_args_params(const struct hw_pg_args *args, struct hw_pg_params *params)
{
    params->count = args ? args->count : 0;
    if (!args)
        return true;
    HW_CHECK(!args->in_array);
    for (int i = 0; i < args->count; i++) {
        const struct param *p = &args->params[i];
        bool empty = p->len == 0 && !p->null;
        params->values[i] = p->null ? NULL : empty ? "" : (const char *)args->bytes + p->at;
        params->lengths[i] = (int)p->len;
        params->formats[i] = 1;
        params->types[i] = p->oid;
    }
    return !args->spoiled;
}
