/* The operations on API keys. */
#include <inttypes.h>

#include "driver.h"

static void write_flag(FILE *out, const char *name, bool truth)
{
    fprintf(out, ",\"%s\":%s", name, truth ? "true" : "false");
}

static void write_named_time(FILE *out, const char *name, int64_t at)
{
    fprintf(out, ",\"%s\":", name);
    write_time(out, at);
}

static void write_record(FILE *out, const inspire_key *key)
{
    fputs("{\"id\":", out);
    write_str(out, inspire_key_id(key));
    fputs(",\"type\":", out);
    write_str(out, inspire_key_type(key));
    fputs(",\"name\":", out);
    write_str(out, inspire_key_name(key));
    fputs(",\"description\":", out);
    write_str(out, inspire_key_description(key));
    fputs(",\"levels\":", out);
    write_list(out, inspire_key_levels(key));
    write_flag(out, "require_secure", inspire_key_require_secure(key));
    write_flag(out, "enabled", inspire_key_enabled(key));
    write_named_time(out, "created_at", inspire_key_created_at(key));
    write_named_time(out, "updated_at", inspire_key_updated_at(key));
    write_named_time(out, "expires_at", inspire_key_expires_at(key));
    write_named_time(out, "last_used_at", inspire_key_last_used_at(key));
    write_named_time(out, "overlap_ends_at", inspire_key_overlap_ends_at(key));
    fprintf(out, ",\"revision\":%" PRIu64, inspire_key_revision(key));
    fprintf(out, ",\"origin\":\"%s\"}",
            inspire_key_origin(key) == INSPIRE_ORIGIN_IMPORTED ? "imported" : "generated");
}

/* The output is passed by its address: what it holds is known only once the call, an argument too, has returned. */
static inspire_result answer_key(inspire_result result, inspire_key *const *key, FILE *out)
{
    if (result == INSPIRE_RESULT_OK) {
        fputs(",\"record\":", out);
        write_record(out, *key);
    }
    inspire_key_free(*key);
    return result;
}

static inspire_result answer_created(inspire_result result, inspire_created_key *const *created, FILE *out)
{
    if (result == INSPIRE_RESULT_OK) {
        fputs(",\"record\":", out);
        write_record(out, inspire_created_key_record(*created));
        fputs(",\"key\":", out);
        write_str(out, inspire_created_key_secret(*created));
    }
    inspire_created_key_free(*created);
    return result;
}

static inspire_key_spec spec_of(arguments *arguments)
{
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    spec.name = argument_bytes(arguments, "name");
    spec.description = argument_bytes_or_none(arguments, "description");
    strings levels = argument_strings(arguments, "levels");
    spec.levels = levels.items;
    spec.level_count = levels.count;
    if (!argument_flag(arguments, "require_secure", true))
        spec.flags |= INSPIRE_KEY_ALLOW_INSECURE;
    spec.expires_at = time_of(arguments, argument_optional(arguments, "expires_at"));
    return spec;
}

inspire_result keys_create(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_key_spec spec = spec_of(arguments);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_created_key *created = NULL;
    return answer_created(inspire_key_create(auth, &spec, &caller, &created, NULL), &created, out);
}

/* `spec` is what the import points to. */
static inspire_import import_of(arguments *arguments, inspire_key_spec *spec)
{
    inspire_str format = argument_bytes(arguments, "format");
    inspire_str strength = argument_bytes_or_none(arguments, "strength");
    inspire_import import = {spec, argument_bytes(arguments, "hash"), 0, INSPIRE_STRENGTH_CHOSEN};
    *spec = spec_of(arguments);
    arguments->wrong |= !is(format, "phc") && !is(format, "ignition");
    arguments->wrong |= strength.data != NULL && !is(strength, "chosen") && !is(strength, "random");
    import.format = is(format, "phc") ? INSPIRE_HASH_PHC : INSPIRE_HASH_IGNITION;
    if (strength.data != NULL && is(strength, "random"))
        import.strength = INSPIRE_STRENGTH_RANDOM;
    return import;
}

inspire_result keys_import(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_key_spec spec;
    inspire_import import = import_of(arguments, &spec);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_key *key = NULL;
    return answer_key(
        inspire_key_import(auth, &spec, import.format, import.hash, import.strength, &caller, &key, NULL), &key, out);
}

inspire_result keys_import_all(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    json *list = argument_optional(arguments, "imports");
    if (list == NULL || list->type != JSON_ARRAY)
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    size_t count = 0;
    for (const json *item = list->first; item != NULL; item = item->next)
        ++count;
    inspire_import *imports = arena_take(arguments->arena, count * sizeof *imports);
    inspire_key_spec *specs = arena_take(arguments->arena, count * sizeof *specs);
    size_t at = 0;
    for (json *item = list->first; item != NULL; item = item->next, ++at) {
        struct arguments inner = {arguments->arena, item, item->type != JSON_OBJECT};
        imports[at] = import_of(&inner, &specs[at]);
        arguments->wrong |= !arguments_end(&inner);
    }
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    uint64_t imported = 0;
    inspire_result result = inspire_key_import_all(auth, imports, count, &caller, &imported, NULL);
    if (result == INSPIRE_RESULT_OK)
        fprintf(out, ",\"count\":%" PRIu64, imported);
    return result;
}

inspire_result keys_get(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_key *key = NULL;
    return answer_key(inspire_key_get(auth, name, &key, NULL), &key, out);
}

inspire_result keys_list(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_keys *keys = NULL;
    inspire_result result = inspire_key_list(auth, NULL, &keys, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    fputs(",\"records\":[", out);
    for (size_t at = 0; at < inspire_keys_count(keys); at++) {
        if (at > 0)
            putc(',', out);
        write_record(out, inspire_keys_at(keys, at));
    }
    putc(']', out);
    inspire_keys_free(keys);
    return result;
}

inspire_result keys_update(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    uint64_t revision = argument_required_unsigned(arguments, "revision");
    inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
    changes.description = argument_bytes_or_none(arguments, "description");
    if (changes.description.data != NULL)
        changes.set |= INSPIRE_SET_DESCRIPTION;
    if (argument_optional(arguments, "levels") != NULL) {
        strings levels = argument_strings(arguments, "levels");
        changes.levels = levels.items;
        changes.level_count = levels.count;
        changes.set |= INSPIRE_SET_LEVELS;
    }
    if (argument_optional(arguments, "require_secure") != NULL) {
        changes.require_secure = argument_flag(arguments, "require_secure", true);
        changes.set |= INSPIRE_SET_REQUIRE_SECURE;
    }
    if (argument_optional(arguments, "enabled") != NULL) {
        changes.enabled = argument_flag(arguments, "enabled", true);
        changes.set |= INSPIRE_SET_ENABLED;
    }
    /* Here alone null says something: it clears. */
    const json *expires_at = argument_raw(arguments, "expires_at");
    if (expires_at != NULL) {
        changes.expires_at = time_of(arguments, expires_at);
        changes.set |= INSPIRE_SET_EXPIRES_AT;
    }
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_key *key = NULL;
    return answer_key(inspire_key_update(auth, name, revision, &changes, &caller, &key, NULL), &key, out);
}

inspire_result keys_rename(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name"), new_name = argument_bytes(arguments, "new_name");
    uint64_t revision = argument_unsigned(arguments, "revision", INSPIRE_REVISION_ANY);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_key *key = NULL;
    return answer_key(inspire_key_rename(auth, name, new_name, revision, &caller, &key, NULL), &key, out);
}

inspire_result keys_duplicate(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name"), new_name = argument_bytes(arguments, "new_name");
    uint64_t revision = argument_unsigned(arguments, "revision", INSPIRE_REVISION_ANY);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_created_key *created = NULL;
    return answer_created(inspire_key_duplicate(auth, name, new_name, revision, &caller, &created, NULL), &created,
                          out);
}

inspire_result keys_rotate(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    uint64_t overlap = argument_required_unsigned(arguments, "overlap_seconds");
    uint64_t revision = argument_unsigned(arguments, "revision", INSPIRE_REVISION_ANY);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_created_key *created = NULL;
    return answer_created(inspire_key_rotate(auth, name, overlap, revision, &caller, &created, NULL), &created, out);
}

inspire_result keys_delete(handles *handles, arguments *arguments, FILE *out)
{
    (void)out;
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    uint64_t revision = argument_unsigned(arguments, "revision", INSPIRE_REVISION_ANY);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    return inspire_key_delete(auth, name, revision, &caller, NULL);
}
