#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 128 };

typedef struct reader {
    arena *arena;
    const char *at;
    const char *end;
    int depth;
} reader;

static json *read_value(reader *in);

static void skip_space(reader *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static bool skip(reader *in, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

static bool is_digit(const reader *in)
{
    return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

static bool skip_digits(reader *in)
{
    if (!is_digit(in))
        return false;
    while (is_digit(in))
        in->at++;
    return true;
}

static bool read_number(reader *in, json *value)
{
    value->type = JSON_NUMBER;
    value->text = in->at;
    skip(in, "-");
    if (!skip(in, "0") && !skip_digits(in))
        return false;
    if (skip(in, ".") && !skip_digits(in))
        return false;
    if (skip(in, "e") || skip(in, "E")) {
        if (!skip(in, "+"))
            skip(in, "-");
        if (!skip_digits(in))
            return false;
    }
    value->length = (size_t)(in->at - value->text);
    return true;
}

static bool read_hex(reader *in, uint32_t *unit)
{
    *unit = 0;
    for (int digit = 0; digit < 4; digit++, in->at++) {
        if (in->at == in->end)
            return false;
        char c = *in->at;
        if (c >= '0' && c <= '9')
            *unit = *unit << 4 | (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            *unit = *unit << 4 | ((uint32_t)(c | 0x20) - 'a' + 10);
        else
            return false;
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | code >> (6 * more));
    while (more-- > 0)
        *to++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return to;
}

/* What stands behind a backslash. A surrogate without its partner is no character. */
static bool read_escape(reader *in, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end)
        return false;
    char c = *in->at++;
    const char *simple = c == '\0' ? NULL : strchr(from, c);
    if (simple != NULL) {
        *(*to)++ = into[simple - from];
        return true;
    }
    uint32_t code, low;
    if (c != 'u' || !read_hex(in, &code) || (code >= 0xdc00 && code < 0xe000))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!skip(in, "\\u") || !read_hex(in, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    *to = put_utf8(*to, code);
    return true;
}

/* Copies one character of UTF-8 (RFC 3629: shortest form, no surrogates, up to U+10FFFF). */
static bool read_character(reader *in, char **to)
{
    const unsigned char *at = (const unsigned char *)in->at;
    size_t left = (size_t)(in->end - in->at), length;
    uint32_t code, least;
    if (*at < 0x80)
        length = 1, code = *at, least = 0x20;
    else if (*at >= 0xc2 && *at < 0xe0)
        length = 2, code = *at & 0x1f, least = 0x80;
    else if (*at >= 0xe0 && *at < 0xf0)
        length = 3, code = *at & 0x0f, least = 0x800;
    else if (*at >= 0xf0 && *at < 0xf5)
        length = 4, code = *at & 0x07, least = 0x10000;
    else
        return false;
    if (left < length)
        return false;
    for (size_t next = 1; next < length; next++) {
        if ((at[next] & 0xc0) != 0x80)
            return false;
        code = code << 6 | (at[next] & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    memcpy(*to, in->at, length);
    *to += length;
    in->at += length;
    return true;
}

static bool read_string(reader *in, const char **text, size_t *length)
{
    if (!skip(in, "\""))
        return false;
    /* No escape is shorter than what it stands for. */
    const char *close = in->at;
    while (close < in->end && *close != '"')
        close += *close == '\\' && close + 1 < in->end ? 2 : 1;
    char *to = arena_take(in->arena, (size_t)(close - in->at) + 1);
    *text = to;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at == '\\') {
            in->at++;
            if (!read_escape(in, &to))
                return false;
        } else if (!read_character(in, &to)) {
            return false;
        }
    }
    *length = (size_t)(to - *text);
    *to = '\0';
    return skip(in, "\"");
}

static void remove_named(json *object, const json *like)
{
    for (json **at = &object->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->name_length == like->name_length && memcmp((*at)->name, like->name, like->name_length) == 0) {
            *at = (*at)->next;
            return;
        }
    }
}

/* Elements or members, up to the closing bracket. */
static bool read_items(reader *in, json *parent, const char *close)
{
    json **last = &parent->first;
    skip_space(in);
    if (skip(in, close))
        return true;
    do {
        const char *name = "";
        size_t name_length = 0;
        if (parent->type == JSON_OBJECT) {
            skip_space(in);
            if (!read_string(in, &name, &name_length))
                return false;
            skip_space(in);
            if (!skip(in, ":"))
                return false;
        }
        json *item = read_value(in);
        if (item == NULL)
            return false;
        item->name = name;
        item->name_length = name_length;
        if (parent->type == JSON_OBJECT) {
            remove_named(parent, item);
            for (last = &parent->first; *last != NULL; last = &(*last)->next)
                continue;
        }
        *last = item;
        last = &item->next;
        skip_space(in);
    } while (skip(in, ","));
    return skip(in, close);
}

static json *read_value(reader *in)
{
    skip_space(in);
    json *value = arena_take(in->arena, sizeof *value);
    *value = (json){.type = JSON_NULL, .text = "", .name = ""};
    bool good;
    if (in->at == in->end || ++in->depth > MAX_DEPTH)
        return NULL;
    switch (*in->at) {
    case '"':
        value->type = JSON_STRING;
        good = read_string(in, &value->text, &value->length);
        break;
    case '[':
        in->at++;
        value->type = JSON_ARRAY;
        good = read_items(in, value, "]");
        break;
    case '{':
        in->at++;
        value->type = JSON_OBJECT;
        good = read_items(in, value, "}");
        break;
    case 't':
        value->type = JSON_BOOL;
        value->truth = true;
        good = skip(in, "true");
        break;
    case 'f':
        value->type = JSON_BOOL;
        good = skip(in, "false");
        break;
    case 'n':
        good = skip(in, "null");
        break;
    default:
        good = read_number(in, value);
    }
    in->depth--;
    return good ? value : NULL;
}

json *json_parse(arena *arena, const char *text, size_t length)
{
    reader in = {arena, text, text + length, 0};
    json *value = read_value(&in);
    skip_space(&in);
    return in.at == in.end ? value : NULL;
}

json *json_member(const json *object, const char *name)
{
    if (object->type != JSON_OBJECT)
        return NULL;
    for (json *member = object->first; member != NULL; member = member->next)
        if (member->name_length == strlen(name) && memcmp(member->name, name, member->name_length) == 0)
            return member;
    return NULL;
}

static bool is_integer(const json *value)
{
    if (value->type != JSON_NUMBER || memchr(value->text, '.', value->length) != NULL ||
        memchr(value->text, 'e', value->length) != NULL || memchr(value->text, 'E', value->length) != NULL)
        return false;
    /* -0 is a floating-point number. */
    return !(value->length == 2 && memcmp(value->text, "-0", 2) == 0) && value->length < 24;
}

bool json_integer(const json *value, int64_t *integer)
{
    char digits[24] = {0};
    if (!is_integer(value))
        return false;
    memcpy(digits, value->text, value->length);
    errno = 0;
    *integer = strtoimax(digits, NULL, 10);
    return errno == 0;
}

bool json_unsigned(const json *value, uint64_t *integer)
{
    char digits[24] = {0};
    if (!is_integer(value) || value->text[0] == '-')
        return false;
    memcpy(digits, value->text, value->length);
    errno = 0;
    *integer = strtoumax(digits, NULL, 10);
    return errno == 0;
}

void json_write_string(FILE *out, const char *text, size_t length)
{
    putc('"', out);
    for (size_t at = 0; at < length; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            putc(c, out);
    }
    putc('"', out);
}

void json_write(FILE *out, const json *value)
{
    const char *comma = "";
    switch (value->type) {
    case JSON_NULL:
        fputs("null", out);
        break;
    case JSON_BOOL:
        fputs(value->truth ? "true" : "false", out);
        break;
    case JSON_NUMBER:
        fwrite(value->text, 1, value->length, out);
        break;
    case JSON_STRING:
        json_write_string(out, value->text, value->length);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        putc(value->type == JSON_ARRAY ? '[' : '{', out);
        for (const json *item = value->first; item != NULL; item = item->next) {
            fputs(comma, out);
            comma = ",";
            if (value->type == JSON_OBJECT) {
                json_write_string(out, item->name, item->name_length);
                putc(':', out);
            }
            json_write(out, item);
        }
        putc(value->type == JSON_ARRAY ? ']' : '}', out);
    }
}
