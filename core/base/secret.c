/* secret.c -- see secret.h */
#include "base/secret.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HIDDEN "***"

struct output {
    char *at, *end; /* end: where the zero has to be */
};

static void put(struct output *out, const char *bytes, size_t len)
{
    size_t room = (size_t)(out->end - out->at);
    len = len < room ? len : room;
    memcpy(out->at, bytes, len);
    out->at += len;
}

static bool begins_with(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

/* The length of postgres:// at the start of the text; 0: it is none. */
static size_t scheme_len(const char *text)
{
    if (begins_with(text, "postgres://"))
        return 11;
    return begins_with(text, "postgresql://") ? 13 : 0;
}

/* Finds the password of an address, from its colon to its @, in `len` bytes after the scheme. A slash and
 * then a question mark before the first @: the @ stands in a parameter. */
static bool find_password(const char *at, size_t len, const char **colon, const char **end)
{
    const char *first = memchr(at, '@', len);
    if (!first)
        return false;
    size_t before = (size_t)(first - at);
    const char *slash = memchr(at, '/', before);
    if (slash && memchr(slash, '?', (size_t)(first - slash)))
        return false;
    const char *question = memchr(first, '?', len - before);
    *end = first;
    for (const char *p = first; p < (question ? question : at + len); p++)
        if (*p == '@')
            *end = p;
    *colon = memchr(at, ':', (size_t)(*end - at));
    return *colon && *colon + 1 < *end;
}

/* Takes the address at *text, up to its parameters. */
static void take_address(struct output *out, const char **text, size_t scheme)
{
    const char *at = *text + scheme, *colon, *end;
    put(out, *text, scheme);
    if (find_password(at, strcspn(at, " \t\r\n"), &colon, &end)) {
        put(out, at, (size_t)(colon + 1 - at));
        put(out, HIDDEN, strlen(HIDDEN));
        at = end;
    }
    *text = at;
}

/* The length of a letter, which may be written as %70. */
static size_t letter(const char *text, char wanted)
{
    static const char digits[] = "0123456789abcdef";
    if (tolower((unsigned char)*text) == wanted)
        return 1;
    const char *high =
        *text == '%' && text[1] ? strchr(digits, tolower((unsigned char)text[1])) : NULL;
    const char *low = high && text[2] ? strchr(digits, tolower((unsigned char)text[2])) : NULL;
    return low && tolower((int)((high - digits) * 16 + (low - digits))) == wanted ? 3 : 0;
}

/* The length of "password=" or "password = " at the start of the text; 0: it is none. */
static size_t word_len(const char *text)
{
    size_t len = 0, n;
    for (const char *p = "password"; *p; p++, len += n)
        if (!(n = letter(text + len, *p)))
            return 0;
    len += strspn(text + len, " ");
    return text[len] == '=' ? len + 1 + strspn(text + len + 1, " ") : 0;
}

/* The length of a value: quoted, or up to what ends it in an address or a list of settings. */
static size_t value_len(const char *text)
{
    if (*text != '\'')
        return strcspn(text, "& \t\r\n\"");
    size_t len = 1;
    for (; text[len] && text[len] != '\''; len++)
        if (text[len] == '\\' && text[len + 1])
            len++;
    return len + (text[len] == '\'');
}

size_t hw_secret_hide(char *buffer, size_t size, const char *text)
{
    struct output out = {buffer, buffer + size - 1};
    while (*text) {
        size_t scheme = scheme_len(text), word = word_len(text);
        if (scheme) {
            take_address(&out, &text, scheme);
        } else if (word && value_len(text + word)) {
            put(&out, text, word);
            put(&out, HIDDEN, strlen(HIDDEN));
            text += word + value_len(text + word);
        } else {
            put(&out, text++, 1);
        }
    }
    *out.at = '\0';
    return (size_t)(out.at - buffer);
}
