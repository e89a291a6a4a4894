/* The decision about one request. */
#include "driver.h"

static const inspire_header *headers_of(arguments *arguments, size_t *count)
{
    const json *list = argument_optional(arguments, "headers");
    *count = 0;
    if (list == NULL || list->type != JSON_ARRAY) {
        arguments->wrong = true;
        return NULL;
    }
    for (const json *pair = list->first; pair != NULL; pair = pair->next)
        ++*count;
    inspire_header *headers = arena_take(arguments->arena, *count * sizeof *headers);
    inspire_header *to = headers;
    for (const json *pair = list->first; pair != NULL; pair = pair->next, to++) {
        strings both = strings_of(arguments, pair);
        if (both.count != 2) {
            arguments->wrong = true;
            return NULL;
        }
        to->name = both.items[0];
        to->value = both.items[1];
    }
    return headers;
}

uint32_t channel_of(arguments *arguments, const char *name)
{
    inspire_str channel = argument_bytes(arguments, name);
    if (is(channel, "secure"))
        return INSPIRE_CHANNEL_SECURE;
    if (is(channel, "local"))
        return INSPIRE_CHANNEL_LOCAL;
    arguments->wrong |= !is(channel, "plain");
    return INSPIRE_CHANNEL_PLAIN;
}

static void write_decision(FILE *out, const inspire_auth *auth, inspire_result result)
{
    fputs(",\"http\":", out);
    if (inspire_result_http_status(result) == 0)
        fputs("null", out);
    else
        fprintf(out, "%u", (unsigned)inspire_auth_http_status(auth, result));
    fputs(",\"challenge\":", out);
    write_str(out, inspire_auth_challenge(auth, result));
    fputs(",\"principal\":", out);
}

inspire_result authenticate(handles *handles, arguments *arguments, FILE *out)
{
    static const inspire_str any_key = {"Authenticated", 13};
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_request request = INSPIRE_REQUEST_INIT;
    request.headers = headers_of(arguments, &request.header_count);
    request.channel = channel_of(arguments, "channel");
    request.routes = routes_of(handles, arguments);
    inspire_requirement_spec spec = {INSPIRE_REQUIRE_NONE, NULL, 0};
    if (request.routes != NULL) {
        /* They say what is required: `require` and `entitlement` are members that nobody asks for. */
        request.method = argument_bytes(arguments, "method");
        request.path = argument_bytes(arguments, "path");
    } else {
        spec = argument_requirement(arguments, "require");
        if (spec.kind == INSPIRE_REQUIRE_NONE)
            spec = (inspire_requirement_spec){INSPIRE_REQUIRE_ANY, &any_key, 1};
        request.entitlement = argument_bytes_or_none(arguments, "entitlement");
    }
    request.now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;

    inspire_requirement *requirement = NULL;
    inspire_result result = INSPIRE_RESULT_OK;
    if (request.routes == NULL)
        result = inspire_requirement_compile(auth, &spec, &requirement, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    request.requirement = requirement;
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    result = inspire_auth_authenticate(auth, &request, &principal, NULL);
    inspire_requirement_free(requirement);
    if (result != INSPIRE_RESULT_OK) {
        write_decision(out, auth, result);
        fputs("null", out);
        return result;
    }

    inspire_str_list *levels = NULL;
    result = inspire_principal_levels(auth, &principal, &levels, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    write_decision(out, auth, result);
    fputs("{\"name\":", out);
    if (principal.name_len == 0)
        fputs("null", out);
    else
        json_write_string(out, principal.name, principal.name_len);
    fputs(",\"levels\":", out);
    write_list(out, levels);
    inspire_str_list_free(levels);
    if (principal.name_len == 0)
        fputs(",\"handle\":null}", out);
    else
        fprintf(out, ",\"handle\":%llu}", (unsigned long long)keep_principal(handles, &principal));
    return INSPIRE_RESULT_OK;
}

/* The channel of a request that may have come through a proxy. */
inspire_result channel_of_request(handles *handles, arguments *arguments, FILE *out)
{
    static const char *const names[] = {"plain", "secure", "local"};
    (void)handles;
    inspire_str list = argument_bytes(arguments, "proxies"), peer = argument_bytes(arguments, "peer");
    uint32_t channel = channel_of(arguments, "direct");
    size_t count;
    const inspire_header *headers = headers_of(arguments, &count);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;

    inspire_proxies *proxies = NULL;
    inspire_result result = inspire_proxies_parse(list, &proxies, NULL);
    if (result == INSPIRE_RESULT_OK)
        result = inspire_proxies_channel(proxies, peer, channel, headers, count, &channel, NULL);
    inspire_proxies_free(proxies);
    if (result == INSPIRE_RESULT_OK)
        fprintf(out, ",\"channel\":\"%s\"", names[channel]);
    return result;
}
