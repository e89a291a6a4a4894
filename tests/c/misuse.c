/* What a program can get wrong and still be told so: NULL anywhere, wrong sizes, lengths, encodings and enumerators. */
#include "check.h"

static const inspire_str not_utf8 = {"\xff\xfe", 2};
static const inspire_str null_with_length = {NULL, 3};
static const inspire_str none = {NULL, 0};

static void null_is_ignored_by_free(void)
{
    inspire_auth_free(NULL);
    inspire_error_free(NULL);
    inspire_str_list_free(NULL);
    inspire_requirement_free(NULL);
    inspire_ticket_free(NULL);
    inspire_ticket_cancel(NULL);
    inspire_audit_log_free(NULL);
    inspire_key_free(NULL);
    inspire_keys_free(NULL);
    inspire_created_key_free(NULL);
    inspire_license_free(NULL);
    inspire_entitlements_free(NULL);
    inspire_inspection_free(NULL);
    inspire_machine_free(NULL);
    inspire_machine_parts_free(NULL);
    inspire_signing_key_free(NULL);
    inspire_text_free(NULL);
    inspire_restore_report_free(NULL);
    inspire_proxies_free(NULL);
    inspire_routes_free(NULL);
    inspire_explanation_free(NULL);
    inspire_cancel_free(NULL);
    inspire_cancel_now(NULL);
    inspire_deactivation_free(NULL);
    inspire_signed_key_free(NULL);
    inspire_http_answer_set_status(NULL, 200);
    inspire_http_answer_add_header(NULL, none, none);
}

static void null_is_nothing_to_accessors(void)
{
    CHECK(inspire_str_from(NULL).data == NULL);
    CHECK(inspire_error_code(NULL) == INSPIRE_RESULT_OK && inspire_error_message(NULL).data == NULL);
    CHECK(inspire_error_detail(NULL).data == NULL);
    CHECK(inspire_str_list_count(NULL) == 0 && inspire_str_list_at(NULL, 0).data == NULL);
    CHECK(inspire_requirement_text(NULL).data == NULL);
    CHECK(inspire_auth_http_status(NULL, 0) == 500 && inspire_auth_challenge(NULL, 200).data == NULL);
    CHECK(inspire_auth_retry_after(NULL, INSPIRE_RESULT_BUSY) == 0);
    CHECK(inspire_audit_log_count(NULL) == 0 && inspire_audit_log_at(NULL, 0).event.data == NULL);
    CHECK(inspire_keys_count(NULL) == 0 && inspire_keys_at(NULL, 0) == NULL);
    CHECK(inspire_key_id(NULL).data == NULL && inspire_key_type(NULL).data == NULL);
    CHECK(inspire_key_name(NULL).data == NULL && inspire_key_description(NULL).data == NULL);
    CHECK(inspire_key_levels(NULL) == NULL && inspire_key_revision(NULL) == 0);
    CHECK(inspire_key_require_secure(NULL) && !inspire_key_enabled(NULL));
    CHECK(inspire_key_created_at(NULL) == INSPIRE_NEVER && inspire_key_updated_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_key_expires_at(NULL) == INSPIRE_NEVER && inspire_key_last_used_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_key_origin(NULL) == INSPIRE_ORIGIN_GENERATED);
    CHECK(inspire_key_overlap_ends_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_routes_count(NULL) == 0 && inspire_explanation_prefix(NULL).data == NULL);
    CHECK(inspire_explanation_code(NULL) == INSPIRE_RESULT_NULL_PARAMETER);
    CHECK(inspire_explanation_methods(NULL) == NULL && inspire_explanation_missing(NULL) == NULL);
    CHECK(inspire_explanation_reason(NULL).data == NULL);
    CHECK(inspire_created_key_record(NULL) == NULL && inspire_created_key_ignored_levels(NULL) == NULL);
    CHECK(inspire_created_key_secret(NULL).data == NULL && inspire_created_key_credential(NULL).data == NULL);
    CHECK(inspire_created_key_rfc6750(NULL).data == NULL);
    CHECK(inspire_license_state(NULL) == INSPIRE_LICENSE_UNLICENSED);
    CHECK(inspire_license_reason(NULL) == INSPIRE_RESULT_UNLICENSED);
    CHECK(inspire_license_name(NULL).data == NULL && inspire_license_key(NULL).data == NULL);
    CHECK(inspire_license_mode(NULL) == INSPIRE_LICENSE_MODE_NONE);
    CHECK(inspire_license_expires_at(NULL) == INSPIRE_NEVER && inspire_license_limits(NULL) == NULL);
    CHECK(inspire_license_lease_expires_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_license_last_validated_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_license_last_attempt_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_license_last_attempt_code(NULL) == INSPIRE_RESULT_OK);
    CHECK(inspire_deactivation_release(NULL) == INSPIRE_RELEASE_NONE);
    CHECK(inspire_deactivation_problem(NULL) == INSPIRE_RESULT_OK);
    CHECK(inspire_deactivation_receipt(NULL).data == NULL);
    CHECK(inspire_signed_key_key_id(NULL).data == NULL && inspire_signed_key_dataset(NULL).data == NULL);
    CHECK(inspire_signed_key_license(NULL).data == NULL && inspire_signed_key_product(NULL).data == NULL);
    CHECK(inspire_signed_key_created_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_signed_key_expires_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_tenant_effective(NULL, 7) == 7 && inspire_http_answer_add_body(NULL, none) == 0);
    CHECK(inspire_license_entitlements(NULL) == NULL && inspire_license_warnings(NULL) == NULL);
    CHECK(inspire_limits_count(NULL) == 0 && inspire_limits_at(NULL, 0).name.data == NULL);
    CHECK(inspire_entitlements_count(NULL) == 0 && inspire_entitlements_at(NULL, 0).granted == 0);
    CHECK(inspire_inspection_failure_count(NULL) == 1);
    CHECK(inspire_inspection_failure_at(NULL, 0) == INSPIRE_RESULT_NULL_PARAMETER);
    CHECK(inspire_inspection_kind(NULL) == INSPIRE_FILE_UNKNOWN && !inspire_inspection_has_license(NULL));
    CHECK(inspire_inspection_issued_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_inspection_file_expires_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_inspection_license_expires_at(NULL) == INSPIRE_NEVER);
    CHECK(inspire_inspection_machine_fingerprint(NULL).data == NULL);
    CHECK(inspire_inspection_license_id(NULL).data == NULL && inspire_inspection_license_key(NULL).data == NULL);
    CHECK(inspire_inspection_license_name(NULL).data == NULL && inspire_inspection_license_status(NULL).data == NULL);
    CHECK(inspire_inspection_limits(NULL) == NULL && inspire_inspection_entitlements(NULL) == NULL);
    CHECK(inspire_inspection_metadata(NULL).data == NULL);
    CHECK(inspire_machine_fingerprint(NULL).data == NULL && inspire_machine_container(NULL).data == NULL);
    CHECK(inspire_machine_source(NULL) == INSPIRE_MACHINE_FROM_OPTION);
    CHECK(inspire_machine_parts_count(NULL) == 0 && inspire_machine_parts_at(NULL, 0).name.data == NULL);
    CHECK(inspire_signing_key_public(NULL).data == NULL && inspire_signing_key_pem(NULL).data == NULL);
    CHECK(inspire_text_str(NULL).data == NULL);
    CHECK(inspire_restore_report_counts(NULL).kept == 0 && inspire_restore_report_deleted(NULL) == NULL);
    CHECK(inspire_auth_credential_header(NULL, 0).data == NULL);
    CHECK(inspire_restore_report_license(NULL) == INSPIRE_RESTORED_LICENSE_NONE);
}

/* Each output that is a handle is NULL afterwards, whatever was in it. */
#define NULLS(type, free_it, call)                     \
    do {                                               \
        type *out_ = (type *)(void *)&not_utf8;        \
        type **out = &out_;                            \
        GIVES(NULL_PARAMETER, call);                   \
        CHECK(out_ == NULL);                           \
        free_it(out_);                                 \
        out = NULL;                                    \
        GIVES(NULL_PARAMETER, call);                   \
    } while (0)

static void credits_of_nobody(const inspire_auth *auth)
{
    inspire_str name = INSPIRE_STR("name");
    inspire_tenant tenant;
    inspire_balance left = INSPIRE_BALANCE_INIT;
    tenant.name = name;
    tenant.limit = INSPIRE_UNLIMITED;
    left.used = 7;
    GIVES(NULL_PARAMETER, inspire_credits_consume(NULL, 1, name, NULL, 0, &left, NULL));
    GIVES(NULL_PARAMETER, inspire_credits_consume(auth, 1, null_with_length, NULL, 0, &left, NULL));
    GIVES(NULL_PARAMETER, inspire_credits_refund(NULL, name, NULL, 0, &left, NULL));
    GIVES(NULL_PARAMETER, inspire_credits_balance(NULL, NULL, 0, &left, NULL));
    GIVES(NULL_PARAMETER, inspire_credits_balance(auth, NULL, 0, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_check_tenant_limit(NULL, name, &tenant, 1, 1, 0, NULL));
    GIVES(NULL_PARAMETER, inspire_license_check_tenant_limit(auth, name, NULL, 1, 1, 0, NULL));
    GIVES(NULL_PARAMETER, inspire_license_check_tenant_limit(auth, null_with_length, &tenant, 1, 1, 0, NULL));
    /* No license, no credits; and nothing is known of any operation. */
    GIVES(LIMIT_EXCEEDED, inspire_credits_consume(auth, 1, name, &tenant, 0, &left, NULL));
    GIVES(NOT_FOUND, inspire_credits_refund(auth, name, &tenant, 0, &left, NULL));
    GIVES(INVALID_ARGUMENT, inspire_credits_consume(auth, 0, name, &tenant, 0, &left, NULL));
    GIVES(INVALID_ARGUMENT, inspire_credits_consume(auth, -1, name, &tenant, 0, &left, NULL));
    GIVES(INVALID_ARGUMENT, inspire_credits_consume(auth, 1, none, &tenant, 0, &left, NULL));
    tenant.name = not_utf8;
    GIVES(INVALID_ARGUMENT, inspire_credits_balance(auth, &tenant, 0, &left, NULL));
    tenant.name = none;
    GIVES(INVALID_ARGUMENT, inspire_credits_balance(auth, &tenant, 0, &left, NULL));
    left.struct_size = 0;
    GIVES(INVALID_ARGUMENT, inspire_credits_balance(auth, NULL, 0, &left, NULL));
    left.struct_size = sizeof left;
    CHECK(left.used == 7);
    GIVES(OK, inspire_credits_balance(auth, NULL, 0, &left, NULL));
    CHECK(left.limit == 0 && left.used == 0 && left.left == 0 && left.month > 202400);
}

static void null_is_a_code(const inspire_auth *auth)
{
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
    inspire_import import;
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_request request = request_with(INSPIRE_STR("Bearer a:b"), any_key);
    inspire_inspect_options inspect = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_str name = INSPIRE_STR("name");
    inspire_error *err = NULL;
    uint64_t count = 5;
    int64_t limit = 5;

    NULLS(inspire_auth, inspire_auth_free, inspire_auth_open(NULL, out, NULL));
    NULLS(inspire_requirement, inspire_requirement_free, inspire_requirement_parse(NULL, name, out, NULL));
    NULLS(inspire_requirement, inspire_requirement_free, inspire_requirement_compile(auth, NULL, out, NULL));
    NULLS(inspire_ticket, inspire_ticket_free,
          inspire_auth_authenticate_no_wait(NULL, &request, &principal, out, NULL));
    NULLS(inspire_ticket, inspire_ticket_free, inspire_auth_authenticate_no_wait(auth, NULL, &principal, out, NULL));
    NULLS(inspire_ticket, inspire_ticket_free, inspire_auth_authenticate_no_wait(auth, &request, NULL, out, NULL));
    NULLS(inspire_str_list, inspire_str_list_free, inspire_principal_levels(auth, NULL, out, NULL));
    NULLS(inspire_str_list, inspire_str_list_free, inspire_principal_levels(NULL, &principal, out, NULL));
    NULLS(inspire_str_list, inspire_str_list_free, inspire_principal_explain(auth, &principal, NULL, out, NULL));
    NULLS(inspire_audit_log, inspire_audit_log_free, inspire_audit_log_read(NULL, 1, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_auth_metrics_text(NULL, out, NULL));
    GIVES(NULL_PARAMETER, inspire_auth_metrics_text(auth, NULL, NULL));
    NULLS(inspire_created_key, inspire_created_key_free, inspire_key_create(NULL, &spec, &caller, out, NULL));
    NULLS(inspire_created_key, inspire_created_key_free, inspire_key_create(auth, NULL, &caller, out, NULL));
    NULLS(inspire_created_key, inspire_created_key_free, inspire_key_create(auth, &spec, NULL, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_import(auth, &spec, 1, name, 0, NULL, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_import(NULL, &spec, 1, name, 0, &caller, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_get(NULL, name, out, NULL));
    NULLS(inspire_keys, inspire_keys_free, inspire_key_list(NULL, NULL, out, NULL));
    NULLS(inspire_keys, inspire_keys_free, inspire_key_export(NULL, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_update(auth, name, 1, NULL, &caller, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_update(auth, name, 1, &changes, NULL, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_rename(auth, name, name, 1, NULL, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_set_enabled(auth, name, 1, 1, NULL, out, NULL));
    NULLS(inspire_created_key, inspire_created_key_free, inspire_key_duplicate(auth, name, name, 1, NULL, out, NULL));
    NULLS(inspire_created_key, inspire_created_key_free, inspire_key_rotate(auth, name, 0, 1, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free,
          inspire_license_activate_offline(auth, name, name, 0, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_status(NULL, 0, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_revalidate(auth, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_deactivate(auth, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_activate_online(NULL, name, &caller, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_activate_online(auth, name, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free,
          inspire_license_activate_online(auth, null_with_length, &caller, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_refresh(NULL, name, &caller, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_refresh(auth, name, NULL, out, NULL));
    NULLS(inspire_license, inspire_license_free, inspire_license_refresh(auth, null_with_length, &caller, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_license_request(NULL, none, &caller, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_license_reveal_key(NULL, &caller, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_license_reveal_key(auth, NULL, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_license_request(auth, none, NULL, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_license_request(auth, null_with_length, &caller, out, NULL));
    NULLS(inspire_deactivation, inspire_deactivation_free,
          inspire_license_deactivate_with(NULL, 0, &caller, out, NULL));
    NULLS(inspire_deactivation, inspire_deactivation_free,
          inspire_license_deactivate_with(auth, 0, NULL, out, NULL));
    NULLS(inspire_signed_key, inspire_signed_key_free,
          inspire_signed_key_read(null_with_length, NULL, 0, 0, out, NULL));
    NULLS(inspire_signed_key, inspire_signed_key_free, inspire_signed_key_read(name, NULL, 1, 0, out, NULL));
    GIVES(NULL_PARAMETER, inspire_license_release_pending(NULL, &caller, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_release_pending(auth, NULL, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_tick(NULL, 0, NULL, &limit, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_tick(auth, 0, NULL, NULL, NULL, NULL));
    credits_of_nobody(auth);
    NULLS(inspire_entitlements, inspire_entitlements_free, inspire_license_list_entitlements(NULL, 0, out, NULL));
    NULLS(inspire_inspection, inspire_inspection_free, inspire_inspection_run(name, NULL, out, NULL));
    NULLS(inspire_machine, inspire_machine_free, inspire_machine_of(NULL, out, NULL));
    NULLS(inspire_text, inspire_text_free, inspire_signing_key_sign(NULL, name, 1, 0, 0, out, NULL));
    NULLS(inspire_key, inspire_key_free, inspire_key_get(auth, null_with_length, out, NULL));
    NULLS(inspire_machine, inspire_machine_free, inspire_machine_identify(null_with_length, none, out, NULL));
    NULLS(inspire_machine_parts, inspire_machine_parts_free,
          inspire_machine_explain(none, null_with_length, out, NULL));
    NULLS(inspire_signing_key, inspire_signing_key_free, inspire_signing_key_read(null_with_length, out, NULL));
    NULLS(inspire_restore_report, inspire_restore_report_free,
          inspire_store_restore(name, null_with_length, 0, out, NULL));
    NULLS(inspire_proxies, inspire_proxies_free, inspire_proxies_parse(null_with_length, out, NULL));
    NULLS(inspire_routes, inspire_routes_free, inspire_routes_parse(null_with_length, out, NULL));
    {
        inspire_routes *routes = NULL;
        GIVES(INVALID_ARGUMENT, inspire_routes_parse(none, &routes, NULL));
        GIVES(INVALID_ARGUMENT, inspire_routes_parse(not_utf8, &routes, NULL));
        GIVES(OK, inspire_routes_parse(INSPIRE_STR("{\"routes\": []}"), &routes, NULL));
        NULLS(inspire_explanation, inspire_explanation_free,
              inspire_auth_would_allow(NULL, routes, none, name, name, 0, 0, out, NULL));
        NULLS(inspire_explanation, inspire_explanation_free,
              inspire_auth_would_allow(auth, NULL, none, name, name, 0, 0, out, NULL));
        NULLS(inspire_explanation, inspire_explanation_free,
              inspire_auth_would_allow(auth, routes, none, null_with_length, name, 0, 0, out, NULL));
        NULLS(inspire_explanation, inspire_explanation_free,
              inspire_principal_explain_route(auth, NULL, routes, name, name, 0, out, NULL));
        NULLS(inspire_explanation, inspire_explanation_free,
              inspire_principal_explain_route(auth, &principal, NULL, name, name, 0, out, NULL));
        {
            inspire_explanation *found = NULL;
            GIVES(INVALID_ARGUMENT, inspire_auth_would_allow(auth, routes, none, name, name, 3, 0, &found, NULL));
            GIVES(INVALID_ARGUMENT, inspire_auth_would_allow(auth, routes, not_utf8, name, name, 0, 0, &found, NULL));
            /* What comes from a client is judged, not an argument. */
            GIVES(OK, inspire_auth_would_allow(auth, routes, none, not_utf8, not_utf8, 0, 0, &found, NULL));
            CHECK(inspire_explanation_code(found) == INSPIRE_RESULT_PATH_NOT_CANONICAL);
            inspire_explanation_free(found);
        }
        request.routes = routes;
        request.requirement = NULL;
        request.method = null_with_length;
        GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, &request, &principal, NULL));
        request = request_with(INSPIRE_STR("Bearer a:b"), any_key);
        inspire_routes_free(routes);
    }
    {
        inspire_proxies *proxies = NULL;
        uint32_t channel = 7;
        GIVES(NULL_PARAMETER, inspire_proxies_channel(NULL, name, 0, NULL, 0, &channel, NULL));
        GIVES(OK, inspire_proxies_parse(INSPIRE_STR("::1"), &proxies, NULL));
        GIVES(NULL_PARAMETER, inspire_proxies_channel(proxies, INSPIRE_STR("::1"), 0, NULL, 0, NULL, NULL));
        GIVES(NULL_PARAMETER, inspire_proxies_channel(proxies, INSPIRE_STR("::1"), 0, NULL, 1, &channel, NULL));
        GIVES(INVALID_ARGUMENT, inspire_proxies_channel(proxies, name, 0, NULL, 0, &channel, NULL));
        GIVES(INVALID_ARGUMENT, inspire_proxies_channel(proxies, INSPIRE_STR("10.0.0.1"), 3, NULL, 0, &channel, NULL));
        CHECK(channel == 7);
        inspire_proxies_free(proxies);
    }
    GIVES(NULL_PARAMETER, inspire_signing_key_generate(NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_inspection_run(name, &inspect, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_auth_flush(NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_auth_adopt_store(NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_key_delete(auth, name, 1, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_key_import_all(NULL, NULL, 0, &caller, &count, NULL));
    GIVES(NULL_PARAMETER, inspire_key_import_all(auth, NULL, 1, &caller, &count, NULL));
    GIVES(NULL_PARAMETER, inspire_key_import_all(auth, NULL, 0, NULL, &count, NULL));
    GIVES(NULL_PARAMETER, inspire_key_import_all(auth, NULL, 0, &caller, NULL, NULL));
    memset(&import, 0, sizeof import);
    GIVES(NULL_PARAMETER, inspire_key_import_all(auth, &import, 1, &caller, &count, NULL));
    GIVES(NULL_PARAMETER, inspire_key_seal_all(auth, NULL, &count, NULL));
    GIVES(NULL_PARAMETER, inspire_key_seal_all(auth, &caller, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_limit(auth, name, 0, NULL, NULL));
    GIVES(NULL_PARAMETER, inspire_license_limit(NULL, name, 0, &limit, NULL));
    GIVES(NULL_PARAMETER, inspire_license_check_limit(NULL, name, 0, 0, NULL));
    GIVES(NULL_PARAMETER, inspire_license_check_entitlement(NULL, name, 0, NULL));
    GIVES(NULL_PARAMETER, inspire_principal_recheck(auth, &principal, NULL, 0, NULL));
    GIVES(NULL_PARAMETER, inspire_store_backup(null_with_length, name, NULL));
    GIVES(NULL_PARAMETER, inspire_ticket_poll(NULL, &principal, NULL));
    GIVES(NULL_PARAMETER, inspire_ticket_wait(NULL, 0, &principal, NULL));
    GIVES(NULL_PARAMETER, inspire_ticket_on_ready(NULL, NULL, NULL, NULL));
    CHECK(count == 5 && limit == 5);

    GIVES(NULL_PARAMETER, inspire_auth_authenticate(NULL, &request, &principal, NULL));
    GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, NULL, &principal, NULL));
    GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, &request, NULL, NULL));
    request.value = null_with_length;
    GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, &request, &principal, NULL));
    /* A missing requirement is an error, not an open door. */
    request = request_with(INSPIRE_STR("Bearer a:b"), NULL);
    GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, &request, &principal, &err));
    CHECK(inspire_error_code(err) == INSPIRE_RESULT_NULL_PARAMETER);
    IS(inspire_error_detail(err), "request.requirement");
    inspire_error_free(err);
    inspire_requirement_free(any_key);
}

static void sizes_are_checked(const inspire_auth *auth)
{
    struct {
        inspire_request request;
        unsigned char tail[64];
    } longer;
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_auth_options options = cheap_options(":memory:");
    inspire_auth *other = NULL;

    memset(&longer, 0, sizeof longer);
    longer.request = request_with(INSPIRE_STR("Bearer a:b"), any_key);
    longer.request.struct_size = sizeof longer;
    GIVES(INVALID_CREDENTIAL, inspire_auth_authenticate(auth, &longer.request, &principal, NULL));
    longer.tail[63] = 1;
    GIVES(UNSUPPORTED_OPTION, inspire_auth_authenticate(auth, &longer.request, &principal, NULL));
    longer.request.struct_size = offsetof(inspire_request, routes) - 1;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &longer.request, &principal, NULL));
    longer.request.struct_size = (size_t)-1;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &longer.request, &principal, NULL));
    longer.request.struct_size = sizeof longer.request;
    principal.struct_size = 0;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &longer.request, &principal, NULL));
    options.struct_size = 0;
    GIVES(INVALID_ARGUMENT, inspire_auth_open(&options, &other, NULL));
    options.struct_size = 8;
    GIVES(INVALID_ARGUMENT, inspire_auth_open(&options, &other, NULL));
    CHECK(other == NULL);
    inspire_requirement_free(any_key);
}

/* What is refused when a handle is opened: sound options but for one change. */
#define REFUSED(code, change)                                          \
    do {                                                               \
        options = cheap_options(":memory:");                           \
        change;                                                        \
        GIVES(code, inspire_auth_open(&options, &other, NULL));        \
    } while (0)

/* Sound options but for one change in those of the server. */
#define REFUSED_SERVER(code, change)                                   \
    do {                                                               \
        options = cheap_options(":memory:");                           \
        server = sound;                                                \
        options.server = &server;                                      \
        change;                                                        \
        GIVES(code, inspire_auth_open(&options, &other, NULL));        \
        CHECK(other == NULL);                                          \
    } while (0)

static void a_server_is_checked(void)
{
    struct {
        inspire_server server;
        unsigned char tail[64];
    } longer;
    const inspire_server empty = INSPIRE_SERVER_INIT;
    inspire_server sound = INSPIRE_SERVER_INIT, server;
    inspire_auth_options options;
    inspire_auth *other = NULL;
    inspire_str host = INSPIRE_STR("licensing.example");
    sound.url = INSPIRE_STR("https://licensing.example/v1");
    sound.proxy = INSPIRE_PROXY_NONE;

    REFUSED_SERVER(INVALID_ARGUMENT, server.struct_size = 0);
    REFUSED_SERVER(INVALID_ARGUMENT, server.struct_size = sizeof server - 1);
    REFUSED_SERVER(INVALID_ARGUMENT, server.struct_size = (size_t)-1);
    REFUSED_SERVER(INVALID_ARGUMENT, server = empty);
    REFUSED_SERVER(INVALID_ARGUMENT, server.url = not_utf8);
    REFUSED_SERVER(NULL_PARAMETER, server.url = null_with_length);
    REFUSED_SERVER(INVALID_ARGUMENT, server.url = INSPIRE_STR("licensing.example"));
    REFUSED_SERVER(INVALID_ARGUMENT, server.url = INSPIRE_STR("http://licensing.example/v1"));
    REFUSED_SERVER(INVALID_ARGUMENT, server.url = INSPIRE_STR("https://user:password@licensing.example/v1"));
    REFUSED_SERVER(INVALID_ARGUMENT, server.account = INSPIRE_STR(""));
    REFUSED_SERVER(INVALID_ARGUMENT, server.account = not_utf8);
    REFUSED_SERVER(INVALID_ARGUMENT, server.account_id = not_utf8);
    REFUSED_SERVER(INVALID_ARGUMENT, server.signing_host = not_utf8);
    REFUSED_SERVER(NULL_PARAMETER, server.ca_file.len = 3);
    REFUSED_SERVER(NULL_PARAMETER, server.allowed_host_count = 1);
    REFUSED_SERVER(INVALID_ARGUMENT,
                   (server.allowed_hosts = &not_utf8, server.allowed_host_count = 1));
    REFUSED_SERVER(INVALID_ARGUMENT,
                   (server.allowed_hosts = &host, server.allowed_host_count = (size_t)-1 / 2));
    REFUSED_SERVER(INVALID_ARGUMENT, server.proxy = 3);
    REFUSED_SERVER(INVALID_ARGUMENT, server.proxy = INSPIRE_PROXY_URL);
    REFUSED_SERVER(INVALID_ARGUMENT, server.proxy_url = INSPIRE_STR("http://proxy.example:3128"));
    REFUSED_SERVER(INVALID_ARGUMENT, (server.proxy_url = not_utf8, server.proxy = INSPIRE_PROXY_URL));
    REFUSED_SERVER(INVALID_ARGUMENT, server.auto_refresh = 2);
    REFUSED_SERVER(NETWORK_POLICY,
                   (server.allowed_hosts = &host, server.allowed_host_count = 1,
                    server.url = INSPIRE_STR("https://another.example/v1")));

    /* A newer header's structure, as long as it uses nothing new. */
    memset(&longer, 0, sizeof longer);
    longer.server = sound;
    longer.server.struct_size = sizeof longer;
    options = cheap_options(":memory:");
    options.server = &longer.server;
    GIVES(OK, inspire_auth_open(&options, &other, NULL));
    inspire_auth_free(other);
    other = NULL;
    longer.tail[63] = 1;
    GIVES(UNSUPPORTED_OPTION, inspire_auth_open(&options, &other, NULL));
    CHECK(other == NULL);
}

static void a_signed_license_key_is_read(void)
{
    /* Keygen's own; see shared/vectors/keygen/key-ed25519-test1. */
    inspire_str text = INSPIRE_STR("key/eyJ0ZXN0IjoxfQ==._f34UAAtNKM8TXGLlnblBGCLSy22Oa_gjp4jn0CpvEuwQ2gAcH0IntFKwtby"
                                   "V5iWnH9_x8l0R144oHp2_GviAw==");
    inspire_trusted_key trusted;
    inspire_signed_key *key = NULL;
    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("keygen");
    trusted.public_key = INSPIRE_STR("e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788");
    GIVES(OK, inspire_signed_key_read(text, &trusted, 1, 0, &key, NULL));
    IS(inspire_signed_key_key_id(key), "keygen");
    IS(inspire_signed_key_dataset(key), "{\"test\":1}");
    CHECK(inspire_signed_key_license(key).data == NULL && inspire_signed_key_product(key).data == NULL);
    CHECK(inspire_signed_key_created_at(key) == INSPIRE_NEVER && inspire_signed_key_expires_at(key) == INSPIRE_NEVER);
    inspire_signed_key_free(key);
    trusted.not_after = 1800000000;
    GIVES(OK, inspire_signed_key_read(text, &trusted, 1, 1799999999, &key, NULL));
    inspire_signed_key_free(key);
    GIVES(LICENSE_SIGNATURE_INVALID, inspire_signed_key_read(text, &trusted, 1, 1800000000, &key, NULL));
    CHECK(key == NULL);
    GIVES(LICENSE_SIGNATURE_INVALID, inspire_signed_key_read(text, NULL, 0, 0, &key, NULL));
    GIVES(LICENSE_MALFORMED, inspire_signed_key_read(INSPIRE_STR("ABCD-EFGH"), &trusted, 1, 0, &key, NULL));
    GIVES(LICENSE_UNSUPPORTED_ALGORITHM, inspire_signed_key_read(INSPIRE_STR("key/e30.e30"), NULL, 0, 0, &key, NULL));
    GIVES(INVALID_ARGUMENT, inspire_signed_key_read(not_utf8, &trusted, 1, 0, &key, NULL));
    trusted.public_key = INSPIRE_STR("nonsense");
    GIVES(INVALID_ARGUMENT, inspire_signed_key_read(text, &trusted, 1, 0, &key, NULL));
    CHECK(key == NULL);
}

static void values_are_checked(const inspire_auth *auth)
{
    inspire_requirement *any_key = require(auth, "Authenticated"), *requirement = NULL;
    inspire_requirement_spec spec = {INSPIRE_REQUIRE_NONE, NULL, 0};
    inspire_request request = request_with(INSPIRE_STR("Bearer a:b"), any_key);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_auth_options options;
    inspire_caller caller = INSPIRE_CALLER_INIT;
    inspire_key_spec key_spec = INSPIRE_KEY_SPEC_INIT;
    inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
    inspire_inspect_options inspect = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_created_key *created = NULL;
    inspire_key *key = NULL;
    inspire_inspection *found = NULL;
    inspire_auth *other = NULL;
    inspire_str name = INSPIRE_STR("some-name"), level;

    request.channel = 3;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.channel = INSPIRE_CHANNEL_SECURE;
    request.presented = 3;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.presented = INSPIRE_PRESENTED_AUTHORIZATION;
    request.entitlement = not_utf8;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &request, &principal, NULL));
    /* Header values are bytes. */
    request.entitlement = none;
    request.value = not_utf8;
    GIVES(MALFORMED_CREDENTIAL, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.presented = INSPIRE_PRESENTED_HEADERS;
    request.header_count = (size_t)-1 / 8;
    GIVES(NULL_PARAMETER, inspire_auth_authenticate(auth, &request, &principal, NULL));

    GIVES(INVALID_ARGUMENT, inspire_requirement_compile(auth, &spec, &requirement, NULL));
    spec.kind = 3;
    GIVES(INVALID_ARGUMENT, inspire_requirement_compile(auth, &spec, &requirement, NULL));
    spec.kind = INSPIRE_REQUIRE_ALL;
    spec.level_count = 1;
    GIVES(NULL_PARAMETER, inspire_requirement_compile(auth, &spec, &requirement, NULL));
    level = not_utf8;
    spec.levels = &level;
    GIVES(INVALID_ARGUMENT, inspire_requirement_compile(auth, &spec, &requirement, NULL));
    level = INSPIRE_STR("A,B");
    GIVES(INVALID_LEVEL, inspire_requirement_compile(auth, &spec, &requirement, NULL));
    GIVES(INVALID_ARGUMENT, inspire_requirement_parse(auth, not_utf8, &requirement, NULL));
    GIVES(INVALID_LEVEL, inspire_requirement_parse(auth, none, &requirement, NULL));

    REFUSED(INVALID_ARGUMENT, options.store = none);
    REFUSED(INVALID_ARGUMENT, options.flags = 16);
    REFUSED(INVALID_ARGUMENT, options.level_mode = 2);
    REFUSED(INVALID_ARGUMENT, options.enforcement = 3);
    REFUSED(INVALID_ARGUMENT, options.scheme = 2);
    REFUSED(INVALID_ARGUMENT, options.write_requirement.kind = 3);
    REFUSED(INVALID_ARGUMENT, options.realm = INSPIRE_STR("a\"b"));
    REFUSED(NULL_PARAMETER, options.pepper_count = 1);
    REFUSED(INVALID_ARGUMENT, options.audit_chain = 2);
    REFUSED(INVALID_ARGUMENT, options.audit_on_failure = 2);
    REFUSED(INVALID_ARGUMENT, options.audit_on_failure = INSPIRE_AUDIT_FAILURE_DENY_MUTATIONS);
    REFUSED(INVALID_ARGUMENT, options.audit_keep = 10);
    REFUSED(NULL_PARAMETER, options.audit_file.len = 20);
    REFUSED(INVALID_ARGUMENT, options.audit_file = INSPIRE_STR("/"));
    options.audit_file = INSPIRE_STR("/tmp/audit.log");
    options.audit_max_bytes = 65535;
    GIVES(INVALID_ARGUMENT, inspire_auth_open(&options, &other, NULL));
    options.audit_max_bytes = 0;
    options.audit_keep = 1001;
    GIVES(INVALID_ARGUMENT, inspire_auth_open(&options, &other, NULL));
    options = cheap_options("/nowhere/at/all.db");
    GIVES(STORE_UNAVAILABLE, inspire_auth_open(&options, &other, NULL));

    /* Nobody is not somebody. */
    key_spec.name = name;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    caller.actor = 3;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    caller.actor = INSPIRE_ACTOR_PRINCIPAL;
    GIVES(NULL_PARAMETER, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    caller.actor = INSPIRE_ACTOR_SYSTEM;
    caller.principal = &principal;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    caller = by_system();
    caller.reserved = 1;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    caller = by_system();
    key_spec.flags = 4;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    key_spec.flags = 0;
    key_spec.expires_at = -1;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    key_spec.expires_at = 0;
    key_spec.description = not_utf8;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    key_spec.description = none;
    key_spec.name = not_utf8;
    GIVES(INVALID_ARGUMENT, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    key_spec.name = none;
    GIVES(INVALID_NAME, inspire_key_create(auth, &key_spec, &caller, &created, NULL));
    key_spec.name = name;
    GIVES(INVALID_ARGUMENT, inspire_key_import(auth, &key_spec, 0, name, 0, &caller, &key, NULL));
    GIVES(INVALID_ARGUMENT, inspire_key_import(auth, &key_spec, 1, name, 2, &caller, &key, NULL));
    CHECK(created == NULL && key == NULL);

    GIVES(INVALID_ARGUMENT, inspire_key_update(auth, name, INSPIRE_REVISION_ANY, &changes, &caller, &key, NULL));
    changes.set = 32;
    GIVES(INVALID_ARGUMENT, inspire_key_update(auth, name, 1, &changes, &caller, &key, NULL));
    changes.set = INSPIRE_SET_ENABLED;
    changes.enabled = 2;
    GIVES(INVALID_ARGUMENT, inspire_key_update(auth, name, 1, &changes, &caller, &key, NULL));
    changes.set = INSPIRE_SET_LEVELS; /* what is not set is not looked at */
    GIVES(NOT_FOUND, inspire_key_update(auth, name, 1, &changes, &caller, &key, NULL));
    GIVES(INVALID_ARGUMENT, inspire_key_set_enabled(auth, name, 2, 1, &caller, &key, NULL));
    inspect.flags = 2;
    GIVES(INVALID_ARGUMENT, inspire_inspection_run(name, &inspect, &found, NULL));
    CHECK(found == NULL);
    inspect.flags = 0;
    GIVES(LICENSE_MALFORMED, inspire_inspection_run(none, &inspect, &found, NULL));
    CHECK(found != NULL);
    inspire_inspection_free(found);

    principal.name_len = 65;
    GIVES(INVALID_ARGUMENT, inspire_principal_recheck(auth, &principal, any_key, 0, NULL));
    principal.name_len = 0;
    principal.channel = 9;
    GIVES(INVALID_ARGUMENT, inspire_principal_recheck(auth, &principal, any_key, 0, NULL));
    inspire_requirement_free(any_key);
}

/* A principal that was written by hand, or that has outlived its key, is nobody. */
static void a_made_up_principal_is_nobody(const inspire_auth *auth)
{
    inspire_requirement *any_key = require(auth, "Authenticated"), *everyone = require(auth, "Public");
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_caller caller = INSPIRE_CALLER_INIT;
    inspire_str_list *levels = NULL;
    memset(principal.id, 7, sizeof principal.id);
    strcpy(principal.name, "admin");
    principal.name_len = 5;
    principal.channel = INSPIRE_CHANNEL_SECURE;
    GIVES(INVALID_CREDENTIAL, inspire_principal_recheck(auth, &principal, any_key, 0, NULL));
    GIVES(INVALID_CREDENTIAL, inspire_principal_recheck(auth, &principal, everyone, 0, NULL));
    GIVES(INVALID_CREDENTIAL, inspire_principal_levels(auth, &principal, &levels, NULL));
    caller.actor = INSPIRE_ACTOR_PRINCIPAL;
    caller.principal = &principal;
    GIVES(PERMISSION_DENIED, inspire_key_delete(auth, INSPIRE_STR("x"), INSPIRE_REVISION_ANY, &caller, NULL));
    inspire_requirement_free(any_key);
    inspire_requirement_free(everyone);
}

int main(void)
{
    inspire_auth *auth = open_at(":memory:");
    null_is_ignored_by_free();
    null_is_nothing_to_accessors();
    null_is_a_code(auth);
    sizes_are_checked(auth);
    values_are_checked(auth);
    a_made_up_principal_is_nobody(auth);
    a_server_is_checked();
    a_signed_license_key_is_read();
    inspire_auth_free(auth);
    return 0;
}
