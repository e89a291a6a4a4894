/* What passes between an installation and its licensing server, credits, and license keys that are signed. */
#include <inttypes.h>

#include "driver.h"

const inspire_server *argument_server(arguments *arguments, inspire_server *server)
{
    json *given = argument_optional(arguments, "server");
    if (given == NULL)
        return NULL;
    struct arguments inner = {arguments->arena, given, given->type != JSON_OBJECT};
    *server = (inspire_server)INSPIRE_SERVER_INIT;
    server->url = argument_bytes(&inner, "url");
    server->account = argument_bytes_or_none(&inner, "account");
    server->account_id = argument_bytes_or_none(&inner, "account_id");
    server->signing_host = argument_bytes_or_none(&inner, "signing_host");
    json *hosts = argument_optional(&inner, "allowed_hosts");
    if (hosts != NULL) {
        strings list = strings_of(&inner, hosts);
        server->allowed_hosts = list.items;
        server->allowed_host_count = list.count;
        inner.wrong |= list.count == 0;
    }
    inspire_str proxy = argument_bytes_or_none(&inner, "proxy");
    if (proxy.data != NULL && proxy.len == 0) {
        server->proxy = INSPIRE_PROXY_NONE;
    } else if (proxy.data != NULL) {
        server->proxy = INSPIRE_PROXY_URL;
        server->proxy_url = proxy;
    }
    server->ca_file = argument_bytes_or_none(&inner, "ca_file");
    server->connect_timeout_ms = argument_positive_or_default(&inner, "connect_timeout_ms");
    server->timeout_ms = argument_positive_or_default(&inner, "timeout_ms");
    server->lease = argument_positive_or_default(&inner, "lease");
    server->auto_refresh = argument_flag(&inner, "auto_refresh", false);
    arguments->wrong |= !arguments_end(&inner);
    return server;
}

inspire_result license_activate(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str license_key = argument_bytes(arguments, "license_key");
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(inspire_license_activate_online(auth, license_key, &caller, &license, NULL), &license, out);
}

inspire_result license_refresh(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str file = argument_bytes(arguments, "lic");
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(inspire_license_refresh(auth, file, &caller, &license, NULL), &license, out);
}

inspire_result license_request(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str license_key = argument_bytes_or_none(arguments, "license_key");
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_text *request = NULL;
    inspire_result result = inspire_license_request(auth, license_key, &caller, &request, NULL);
    if (result == INSPIRE_RESULT_OK) {
        fputs(",\"value\":", out);
        write_str(out, inspire_text_str(request));
    }
    inspire_text_free(request);
    return result;
}

inspire_result license_reveal_key(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_text *key = NULL;
    inspire_result result = inspire_license_reveal_key(auth, &caller, &key, NULL);
    if (result == INSPIRE_RESULT_OK) {
        fputs(",\"value\":", out);
        write_str(out, inspire_text_str(key));
    }
    inspire_text_free(key);
    return result;
}

static void write_problem(FILE *out, inspire_result problem)
{
    fputs(",\"problem\":", out);
    if (problem == INSPIRE_RESULT_OK)
        fputs("null", out);
    else
        write_str(out, inspire_result_name(problem));
}

inspire_result license_deactivate_with(handles *handles, arguments *arguments, FILE *out)
{
    static const char *const releases[] = {"none", "server", "pending"};
    inspire_auth *auth = open_handle(handles, arguments);
    bool local_only = argument_flag(arguments, "local_only", false);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_deactivation *done = NULL;
    inspire_license *license = NULL;
    inspire_result result = inspire_license_deactivate_with(auth, local_only, &caller, &done, NULL);
    if (result == INSPIRE_RESULT_OK)
        result = answer_status(inspire_license_status(auth, caller.now, &license, NULL), &license, out);
    if (result == INSPIRE_RESULT_OK) {
        fprintf(out, ",\"release\":\"%s\"", releases[inspire_deactivation_release(done)]);
        write_problem(out, inspire_deactivation_problem(done));
        fputs(",\"receipt\":", out);
        write_str(out, inspire_deactivation_receipt(done));
    }
    inspire_deactivation_free(done);
    return result;
}

inspire_result license_release_pending(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    size_t released = 0;
    inspire_result result = inspire_license_release_pending(auth, &caller, &released, NULL);
    if (result == INSPIRE_RESULT_OK)
        fprintf(out, ",\"value\":%zu", released);
    return result;
}

inspire_result license_tick(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    int64_t now = argument_integer(arguments, "now", 0), next = INSPIRE_NEVER;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_result problem = INSPIRE_RESULT_OK;
    inspire_result result = inspire_license_tick(auth, now, NULL, &next, &problem, NULL);
    if (result == INSPIRE_RESULT_OK) {
        fputs(",\"next\":", out);
        write_time(out, next);
        write_problem(out, problem);
    }
    return result;
}

inspire_result license_last_attempt(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    inspire_result result = inspire_license_status(auth, now, &license, NULL);
    if (result == INSPIRE_RESULT_OK && inspire_license_last_attempt_at(license) == INSPIRE_NEVER) {
        fputs(",\"attempt\":null", out);
    } else if (result == INSPIRE_RESULT_OK) {
        fputs(",\"attempt\":{\"code\":", out);
        write_str(out, inspire_result_name(inspire_license_last_attempt_code(license)));
        fprintf(out, ",\"at\":%" PRId64 "}", inspire_license_last_attempt_at(license));
    }
    inspire_license_free(license);
    return result;
}

/* The member `tenant`; NULL when it is absent. */
static const inspire_tenant *tenant_of(arguments *arguments, inspire_tenant *tenant)
{
    json *given = argument_optional(arguments, "tenant");
    if (given == NULL)
        return NULL;
    struct arguments inner = {arguments->arena, given, given->type != JSON_OBJECT};
    tenant->name = argument_bytes(&inner, "name");
    tenant->limit = argument_integer(&inner, "limit", INSPIRE_UNLIMITED);
    arguments->wrong |= !arguments_end(&inner);
    return tenant;
}

/* The output is passed by its address; see `answer_status`. */
static inspire_result answer_balance(inspire_result result, const inspire_balance *balance, FILE *out)
{
    if (result != INSPIRE_RESULT_OK)
        return result;
    fprintf(out, ",\"balance\":{\"limit\":%" PRId64 ",\"used\":%" PRId64 ",\"left\":%" PRId64, balance->limit,
            balance->used, balance->left);
    fprintf(out, ",\"period\":\"%04" PRIu32 "-%02" PRIu32 "\",\"resets_at\":%" PRId64 "}", balance->month / 100,
            balance->month % 100, balance->resets_at);
    return result;
}

inspire_result license_consume(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    int64_t amount = argument_required_integer(arguments, "amount");
    inspire_str operation = argument_bytes(arguments, "operation");
    inspire_tenant room;
    const inspire_tenant *tenant = tenant_of(arguments, &room);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_balance left = INSPIRE_BALANCE_INIT;
    return answer_balance(inspire_credits_consume(auth, amount, operation, tenant, now, &left, NULL), &left, out);
}

inspire_result license_refund(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str operation = argument_bytes(arguments, "operation");
    inspire_tenant room;
    const inspire_tenant *tenant = tenant_of(arguments, &room);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_balance left = INSPIRE_BALANCE_INIT;
    return answer_balance(inspire_credits_refund(auth, operation, tenant, now, &left, NULL), &left, out);
}

inspire_result license_balance(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_tenant room;
    const inspire_tenant *tenant = tenant_of(arguments, &room);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_balance left = INSPIRE_BALANCE_INIT;
    return answer_balance(inspire_credits_balance(auth, tenant, now, &left, NULL), &left, out);
}

inspire_result license_tenant_limit(handles *handles, arguments *arguments, FILE *out)
{
    (void)out;
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    inspire_tenant room;
    const inspire_tenant *tenant = tenant_of(arguments, &room);
    arguments->wrong |= tenant == NULL;
    int64_t in_use = argument_required_integer(arguments, "in_use");
    int64_t of_all = argument_required_integer(arguments, "in_use_by_all");
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    return inspire_license_check_tenant_limit(auth, name, tenant, in_use, of_all, now, NULL);
}

/* Base64 of RFC 4648, section 4. */
static void write_base64(FILE *out, inspire_str bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *data = (const unsigned char *)bytes.data;
    putc('"', out);
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t count = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t group = (uint32_t)data[at] << 16;
        group |= count > 1 ? (uint32_t)data[at + 1] << 8 : 0;
        group |= count > 2 ? data[at + 2] : 0;
        for (size_t digit = 0; digit < 4; digit++)
            putc(digit <= count ? alphabet[group >> (18 - 6 * digit) & 63] : '=', out);
    }
    putc('"', out);
}

inspire_result license_inspect_key(handles *handles, arguments *arguments, FILE *out)
{
    (void)handles;
    inspire_str license_key = argument_bytes(arguments, "license_key");
    const inspire_trusted_key *trusted;
    size_t trusted_count;
    argument_trusted_keys(arguments, &trusted, &trusted_count);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_signed_key *key = NULL;
    inspire_result result = inspire_signed_key_read(license_key, trusted, trusted_count, now, &key, NULL);
    if (result != INSPIRE_RESULT_OK)
        return result;
    fputs(",\"key_id\":", out);
    write_str(out, inspire_signed_key_key_id(key));
    fputs(",\"dataset\":", out);
    write_base64(out, inspire_signed_key_dataset(key));
    fputs(",\"license\":", out);
    write_str(out, inspire_signed_key_license(key));
    fputs(",\"product\":", out);
    write_str(out, inspire_signed_key_product(key));
    fputs(",\"created_at\":", out);
    write_time(out, inspire_signed_key_created_at(key));
    fputs(",\"expires_at\":", out);
    write_time(out, inspire_signed_key_expires_at(key));
    inspire_signed_key_free(key);
    return result;
}
