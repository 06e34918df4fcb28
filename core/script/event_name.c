/* event_name.c -- see event_name.h */
#include "script/event_name.h"

#include <stdbool.h>

#include "script/json.h"

/* The place after the string that begins at `i`, which is a quote. */
static size_t skip_string(struct hw_str s, size_t i)
{
    for (i++; i < s.len && s.ptr[i] != '"'; i++)
        i += s.ptr[i] == '\\';
    return i + 1;
}

static size_t skip_space(struct hw_str s, size_t i)
{
    while (i < s.len && strchr(" \t\r\n", s.ptr[i]) && s.ptr[i])
        i++;
    return i;
}

/* The text of the string that ends before `end`; none when it has escapes. */
static struct hw_str text_of(struct hw_str s, size_t begin, size_t end)
{
    if (end > s.len || memchr(s.ptr + begin, '\\', end - begin))
        return HW_STR_NONE;
    return (struct hw_str){s.ptr + begin + 1, end - begin - 2};
}

struct hw_str hw_event_name_find(struct hw_str body)
{
    struct hw_str s = hw_json_skip_bom(body), found = HW_STR_NONE;
    int depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c != '"')
            continue;
        size_t end = skip_string(s, i), next = skip_space(s, end);
        bool is_key = depth == 1 && next < s.len && s.ptr[next] == ':';
        if (is_key && hw_str_eq(text_of(s, i, end), HW_STR("Event"))) {
            size_t value = skip_space(s, next + 1);
            bool is_text = value < s.len && s.ptr[value] == '"';
            found = is_text ? text_of(s, value, skip_string(s, value)) : HW_STR_NONE;
        }
        i = end - 1;
    }
    return found;
}
