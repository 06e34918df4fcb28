/* diagnose_signature.c -- see diagnose_signature.h */
#include "signing/diagnose_signature.h"

#include <stdio.h>

#include "base/base64.h"

static void add_reading(struct hw_readings *readings, const uint8_t *bytes, size_t len,
                        const char *condition)
{
    if (len == 0 || len > HW_SIGNATURE_MAX || readings->count == HW_READINGS_MAX)
        return;
    struct hw_reading *reading = &readings->list[readings->count++];
    snprintf(reading->condition, sizeof reading->condition, "%s", condition);
    memcpy(reading->bytes, bytes, len);
    reading->len = len;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void hw_note(char *notes, size_t size, const char *text)
{
    size_t len = strlen(notes);
    if (!strstr(notes, text))
        snprintf(notes + len, size - len, "%s%s", len ? ", " : "", text);
}

/* Writes the text in the standard alphabet, padded, without white space; notes what it changed.
 * With `plus` a space is a '+' that form decoding replaced. Returns the length, or 0 when it can't
 * be Base64. */
static size_t spell_standard(char *out, size_t size, struct hw_str text, bool plus, char *notes,
                             size_t notes_size)
{
    size_t len = 0, padding = 0;
    bool stray = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (plus && c == ' ') {
            hw_note(notes, notes_size, "spaces where + was");
            c = '+';
        } else if (is_space(c)) {
            hw_note(notes, notes_size, "white space or line breaks");
            continue;
        } else if (c == '"' || c == '\'') {
            hw_note(notes, notes_size, "quotes around it");
            continue;
        } else if (c == '-' || c == '_') {
            hw_note(notes, notes_size, "URL-safe letters");
            c = c == '-' ? '+' : '/';
        } else if (c == '=') {
            padding++;
            continue;
        }
        stray |= padding > 0;
        if (stray || len + 4 >= size)
            return 0;
        out[len++] = c;
    }
    size_t needed = (4 - len % 4) % 4;
    if (padding != needed)
        hw_note(notes, notes_size, padding < needed ? "missing padding" : "too much padding");
    for (size_t i = 0; i < needed; i++)
        out[len++] = '=';
    return len;
}

/* Drops unused bits of the last letter, as many decoders do. */
static long decode_lenient(uint8_t *out, size_t size, char *letters, size_t len, char *notes,
                           size_t notes_size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    long decoded = hw_base64_decode(out, size, (struct hw_str){letters, len});
    if (decoded >= 0 || len < 4 || letters[len - 1] != '=')
        return decoded;
    char *last = &letters[letters[len - 2] == '=' ? len - 3 : len - 2];
    const char *at = strchr(alphabet, *last);
    if (!at || !*last)
        return -1;
    int mask = letters[len - 2] == '=' ? 0x30 : 0x3c;
    *last = alphabet[(at - alphabet) & mask];
    hw_note(notes, notes_size, "unused bits that are not zero");
    return hw_base64_decode(out, size, (struct hw_str){letters, len});
}

static void read_lenient(struct hw_readings *readings, struct hw_str text, bool plus)
{
    char letters[HW_BASE64_LEN(HW_SIGNATURE_MAX) + 8], notes[100] = "", condition[200] = "";
    uint8_t bytes[HW_SIGNATURE_MAX + 3];
    size_t len = spell_standard(letters, sizeof letters, text, plus, notes, sizeof notes);
    long size = decode_lenient(bytes, sizeof bytes, letters, len, notes, sizeof notes);
    if (size <= 0)
        return;
    if (notes[0])
        snprintf(condition, sizeof condition, "the signature were strict Base64 (it has %s)",
                 notes);
    add_reading(readings, bytes, (size_t)size, condition);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex, with or without the colons and dashes of BitConverter.ToString. */
static void read_hex(struct hw_readings *readings, struct hw_str text, const char *condition)
{
    uint8_t bytes[HW_SIGNATURE_MAX];
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = hex_value(text.ptr[i]);
        if (value < 0 && (is_space(text.ptr[i]) || text.ptr[i] == '-' || text.ptr[i] == ':'))
            continue;
        if (value < 0 || digits / 2 == sizeof bytes)
            return;
        if (digits % 2 == 0)
            bytes[digits / 2] = (uint8_t)(value << 4);
        else
            bytes[digits / 2] |= (uint8_t)value;
        digits++;
    }
    if (digits % 2 == 0)
        add_reading(readings, bytes, digits / 2, condition);
}

/* The bytes of the first reading may be text again: Base64 or hex, encoded once more. */
static void read_twice(struct hw_readings *readings)
{
    if (readings->count == 0)
        return;
    const struct hw_reading *first = &readings->list[0];
    struct hw_str inner = {(const char *)first->bytes, first->len};
    uint8_t bytes[HW_SIGNATURE_MAX];
    long size = hw_base64_decode(bytes, sizeof bytes, inner);
    if (size > 0)
        add_reading(readings, bytes, (size_t)size,
                    "the signature were in Base64 once (it is encoded twice)");
    read_hex(readings, inner, "the signature were Base64 of the bytes (it is Base64 of their hex)");
}

static void read_reversed(struct hw_readings *readings)
{
    if (readings->count == 0 || readings->count == HW_READINGS_MAX)
        return;
    const struct hw_reading *first = &readings->list[0];
    uint8_t bytes[HW_SIGNATURE_MAX];
    for (size_t i = 0; i < first->len; i++)
        bytes[i] = first->bytes[first->len - 1 - i];
    char condition[200];
    snprintf(condition, sizeof condition,
             "%.110s%sthe signature's bytes were reversed (CryptoAPI writes them little-endian)",
             first->condition, first->condition[0] ? ", and " : "");
    add_reading(readings, bytes, first->len, condition);
}

/* Some libraries write a signature as a number, without its leading zeros. */
static void read_short(struct hw_readings *readings, const struct hw_keyset *keys)
{
    size_t count = readings->count;
    for (size_t i = 0; i < keys->count && count > 0; i++) {
        size_t size = hw_key_size(&keys->keys[i]), len = readings->list[0].len;
        if (len >= size || size - len > 4)
            continue;
        uint8_t bytes[HW_SIGNATURE_MAX] = {0};
        memcpy(bytes + size - len, readings->list[0].bytes, len);
        add_reading(readings, bytes, size,
                    "the signature had its leading zero bytes, which were cut off");
        return;
    }
}

void hw_readings_init(struct hw_readings *readings, struct hw_str text,
                      const struct hw_keyset *keys)
{
    readings->count = 0;
    read_lenient(readings, text, false);
    if (text.len && memchr(text.ptr, ' ', text.len))
        read_lenient(readings, text, true);
    read_hex(readings, text, "the signature were in Base64 (it is in hex)");
    read_twice(readings);
    read_reversed(readings);
    read_short(readings, keys);
}
