/* Just enough JSON (RFC 8259) for one request a line: strict, bounded in depth, numbers as they are written. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "arena.h"

typedef enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json {
    json_type type;
    bool truth;
    /* Of a member: whether somebody has asked for it. */
    bool taken;
    /* A string's bytes (UTF-8, NUL allowed inside), or a number's digits. Never NULL. */
    const char *text;
    size_t length;
    /* Of a member: its name. */
    const char *name;
    size_t name_length;
    /* The first element or member, and the next beside this one. */
    struct json *first;
    struct json *next;
} json;

/* Reads one value and nothing behind it; NULL when the text is not one. Of members with one name, the last counts. */
json *json_parse(arena *arena, const char *text, size_t length);

/* The member of this name; NULL when there is none, or `object` is no object. */
json *json_member(const json *object, const char *name);

/* Whether `value` is an integer that fits. */
bool json_integer(const json *value, int64_t *integer);
bool json_unsigned(const json *value, uint64_t *integer);

/* Writes a value as it was read. */
void json_write(FILE *out, const json *value);
void json_write_string(FILE *out, const char *text, size_t length);

#endif
