/* The operations on the license. */
#include <inttypes.h>

#include "driver.h"

static void write_status(FILE *out, const inspire_license *license)
{
    static const char *const states[] = {"unlicensed", "active", "expired", "suspended", "invalid"};
    static const char *const modes[] = {"null", "\"online\"", "\"offline\""};
    fprintf(out, ",\"status\":{\"state\":\"%s\",\"name\":", states[inspire_license_state(license)]);
    write_str(out, inspire_license_name(license));
    fputs(",\"key\":", out);
    write_str(out, inspire_license_key(license));
    fprintf(out, ",\"mode\":%s,\"expires_at\":", modes[inspire_license_mode(license)]);
    write_time(out, inspire_license_expires_at(license));
    fputs(",\"lease_expires_at\":", out);
    write_time(out, inspire_license_lease_expires_at(license));
    fputs(",\"last_validated_at\":", out);
    write_time(out, inspire_license_last_validated_at(license));
    fputs(",\"limits\":", out);
    write_limits(out, inspire_license_limits(license));
    fputs(",\"entitlements\":", out);
    write_list(out, inspire_license_entitlements(license));
    fputs(",\"warnings\":", out);
    write_list(out, inspire_license_warnings(license));
    putc('}', out);
}

inspire_result answer_status(inspire_result result, inspire_license *const *license, FILE *out)
{
    if (result == INSPIRE_RESULT_OK)
        write_status(out, *license);
    inspire_license_free(*license);
    return result;
}

inspire_result license_activate_offline(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str license_key = argument_bytes(arguments, "license_key"), file = argument_bytes(arguments, "lic");
    bool force = argument_flag(arguments, "force", false);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(
        inspire_license_activate_offline(auth, license_key, file, force, &caller, &license, NULL), &license, out);
}

inspire_result license_status(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(inspire_license_status(auth, now, &license, NULL), &license, out);
}

inspire_result license_has(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str entitlement = argument_bytes(arguments, "entitlement");
    int64_t now = argument_integer(arguments, "now", 0);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_result result = inspire_license_check_entitlement(auth, entitlement, now, NULL);
    /* A refusal by the license (3xx) is an answer; anything else is a failure to tell. */
    bool refused = result >= INSPIRE_RESULT_UNLICENSED && result < INSPIRE_RESULT_STORE_UNAVAILABLE;
    if (result != INSPIRE_RESULT_OK && !refused)
        return result;
    fprintf(out, ",\"value\":%s", result == INSPIRE_RESULT_OK ? "true" : "false");
    return INSPIRE_RESULT_OK;
}

inspire_result license_limit(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_str name = argument_bytes(arguments, "name");
    int64_t now = argument_integer(arguments, "now", 0), limit = 0;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_result result = inspire_license_limit(auth, name, now, &limit, NULL);
    if (result == INSPIRE_RESULT_OK)
        fprintf(out, ",\"value\":%" PRId64, limit);
    return result;
}

inspire_result license_revalidate(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(inspire_license_revalidate(auth, &caller, &license, NULL), &license, out);
}

inspire_result license_deactivate(handles *handles, arguments *arguments, FILE *out)
{
    inspire_auth *auth = open_handle(handles, arguments);
    inspire_caller caller = caller_of(handles, arguments);
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;
    inspire_license *license = NULL;
    return answer_status(inspire_license_deactivate(auth, &caller, &license, NULL), &license, out);
}

/* The license in a file, its key not masked. */
static void write_view(FILE *out, const inspire_inspection *found)
{
    fputs(",\"license\":", out);
    if (!inspire_inspection_has_license(found)) {
        fputs("null", out);
        return;
    }
    fputs("{\"id\":", out);
    write_str(out, inspire_inspection_license_id(found));
    fputs(",\"key\":", out);
    write_str(out, inspire_inspection_license_key(found));
    fputs(",\"name\":", out);
    write_str(out, inspire_inspection_license_name(found));
    fputs(",\"status\":", out);
    write_str(out, inspire_inspection_license_status(found));
    fputs(",\"expires_at\":", out);
    write_time(out, inspire_inspection_license_expires_at(found));
    fputs(",\"limits\":", out);
    write_limits(out, inspire_inspection_limits(found));
    fputs(",\"entitlements\":", out);
    write_list(out, inspire_inspection_entitlements(found));
    /* It is JSON already. */
    fprintf(out, ",\"metadata\":%s}", inspire_inspection_metadata(found).data);
}

inspire_result license_inspect(handles *handles, arguments *arguments, FILE *out)
{
    static const char *const kinds[] = {"null", "\"license\"", "\"machine\""};
    (void)handles;
    inspire_inspect_options options = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_str file = argument_bytes(arguments, "lic");
    argument_trusted_keys(arguments, &options.trusted_keys, &options.trusted_key_count);
    options.license_key = argument_bytes_or_none(arguments, "license_key");
    options.machine_id = argument_bytes_or_none(arguments, "machine_id");
    options.product = argument_bytes_or_none(arguments, "product");
    options.now = argument_integer(arguments, "now", 0);
    if (argument_flag(arguments, "offline", false))
        options.flags |= INSPIRE_INSPECT_OFFLINE;
    if (!arguments_end(arguments))
        return INSPIRE_RESULT_INVALID_ARGUMENT;

    inspire_inspection *found = NULL;
    inspire_result result = inspire_inspection_run(file, &options, &found, NULL);
    if (found == NULL)
        return result;
    fputs(",\"failures\":[", out);
    for (size_t at = 0; at < inspire_inspection_failure_count(found); at++) {
        if (at > 0)
            putc(',', out);
        write_str(out, inspire_result_name(inspire_inspection_failure_at(found, at)));
    }
    fprintf(out, "],\"kind\":%s", kinds[inspire_inspection_kind(found)]);
    write_view(out, found);
    fputs(",\"issued_at\":", out);
    write_time(out, inspire_inspection_issued_at(found));
    fputs(",\"file_expires_at\":", out);
    write_time(out, inspire_inspection_file_expires_at(found));
    fputs(",\"machine_fingerprint\":", out);
    write_str(out, inspire_inspection_machine_fingerprint(found));
    inspire_inspection_free(found);
    return result;
}
