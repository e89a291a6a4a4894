/* Reading arguments, strictly: a member that is not asked for is as wrong as one that can't be read. Whatever is wrong
 * is remembered, so that an operation asks for all it wants, and then once, by `arguments_end`, whether it was good. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <inspire_auth.h>

#include "json.h"

typedef struct arguments {
    arena *arena;
    json *object;
    bool wrong;
} arguments;

/* Whether every argument could be read, and none is left. */
bool arguments_end(arguments *arguments);

/* The member as it stands; NULL when it is absent. */
json *argument_raw(arguments *arguments, const char *name);
/* The same, but null is as absent. */
json *argument_optional(arguments *arguments, const char *name);

/* Strings, or the bytes of {"b64": "..."}. An optional one that is absent is {NULL, 0}; others are never NULL. */
inspire_str argument_bytes(arguments *arguments, const char *name);
inspire_str argument_bytes_or_none(arguments *arguments, const char *name);
bool bytes_of(arguments *arguments, const json *value, inspire_str *bytes);

bool argument_flag(arguments *arguments, const char *name, bool otherwise);
int64_t argument_integer(arguments *arguments, const char *name, int64_t otherwise);
int64_t argument_required_integer(arguments *arguments, const char *name);
uint64_t argument_unsigned(arguments *arguments, const char *name, uint64_t otherwise);
uint64_t argument_required_unsigned(arguments *arguments, const char *name);
/* Above 0, which is the default: it is what an absent one gives, and can't be asked for. */
uint64_t argument_positive_or_default(arguments *arguments, const char *name);
/* Unix seconds; INSPIRE_NEVER when null. No key can expire at 0, and C has no way to say it. */
int64_t time_of(arguments *arguments, const json *value);

typedef struct strings {
    const inspire_str *items;
    size_t count;
} strings;

strings argument_strings(arguments *arguments, const char *name);
strings strings_of(arguments *arguments, const json *value);

/* {"any": [...]} or {"all": [...]}; the kind is INSPIRE_REQUIRE_NONE when it is absent. */
inspire_requirement_spec argument_requirement(arguments *arguments, const char *name);

/* The list `trusted_keys`. */
void argument_trusted_keys(arguments *arguments, const inspire_trusted_key **keys, size_t *count);

/* Whether a string is this word. */
bool is(inspire_str text, const char *word);

#endif
