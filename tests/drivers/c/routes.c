/* The operations on route tables. */
#include "driver.h"

inspire_result routes_parse(handles *handles, arguments *arguments, FILE *out)
{
    inspire_str text = argument_bytes(arguments, "json");
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_routes *routes = NULL;
    inspire_result result = inspire_routes_parse(text, &routes, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    fprintf(out, ",\"routes\":%llu", (unsigned long long)keep_routes(handles, routes));
    fprintf(out, ",\"count\":%zu", inspire_routes_count(routes));
    return result;
}

inspire_result routes_would_allow(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    const inspire_routes *routes = routes_of(handles, arguments);
    inspire_str key = argument_bytes_or_none(arguments, "key");
    inspire_str method = argument_bytes(arguments, "method"), path = argument_bytes(arguments, "path");
    uint32_t channel = INSPIRE_CHANNEL_PLAIN;
    if (argument_optional(arguments, "channel") != NULL)
        channel = channel_of(arguments, "channel");
    int64_t now = argument_integer(arguments, "now", 0);
    arguments->wrong |= routes == NULL;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;

    inspire_explanation *found = NULL;
    inspire_result result = inspire_auth_would_allow(auth, routes, key, method, path, channel, now, &found, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    fputs(",\"code\":", out);
    write_str(out, inspire_result_name(inspire_explanation_code(found)));
    fputs(",\"rule\":", out);
    if (inspire_explanation_prefix(found).data == NULL) {
        fputs("null", out);
    } else {
        fputs("{\"prefix\":", out);
        write_str(out, inspire_explanation_prefix(found));
        fputs(",\"methods\":", out);
        write_list(out, inspire_explanation_methods(found));
        putc('}', out);
    }
    fputs(",\"missing\":", out);
    write_list(out, inspire_explanation_missing(found));
    inspire_explanation_free(found);
    return result;
}
