/* Opening and closing, and who acts. */
#include <stdlib.h>

#include "driver.h"

static void *grown(void *items, size_t count, size_t size)
{
    void *more = realloc(items, (count + 1) * size);
    if (more == NULL)
        abort();
    return more;
}

uint64_t keep_handle(handles *handles, inspire_auth *auth)
{
    handles->open = grown(handles->open, handles->open_count, sizeof *handles->open);
    handles->open[handles->open_count].number = ++handles->last;
    handles->open[handles->open_count++].auth = auth;
    return handles->last;
}

uint64_t keep_principal(handles *handles, const inspire_principal *principal)
{
    handles->kept = grown(handles->kept, handles->kept_count, sizeof *handles->kept);
    handles->kept[handles->kept_count].number = ++handles->last;
    handles->kept[handles->kept_count++].principal = *principal;
    return handles->last;
}

uint64_t keep_routes(handles *handles, inspire_routes *routes)
{
    handles->tables = grown(handles->tables, handles->table_count, sizeof *handles->tables);
    handles->tables[handles->table_count].number = ++handles->last;
    handles->tables[handles->table_count++].routes = routes;
    return handles->last;
}

const inspire_routes *routes_of(handles *handles, arguments *arguments)
{
    if (argument_optional(arguments, "routes") == NULL)
        return NULL;
    uint64_t number = argument_unsigned(arguments, "routes", 0);
    for (size_t at = 0; at < handles->table_count; at++)
        if (handles->tables[at].number == number)
            return handles->tables[at].routes;
    arguments->wrong = true;
    return NULL;
}

inspire_auth *open_handle(handles *handles, arguments *arguments)
{
    uint64_t number = argument_required_unsigned(arguments, "handle");
    for (size_t at = 0; at < handles->open_count; at++)
        if (handles->open[at].number == number)
            return handles->open[at].auth;
    arguments->wrong = true;
    return NULL;
}

inspire_caller caller_of(handles *handles, arguments *arguments)
{
    inspire_caller caller = INSPIRE_CALLER_INIT;
    caller.now = argument_integer(arguments, "now", 0);
    caller.actor = INSPIRE_ACTOR_SYSTEM;
    if (argument_optional(arguments, "actor") == NULL)
        return caller;
    uint64_t number = argument_unsigned(arguments, "actor", 0);
    caller.actor = INSPIRE_ACTOR_PRINCIPAL;
    for (size_t at = 0; at < handles->kept_count; at++)
        if (handles->kept[at].number == number)
            caller.principal = &handles->kept[at].principal;
    arguments->wrong |= caller.principal == NULL;
    return caller;
}

static uint32_t positive(arguments *arguments, const char *name)
{
    uint64_t value = argument_required_unsigned(arguments, name);
    /* In C, 0 is the default: a zero can't be asked for. */
    arguments->wrong |= value == 0 || value > UINT32_MAX;
    return (uint32_t)value;
}

inspire_result open_store(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    options.store = argument_bytes(arguments, "store");
    argument_trusted_keys(arguments, &options.trusted_keys, &options.trusted_key_count);
    options.product = argument_bytes_or_none(arguments, "product");
    options.machine_id = argument_bytes_or_none(arguments, "machine_id");
    options.write_requirement = argument_requirement(arguments, "write_requirement");
    options.admin_requirement = argument_requirement(arguments, "admin_requirement");
    json *hash = argument_optional(arguments, "hash");
    if (hash != NULL) {
        struct arguments inner = {arguments->arena, hash, hash->type != JSON_OBJECT};
        options.hash_memory_kib = positive(&inner, "m");
        options.hash_iterations = positive(&inner, "t");
        options.hash_parallelism = positive(&inner, "p");
        arguments->wrong |= !arguments_end(&inner);
    }
    options.max_hash_memory = argument_positive_or_default(arguments, "max_hash_memory");
    options.max_lease = argument_positive_or_default(arguments, "max_lease");
    inspire_str mode = argument_bytes_or_none(arguments, "mode");
    if (mode.data != NULL && !is(mode, "default")) {
        options.level_mode = INSPIRE_LEVEL_MODE_IGNITION;
        arguments->wrong |= !is(mode, "ignition");
    }
    if (argument_flag(arguments, "local_is_secure", false))
        options.flags |= INSPIRE_AUTH_LOCAL_IS_SECURE;
    if (argument_flag(arguments, "allow_unbound", false))
        options.flags |= INSPIRE_AUTH_ALLOW_UNBOUND;
    argument_audit_file(arguments, &options);
    inspire_server server;
    options.server = argument_server(arguments, &server);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;

    inspire_auth *auth = NULL;
    inspire_result result = inspire_auth_open(&options, &auth, NULL);
    if (result == INSPIRE_RESULT_OK)
        fprintf(out, ",\"handle\":%llu", (unsigned long long)keep_handle(handles, auth));
    return result;
}

inspire_result close_handle(handles *handles, arguments *arguments, FILE *out)
{
    (void)out;
    inspire_auth *auth = open_handle(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    for (size_t at = 0; at < handles->open_count; at++)
        if (handles->open[at].auth == auth)
            handles->open[at] = handles->open[--handles->open_count];
    inspire_auth_free(auth);
    return INSPIRE_RESULT_OK;
}
