/* The conformance driver over the C API: JSON lines in, JSON lines out, in order, until end of input. It is a thin
 * shell: what it decides itself is only whether the arguments could be read. */
#define _POSIX_C_SOURCE 200809L

#include "driver.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void write_str(FILE *out, inspire_str text)
{
    if (text.data == NULL)
        fputs("null", out);
    else
        json_write_string(out, text.data, text.len);
}

void write_time(FILE *out, int64_t at)
{
    if (at == INSPIRE_NEVER)
        fputs("null", out);
    else
        fprintf(out, "%" PRId64, at);
}

void write_list(FILE *out, const inspire_str_list *list)
{
    putc('[', out);
    for (size_t at = 0; at < inspire_str_list_count(list); at++) {
        if (at > 0)
            putc(',', out);
        write_str(out, inspire_str_list_at(list, at));
    }
    putc(']', out);
}

void write_limits(FILE *out, const inspire_limits *limits)
{
    putc('{', out);
    for (size_t at = 0; at < inspire_limits_count(limits); at++) {
        inspire_limit limit = inspire_limits_at(limits, at);
        if (at > 0)
            putc(',', out);
        write_str(out, limit.name);
        fprintf(out, ":%" PRId64, limit.value);
    }
    putc('}', out);
}

static inspire_result version(handles *handles, arguments *arguments, FILE *out)
{
    (void)handles;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    fputs(",\"version\":", out);
    write_str(out, inspire_auth_version());
    fprintf(out, ",\"abi\":%" PRIu32, inspire_auth_abi_version());
    return INSPIRE_RESULT_OK;
}

static inspire_result errors(handles *handles, arguments *arguments, FILE *out)
{
    (void)handles;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    fputs(",\"errors\":[", out);
    for (size_t at = 0; at < inspire_result_count(); at++) {
        inspire_result code = inspire_result_at(at);
        uint32_t http = inspire_result_http_status(code);
        fputs(at > 0 ? ",{\"code\":" : "{\"code\":", out);
        write_str(out, inspire_result_name(code));
        fprintf(out, ",\"number\":%" PRIu32 ",\"http\":", code);
        if (http == 0)
            fputs("null", out);
        else
            fprintf(out, "%" PRIu32, http);
        fprintf(out, ",\"vector\":%s}", inspire_result_has_vector(code) ? "true" : "false");
    }
    putc(']', out);
    return INSPIRE_RESULT_OK;
}

static const struct {
    const char *name;
    operation *run;
    const char *fields[7];
} operations[] = {
    {"version", version, {"version", "abi"}},
    {"errors", errors, {"errors"}},
    {"open", open_store, {"handle"}},
    {"close", close_handle, {NULL}},
    {"keys.create", keys_create, {"record", "key"}},
    {"keys.get", keys_get, {"record"}},
    {"keys.list", keys_list, {"records"}},
    {"keys.update", keys_update, {"record"}},
    {"keys.rename", keys_rename, {"record"}},
    {"keys.duplicate", keys_duplicate, {"record", "key"}},
    {"keys.rotate", keys_rotate, {"record", "key"}},
    {"keys.delete", keys_delete, {NULL}},
    {"keys.import", keys_import, {"record"}},
    {"keys.import_all", keys_import_all, {"count"}},
    {"authenticate", authenticate, {"http", "challenge", "principal"}},
    {"channel", channel_of_request, {"channel"}},
    {"audit", audit_events, {"events"}},
    {"metrics", metrics, {"families", "verifications"}},
    {"routes.parse", routes_parse, {"routes", "count"}},
    {"routes.would_allow", routes_would_allow, {"code", "rule", "missing"}},
    {"license.inspect",
     license_inspect,
     {"failures", "kind", "license", "issued_at", "file_expires_at", "machine_fingerprint"}},
    {"license.activate_offline", license_activate_offline, {"status"}},
    {"license.status", license_status, {"status"}},
    {"license.has", license_has, {"value"}},
    {"license.limit", license_limit, {"value"}},
    {"license.revalidate", license_revalidate, {"status"}},
    {"license.deactivate", license_deactivate, {"status"}},
    {"license.activate", license_activate, {"status"}},
    {"license.refresh", license_refresh, {"status"}},
    {"license.request", license_request, {"value"}},
    {"license.reveal_key", license_reveal_key, {"value"}},
    {"license.deactivate_with", license_deactivate_with, {"status", "release", "problem", "receipt"}},
    {"license.release_pending", license_release_pending, {"value"}},
    {"license.tick", license_tick, {"next", "problem"}},
    {"license.last_attempt", license_last_attempt, {"attempt"}},
    {"license.consume", license_consume, {"balance"}},
    {"license.refund", license_refund, {"balance"}},
    {"license.balance", license_balance, {"balance"}},
    {"license.tenant_limit", license_tenant_limit, {NULL}},
    {"license.inspect_key",
     license_inspect_key,
     {"key_id", "dataset", "license", "product", "created_at", "expires_at"}},
};

static void write_head(FILE *out, const json *id, inspire_str result)
{
    fputs("{\"id\":", out);
    if (id == NULL)
        fputs("null", out);
    else
        json_write(out, id);
    fputs(",\"result\":", out);
    write_str(out, result);
}

/* The answer to one line, whatever the line is. */
static void answer(handles *handles, arena *arena, const char *line, size_t length, FILE *out)
{
    json *request = json_parse(arena, line, length);
    if (request == NULL || request->type != JSON_OBJECT) {
        write_head(out, NULL, INSPIRE_STR("INVALID_ARGUMENT"));
        fputs("}\n", out);
        return;
    }
    arguments arguments = {arena, request, false};
    const json *id = argument_raw(&arguments, "id");
    inspire_str op = argument_bytes(&arguments, "op");
    if (arguments.wrong) {
        write_head(out, id, INSPIRE_STR("INVALID_ARGUMENT"));
        fputs("}\n", out);
        return;
    }
    size_t at = 0, count = sizeof operations / sizeof *operations;
    while (at < count && !is(op, operations[at].name))
        at++;
    if (at == count) {
        write_head(out, id, INSPIRE_STR("UNKNOWN_OP"));
        fputs("}\n", out);
        return;
    }

    char *fields = NULL;
    size_t fields_length = 0;
    FILE *to = open_memstream(&fields, &fields_length);
    if (to == NULL)
        abort();
    inspire_result result = operations[at].run(handles, &arguments, to);
    fclose(to);
    write_head(out, id, inspire_result_name(result));
    fwrite(fields, 1, fields_length, out);
    for (const char *const *field = operations[at].fields; fields_length == 0 && *field != NULL; field++)
        fprintf(out, ",\"%s\":null", *field);
    fputs("}\n", out);
    free(fields);
}

int main(void)
{
    handles handles = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) >= 0) {
        arena arena = {NULL};
        answer(&handles, &arena, line, (size_t)length, stdout);
        fflush(stdout);
        arena_release(&arena);
    }
    free(line);
    for (size_t at = 0; at < handles.open_count; at++)
        inspire_auth_free(handles.open[at].auth);
    for (size_t at = 0; at < handles.table_count; at++)
        inspire_routes_free(handles.tables[at].routes);
    free(handles.tables);
    free(handles.open);
    free(handles.kept);
    return 0;
}
