#include "arguments.h"

#include <string.h>

bool arguments_end(arguments *arguments)
{
    for (const json *member = arguments->object->first; member != NULL; member = member->next)
        if (!member->taken)
            return false;
    return !arguments->wrong;
}

json *argument_raw(arguments *arguments, const char *name)
{
    json *member = json_member(arguments->object, name);
    if (member != NULL)
        member->taken = true;
    return member;
}

json *argument_optional(arguments *arguments, const char *name)
{
    json *member = argument_raw(arguments, name);
    return member != NULL && member->type != JSON_NULL ? member : NULL;
}

/* Base64 of RFC 4648, section 4: padded, canonical. */
static bool decode_base64(arguments *arguments, const json *encoded, inspire_str *bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (encoded->length % 4 != 0)
        return false;
    char *to = arena_take(arguments->arena, encoded->length / 4 * 3 + 1);
    bytes->data = to;
    for (size_t at = 0; at < encoded->length; at += 4) {
        const char *four = encoded->text + at;
        size_t padding = at + 4 < encoded->length || four[3] != '=' ? 0 : four[2] == '=' ? 2 : 1;
        uint32_t group = 0;
        for (size_t digit = 0; digit < 4; digit++) {
            const char *found = digit < 4 - padding && four[digit] != '\0' ? strchr(alphabet, four[digit]) : NULL;
            if (found == NULL && digit < 4 - padding)
                return false;
            group = group << 6 | (found == NULL ? 0 : (uint32_t)(found - alphabet));
        }
        if ((group & ((1u << (8 * padding)) - 1)) != 0)
            return false;
        for (size_t byte = 0; byte < 3 - padding; byte++)
            *to++ = (char)(group >> (16 - 8 * byte));
    }
    bytes->len = (size_t)(to - bytes->data);
    return true;
}

bool bytes_of(arguments *arguments, const json *value, inspire_str *bytes)
{
    if (value->type == JSON_STRING) {
        bytes->data = value->text;
        bytes->len = value->length;
        return true;
    }
    const json *encoded = json_member(value, "b64");
    if (encoded != NULL && encoded->type == JSON_STRING && value->first == encoded && encoded->next == NULL &&
        decode_base64(arguments, encoded, bytes))
        return true;
    *bytes = INSPIRE_STR("");
    arguments->wrong = true;
    return false;
}

inspire_str argument_bytes_or_none(arguments *arguments, const char *name)
{
    inspire_str bytes = {NULL, 0};
    const json *value = argument_optional(arguments, name);
    if (value != NULL)
        bytes_of(arguments, value, &bytes);
    return bytes;
}

inspire_str argument_bytes(arguments *arguments, const char *name)
{
    inspire_str bytes = argument_bytes_or_none(arguments, name);
    if (bytes.data == NULL) {
        arguments->wrong = true;
        return INSPIRE_STR("");
    }
    return bytes;
}

bool argument_flag(arguments *arguments, const char *name, bool otherwise)
{
    const json *value = argument_optional(arguments, name);
    if (value == NULL)
        return otherwise;
    arguments->wrong |= value->type != JSON_BOOL;
    return value->truth;
}

int64_t argument_integer(arguments *arguments, const char *name, int64_t otherwise)
{
    const json *value = argument_optional(arguments, name);
    int64_t integer = otherwise;
    if (value != NULL && !json_integer(value, &integer))
        arguments->wrong = true;
    return integer;
}

int64_t argument_required_integer(arguments *arguments, const char *name)
{
    const json *value = json_member(arguments->object, name);
    arguments->wrong |= value == NULL || value->type == JSON_NULL;
    return argument_integer(arguments, name, 0);
}

uint64_t argument_unsigned(arguments *arguments, const char *name, uint64_t otherwise)
{
    const json *value = argument_optional(arguments, name);
    uint64_t integer = otherwise;
    if (value != NULL && !json_unsigned(value, &integer))
        arguments->wrong = true;
    return integer;
}

uint64_t argument_required_unsigned(arguments *arguments, const char *name)
{
    const json *value = json_member(arguments->object, name);
    arguments->wrong |= value == NULL || value->type == JSON_NULL;
    return argument_unsigned(arguments, name, 0);
}

uint64_t argument_positive_or_default(arguments *arguments, const char *name)
{
    if (argument_optional(arguments, name) == NULL)
        return 0;
    uint64_t value = argument_unsigned(arguments, name, 0);
    arguments->wrong |= value == 0;
    return value;
}

int64_t time_of(arguments *arguments, const json *value)
{
    int64_t at;
    if (value == NULL || value->type == JSON_NULL)
        return INSPIRE_NEVER;
    if (!json_integer(value, &at) || at == 0 || at == INSPIRE_NEVER) {
        arguments->wrong = true;
        return INSPIRE_NEVER;
    }
    return at;
}

strings strings_of(arguments *arguments, const json *value)
{
    strings list = {NULL, 0};
    if (value == NULL || value->type != JSON_ARRAY) {
        arguments->wrong = true;
        return list;
    }
    for (const json *item = value->first; item != NULL; item = item->next)
        list.count++;
    inspire_str *items = arena_take(arguments->arena, list.count * sizeof *items);
    size_t at = 0;
    for (const json *item = value->first; item != NULL; item = item->next)
        bytes_of(arguments, item, &items[at++]);
    list.items = items;
    return list;
}

strings argument_strings(arguments *arguments, const char *name)
{
    return strings_of(arguments, argument_optional(arguments, name));
}

inspire_requirement_spec argument_requirement(arguments *arguments, const char *name)
{
    inspire_requirement_spec spec = {INSPIRE_REQUIRE_NONE, NULL, 0};
    json *value = argument_optional(arguments, name);
    if (value == NULL)
        return spec;
    struct arguments inner = {arguments->arena, value, value->type != JSON_OBJECT};
    const json *any = argument_optional(&inner, "any"), *all = argument_optional(&inner, "all");
    inner.wrong |= (any == NULL) == (all == NULL);
    strings levels = strings_of(&inner, any != NULL ? any : all);
    spec.kind = any != NULL ? INSPIRE_REQUIRE_ANY : INSPIRE_REQUIRE_ALL;
    spec.levels = levels.items;
    spec.level_count = levels.count;
    arguments->wrong |= !arguments_end(&inner);
    return spec;
}

void argument_trusted_keys(arguments *arguments, const inspire_trusted_key **keys, size_t *count)
{
    json *list = argument_optional(arguments, "trusted_keys");
    *keys = NULL;
    *count = 0;
    if (list == NULL || list->type != JSON_ARRAY) {
        arguments->wrong = true;
        return;
    }
    for (const json *item = list->first; item != NULL; item = item->next)
        ++*count;
    inspire_trusted_key *to = arena_take(arguments->arena, *count * sizeof *to);
    *keys = to;
    for (json *item = list->first; item != NULL; item = item->next, to++) {
        struct arguments inner = {arguments->arena, item, item->type != JSON_OBJECT};
        to->id = argument_bytes(&inner, "id");
        to->public_key = argument_bytes(&inner, "public_key");
        to->not_after = 0;
        arguments->wrong |= !arguments_end(&inner);
    }
}

bool is(inspire_str text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}
