/* base64_test.c -- strict Base64 reads exactly what it writes, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "guard.h"

static struct guard in, room;

/* Text and bytes both end at a guard page. */
static long decode(uint8_t *out, size_t size, const char *text, size_t len)
{
    char *exact = guard_place(&in, text, len);
    uint8_t *bytes = (uint8_t *)guard_place(&room, "", 0) - size;
    long decoded = hw_base64_decode(bytes, size, (struct hw_str){len ? exact : NULL, len});
    if (decoded > 0)
        memcpy(out, bytes, (size_t)decoded);
    return decoded;
}

static void reads_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = strlen(pairs[i][0]);
        hw_base64_encode(text, (const uint8_t *)pairs[i][0], len);
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(strlen(text), HW_BASE64_LEN(len));
        assert_int_equal(decode(bytes, len, text, strlen(text)), len);
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void reads_back_every_length_and_letter(void **state)
{
    (void)state;
    uint8_t bytes[300], back[300];
    char text[HW_BASE64_LEN(300) + 1];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + i / 7);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        hw_base64_encode(text, bytes, len);
        assert_int_equal(decode(back, len, text, HW_BASE64_LEN(len)), len);
        assert_memory_equal(back, bytes, len);
        if (len > 0)
            assert_int_equal(decode(back, len - 1, text, HW_BASE64_LEN(len)), -1);
    }
}

/* In each of the four places every byte but the 64 letters (and '=' where it belongs) is refused.
 */
static void refuses_every_other_byte_in_every_place(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[8];
    for (size_t place = 0; place < 8; place++) {
        for (int c = 0; c < 256; c++) {
            char text[] = "AAAAAAAA";
            text[place] = (char)c;
            int good = (c && strchr(letters, c)) || (c == '=' && place == 7);
            assert_int_equal(decode(bytes, sizeof bytes, text, 8), !good ? -1 : c == '=' ? 5 : 6);
        }
    }
}

static void gives_each_value_exactly_one_text(void **state)
{
    (void)state;
    uint8_t bytes[3];
    int one = 0, two = 0;
    for (int a = 'A'; a <= 'Z'; a++) {
        char padded[] = {'A', (char)a, '=', '=', 0}, shorter[] = {'A', 'A', (char)a, '=', 0};
        one += decode(bytes, 3, padded, 4) == 1;
        two += decode(bytes, 3, shorter, 4) == 2;
    }
    assert_int_equal(one, 2); /* A and Q: the low four bits are zero */
    assert_int_equal(two, 7); /* A E I M Q U Y: the low two bits are zero */
}

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "A",       "AA",    "AAA",  "AAAAA", "=",        "====",     "A===",
        "AA=A",    "=AAA",  "A=AA", "AA==A", "AA==AAAA", "AAA=AAAA", "AAAA====",
        "AAAA===", "AAAA=", "AAA ", " AAA",  "AAAA\n",   "AAAA\r\n", "AA\nAA==",
        "AA-_",    "AA,A",  "AB==", "AAB=",  "Zm9vYg",   "Zm9vYh==",
    };
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (decode(bytes, sizeof bytes, texts[i], strlen(texts[i])) != -1)
            fail_msg("accepted: %s", texts[i]);
    }
    assert_int_equal(decode(bytes, sizeof bytes, "AAA\0", 4), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_vectors_of_rfc_4648),
        cmocka_unit_test(reads_back_every_length_and_letter),
        cmocka_unit_test(refuses_every_other_byte_in_every_place),
        cmocka_unit_test(gives_each_value_exactly_one_text),
        cmocka_unit_test(refuses_what_is_not_strict),
    };
    guard_open(&in, 1000);
    guard_open(&room, 1000);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_close(&in);
    guard_close(&room);
    return failed;
}
