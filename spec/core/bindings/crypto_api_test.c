/* crypto_api_test.c -- commands get keys and signatures, or one line that says why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lualib.h>
#include <openssl/err.h>

#include "bindings/crypto_api.h"
#include "signing.h"

static char folder[] = "/tmp/hookward-crypto-XXXXXX";
static lua_State *L;

/* Runs Lua that has the globals `crypto`, `folder`, write(name, text) -> path, and
 * same(got, expected). */
static void run(const char *code)
{
    int top = lua_gettop(L);
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_settop(L, top);
    assert_int_equal(ERR_peek_error(), 0);
}

static void signs_and_verifies_with_a_key_it_made(void **state)
{
    (void)state;
    run("local private, public = crypto.keygen(2048)\n"
        "assert(private:match '^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\\n')\n"
        "assert(public:match '^%-%-%-%-%-BEGIN PUBLIC KEY%-%-%-%-%-\\n')\n"
        "local paths = { write('made.pem', public) }\n"
        "local body = 'a\\0b'\n"
        "local signature = assert(crypto.sign(private, body))\n"
        "same(#signature, 344)\n"
        "same(crypto.verify(paths, 2048, body, signature), 'made.pem')\n"
        "same(crypto.diagnose(paths, 2048, body, signature)[1],\n"
        "  'it verifies as it is, with key made.pem')\n"
        "local key = assert(crypto.keys(paths, 2048))\n"
        "same(#key, 1) same(key[1].name, 'made.pem') same(key[1].form, 'PEM')\n"
        "same(key[1].bits, 2048) assert(key[1].fingerprint:match('^' .. ('%x'):rep(64) .. '$'))\n");
}

static void recognises_the_text_of_a_public_key(void **state)
{
    (void)state;
    run("local private, public = crypto.keygen(2048)\n"
        "local file = assert(crypto.keys({ write('made.pem', public) }, 2048))[1]\n"
        "local key = assert(crypto.key(public, 2048))\n"
        "same(key.form, 'PEM') same(key.bits, 2048) same(key.fingerprint, file.fingerprint)\n"
        "same(key.name, nil)\n"
        "local bare = public:gsub('%-%-%-%-%-.-%-%-%-%-%-', ''):gsub('\\n', '')\n"
        "same(assert(crypto.key(bare, 2048)).fingerprint, file.fingerprint)\n"
        "for text, expected in pairs {\n"
        "  [''] = 'it is empty', ['hello'] = 'no known form', [ec] = 'private key',\n"
        "  [private] = 'this is a private key', [('x'):rep(64 * 1024 + 1)] = 'larger than',\n"
        "} do\n"
        "  local none, why = crypto.key(text, 2048)\n"
        "  same(none, nil) assert(why:find(expected, 1, true) and not why:find '\\n', why)\n"
        "end\n"
        "same(select(2, crypto.key(public, 3072)), '2048 bits, fewer than min_key_bits (3072)')\n");
}

static void says_why_it_does_not_verify(void **state)
{
    (void)state;
    run("local function fails(expected_code, expected, ...)\n"
        "  local name, code, message = crypto.verify(...)\n"
        "  same(name, nil) same(code, expected_code)\n"
        "  assert(message:find(expected, 1, true), message)\n"
        "end\n"
        "local paths = { folder .. '/public.pem' }\n"
        "local signature = crypto.sign(private, 'body')\n"
        "fails('invalid_signature', 'does not match', paths, 2048, 'other', signature)\n"
        "fails('malformed_signature', 'Base64', paths, 2048, 'body', signature .. ' ')\n"
        "fails('failed', 'public.pem: 2048 bits, fewer', paths, 3072, 'body', signature)\n"
        "fails('failed', folder .. '/none: No such file', { folder .. '/none' }, 2048, '', '')\n"
        "fails('failed', 'no key file', {}, 2048, '', '')\n"
        "local lines = crypto.diagnose(paths, 2048, 'body', signature .. ' ')\n"
        "same(#lines, 1) assert(lines[1]:find 'white space', lines[1])\n"
        "local result, why = crypto.diagnose({ folder .. '/none' }, 2048, '', '')\n"
        "same(result, nil) assert(why:find 'No such file')\n"
        "result, why = crypto.keys({ folder .. '/none' }, 2048)\n"
        "same(result, nil) assert(why:find 'No such file')\n");
}

static void diagnoses_one_line_for_each_key(void **state)
{
    (void)state;
    run("local _, second = crypto.keygen(2048)\n"
        "local paths = { folder .. '/public.pem', write('second.pem', second) }\n"
        "local lines = crypto.diagnose(paths, 2048, 'body', 'AAAA')\n"
        "same(#lines, 2)\n"
        "assert(lines[1]:find('key public.pem', 1, true) and\n"
        "  lines[2]:find('key second.pem', 1, true))\n");
}

static void signs_with_every_form_of_a_private_key(void **state)
{
    (void)state;
    run("local expected = crypto.sign(private, 'body')\n"
        "for name, text in pairs(forms) do\n"
        "  local signature, why = crypto.sign(text, 'body')\n"
        "  assert(signature == expected, name .. ': ' .. tostring(why))\n"
        "end\n");
}

static void writes_the_public_half_in_three_forms(void **state)
{
    (void)state;
    run("local private, public = crypto.keygen(2048)\n"
        "same(crypto.public_key(private, 'pem'), public)\n"
        "local expected = crypto.key(public, 2048).fingerprint\n"
        "for form, begins in pairs { der = '^MIIB[%w+/]+=*$',\n"
        "  xml = '^<RSAKeyValue><Modulus>[%w+/]+=*</Modulus><Exponent>AQAB</Exponent>' } do\n"
        "  local text = crypto.public_key(private, form)\n"
        "  assert(text:find(begins), text)\n"
        "  same(assert(crypto.key(text, 2048)).fingerprint, expected)\n"
        "end\n"
        "for _, text in ipairs { '', 'x', public, ec } do\n"
        "  local none, why = crypto.public_key(text, 'xml')\n"
        "  same(none, nil) assert(not why:find '\\n', why)\n"
        "end\n"
        "assert(not pcall(crypto.public_key, private, 'jwk'))\n");
}

static void refuses_to_sign_with_anything_else(void **state)
{
    (void)state;
    run("local function fails(text, expected)\n"
        "  local signature, why = crypto.sign(text, 'body')\n"
        "  same(signature, nil)\n"
        "  assert(why:find(expected, 1, true) and not why:find '\\n', why)\n"
        "end\n"
        "fails('', 'not a private key')\n"
        "fails(('x'):rep(70000), 'larger than a private key may be')\n"
        "fails(io.open(folder .. '/public.pem'):read 'a', 'this is a public key')\n"
        "fails(encrypted, 'is encrypted; decrypt it first')\n"
        "fails(ec, 'not an RSA key')\n"
        "fails('<RSAKeyValue></RSAKeyValue>', 'not a complete private RSA key')\n"
        "fails(forms.xml:gsub('<D>.-</D>', ''), 'not a complete private RSA key')\n"
        "fails(private:sub(1, 300), 'not a private key')\n");
}

static void keeps_to_the_sizes_of_keys(void **state)
{
    (void)state;
    run("for _, bits in ipairs { 2047, 0, -1, 16385 } do\n"
        "  local private, why = crypto.keygen(bits)\n"
        "  same(private, nil) same(why, 'a key has 2048 to 16384 bits')\n"
        "end\n");
}

static void hashes_and_numbers(void **state)
{
    (void)state;
    run("same(crypto.sha256 'abc',\n"
        "  'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')\n"
        "same(crypto.sha256 '',\n"
        "  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')\n"
        "local seen, x = {}, '%x'\n"
        "for _ = 1, 200 do\n"
        "  local uuid = crypto.uuid()\n"
        "  assert(uuid:match('^' .. x:rep(8) .. '%-' .. x:rep(4) .. '%-4' .. x:rep(3) ..\n"
        "    '%-[89ab]' .. x:rep(3) .. '%-' .. x:rep(12) .. '$'), uuid)\n"
        "  assert(not seen[uuid])\n"
        "  seen[uuid] = true\n"
        "end\n");
}

static void raises_for_misuse(void **state)
{
    (void)state;
    run("for _, misuse in ipairs {\n"
        "  function() crypto.keys('x', 2048) end,\n"
        "  function() crypto.keys({ {} }, 2048) end,\n"
        "  function() crypto.keys({ 1 }, 2048) end,\n"
        "  function() crypto.keys { 'x' } end,\n"
        "  function() crypto.key 'x' end,\n"
        "  function() crypto.key({}, 2048) end,\n"
        "  function() crypto.verify({ folder .. '/public.pem' }, 2048, 'body') end,\n"
        "  function() crypto.sign 'x' end,\n"
        "  function() crypto.keygen 'many' end,\n"
        "  function() crypto.sha256() end,\n"
        "} do assert(not pcall(misuse)) end\n");
}

/* ---- what the Lua code uses ---- */

static int same(lua_State *state)
{
    luaL_checkany(state, 2);
    if (lua_compare(state, 1, 2, LUA_OPEQ))
        return 0;
    return luaL_error(state, "%s, not %s", luaL_tolstring(state, 1, NULL),
                      luaL_tolstring(state, 2, NULL));
}

static int write_file(lua_State *state)
{
    size_t len;
    const char *name = luaL_checkstring(state, 1), *text = luaL_checklstring(state, 2, &len);
    const char *path = lua_pushfstring(state, "%s/%s", folder, name);
    signing_write_file(path, text, len);
    return 1;
}

/* Sets the global `name` to what was written to `bio`. */
static void set_bio(const char *name, BIO *bio)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    lua_pushlstring(L, text, (size_t)len);
    lua_setglobal(L, name);
    BIO_free(bio);
}

static void add_xml_number(luaL_Buffer *xml, EVP_PKEY *key, const char *element, const char *name)
{
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    char text[SIGNING_TEXT_MAX];
    assert_true(EVP_PKEY_get_bn_param(key, name, &number));
    signing_base64(text, bytes, (size_t)BN_bn2bin(number, bytes));
    BN_clear_free(number);
    lua_pushfstring(L, "\r\n <%s>%s</%s>", element, text, element);
    luaL_addvalue(xml);
}

static void set_xml(EVP_PKEY *key)
{
    static const char *const numbers[][2] = {
        {"Modulus", "n"},
        {"Exponent", "e"},
        {"P", "rsa-factor1"},
        {"Q", "rsa-factor2"},
        {"DP", "rsa-exponent1"},
        {"DQ", "rsa-exponent2"},
        {"InverseQ", "rsa-coefficient1"},
        {"D", "d"},
    };
    luaL_Buffer xml;
    luaL_buffinit(L, &xml);
    luaL_addstring(&xml, "<RSAKeyValue>");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        add_xml_number(&xml, key, numbers[i][0], numbers[i][1]);
    luaL_addstring(&xml, "\r\n</RSAKeyValue>");
    luaL_pushresult(&xml);
    lua_setglobal(L, "xml");
}

static void set_keys(EVP_PKEY *key, EVP_PKEY *ec)
{
    BIO *pkcs8 = BIO_new(BIO_s_mem()), *pkcs1 = BIO_new(BIO_s_mem());
    BIO *encrypted = BIO_new(BIO_s_mem()), *other = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(pkcs8, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_PrivateKey_traditional(pkcs1, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_PKCS8PrivateKey(encrypted, key, EVP_aes_128_cbc(), "x", 1, NULL, NULL);
    PEM_write_bio_PKCS8PrivateKey(other, ec, NULL, NULL, 0, NULL, NULL);
    set_bio("private", pkcs8);
    set_bio("pkcs1", pkcs1);
    set_bio("encrypted", encrypted);
    set_bio("ec", other);
    set_xml(key);
}

static int set_up(void **state)
{
    (void)state;
    char path[100];
    EVP_PKEY *key = signing_make_key(2048, 65537), *ec = EVP_EC_gen("P-256");
    L = luaL_newstate();
    if (!L || !key || !ec || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/public.pem", folder);
    signing_write_public(path, key);
    luaL_openlibs(L);
    hw_crypto_push_api(L);
    lua_setglobal(L, "crypto");
    lua_pushstring(L, folder);
    lua_setglobal(L, "folder");
    lua_register(L, "same", same);
    lua_register(L, "write", write_file);
    set_keys(key, ec);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ec);
    return luaL_dostring(L, "forms = { pkcs8 = private, pkcs1 = pkcs1, xml = xml,\n"
                            "  bom = '\\xef\\xbb\\xbf' .. private,\n"
                            "  utf16 = '\\xff\\xfe' .. private:gsub('.', '%0\\0'),\n"
                            "  crlf = private:gsub('\\n', '\\r\\n'),\n"
                            "  text = 'Bag Attributes\\n' .. pkcs1 .. 'the end' }\n");
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    lua_close(L);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies_with_a_key_it_made),
        cmocka_unit_test(recognises_the_text_of_a_public_key),
        cmocka_unit_test(says_why_it_does_not_verify),
        cmocka_unit_test(diagnoses_one_line_for_each_key),
        cmocka_unit_test(signs_with_every_form_of_a_private_key),
        cmocka_unit_test(writes_the_public_half_in_three_forms),
        cmocka_unit_test(refuses_to_sign_with_anything_else),
        cmocka_unit_test(keeps_to_the_sizes_of_keys),
        cmocka_unit_test(hashes_and_numbers),
        cmocka_unit_test(raises_for_misuse),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
