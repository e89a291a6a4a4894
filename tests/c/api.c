/* The whole API, walked from end to end as a host would. */
#include "check.h"

static const int64_t now = 1800000000;
static const char description[] =
    "{\"id\":\"lic-1\",\"key\":\"ABCD-EFGH-IJKL\",\"name\":\"Plant 3\",\"product\":\"gateway\","
    "\"limits\":{\"MAX_DISPLAYS\":4,\"AI_CREDITS_MONTHLY\":-1},\"metadata\":{\"plan\":\"gold\"},"
    "\"entitlements\":[\"VIDEO_WALL_SYNC\",\"OFFLINE_LICENSING\"],\"fingerprint\":\"machine-7\",\"ttl\":864000}";

static int heard;

static void hear(void *userdata, const inspire_audit_event *event)
{
    CHECK(userdata == &heard);
    CHECK(event->event.len > 0 && event->event.data[event->event.len] == '\0');
    heard++;
}

static void wake(void *userdata)
{
    __atomic_store_n((int *)userdata, 1, __ATOMIC_SEQ_CST);
}

static void a_key_begins_and_ends(const inspire_auth *auth)
{
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_str levels[2];
    inspire_created_key *created = NULL, *copy = NULL, *rotated = NULL;
    inspire_key *key = NULL;
    inspire_keys *keys = NULL;
    const inspire_key *record;

    levels[0] = INSPIRE_STR("Plant/Line");
    levels[1] = INSPIRE_STR("Office");
    spec.name = INSPIRE_STR("first");
    spec.description = INSPIRE_STR("for the line");
    spec.levels = levels;
    spec.level_count = 2;
    spec.expires_at = now + 1000;
    spec.flags = INSPIRE_KEY_ALLOW_INSECURE;
    caller.now = now;
    GIVES(OK, inspire_key_create(auth, &spec, &caller, &created, NULL));
    record = inspire_created_key_record(created);
    IS(inspire_key_name(record), "first");
    IS(inspire_key_type(record), "basic-token");
    IS(inspire_key_description(record), "for the line");
    CHECK(inspire_key_id(record).len == 36);
    CHECK(inspire_str_list_count(inspire_key_levels(record)) == 2);
    IS(inspire_str_list_at(inspire_key_levels(record), 0), "Office");
    IS(inspire_str_list_at(inspire_key_levels(record), 1), "Plant/Line");
    CHECK(inspire_str_list_at(inspire_key_levels(record), 2).data == NULL);
    CHECK(!inspire_key_require_secure(record) && inspire_key_enabled(record));
    CHECK(inspire_key_created_at(record) == now && inspire_key_updated_at(record) == now);
    CHECK(inspire_key_expires_at(record) == now + 1000);
    CHECK(inspire_key_last_used_at(record) == INSPIRE_NEVER);
    CHECK(inspire_key_revision(record) == 1);
    CHECK(inspire_key_origin(record) == INSPIRE_ORIGIN_GENERATED);
    CHECK(inspire_created_key_secret(created).len == 53);
    CHECK(strncmp(inspire_created_key_credential(created).data, "first:isk_", 10) == 0);
    CHECK(strncmp(inspire_created_key_rfc6750(created).data, "first~isk_", 10) == 0);
    CHECK(inspire_str_list_count(inspire_created_key_ignored_levels(created)) == 0);
    GIVES(NAME_TAKEN, inspire_key_create(auth, &spec, &caller, &copy, NULL));
    CHECK(copy == NULL);

    GIVES(OK, inspire_key_get(auth, INSPIRE_STR("first"), &key, NULL));
    IS(inspire_key_description(key), "for the line");
    inspire_key_free(key);

    {
        inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
        changes.set = INSPIRE_SET_DESCRIPTION | INSPIRE_SET_EXPIRES_AT | INSPIRE_SET_REQUIRE_SECURE;
        changes.description = INSPIRE_STR("changed");
        changes.require_secure = 1;
        GIVES(CONFLICT, inspire_key_update(auth, INSPIRE_STR("first"), 9, &changes, &caller, &key, NULL));
        GIVES(OK, inspire_key_update(auth, INSPIRE_STR("first"), 1, &changes, &caller, &key, NULL));
        IS(inspire_key_description(key), "changed");
        CHECK(inspire_key_expires_at(key) == INSPIRE_NEVER && inspire_key_require_secure(key));
        CHECK(inspire_key_revision(key) == 2);
        CHECK(inspire_str_list_count(inspire_key_levels(key)) == 2);
        inspire_key_free(key);
    }

    GIVES(OK, inspire_key_rename(auth, INSPIRE_STR("first"), INSPIRE_STR("second"), 2, &caller, &key, NULL));
    IS(inspire_key_name(key), "second");
    inspire_key_free(key);
    GIVES(NOT_FOUND, inspire_key_get(auth, INSPIRE_STR("first"), &key, NULL));
    GIVES(OK, inspire_key_set_enabled(auth, INSPIRE_STR("second"), 0, INSPIRE_REVISION_ANY, &caller, &key, NULL));
    CHECK(!inspire_key_enabled(key));
    inspire_key_free(key);
    GIVES(OK, inspire_key_duplicate(auth, INSPIRE_STR("second"), INSPIRE_STR("third"), INSPIRE_REVISION_ANY, &caller,
                                    &copy, NULL));
    CHECK(!inspire_key_enabled(inspire_created_key_record(copy)));
    GIVES(OK, inspire_key_rotate(auth, INSPIRE_STR("second"), 0, INSPIRE_REVISION_ANY, &caller, &rotated, NULL));
    CHECK(!str_is(inspire_created_key_secret(rotated), inspire_created_key_secret(created).data));
    inspire_created_key_free(rotated);
    GIVES(INVALID_ARGUMENT,
          inspire_key_rotate(auth, INSPIRE_STR("second"), UINT64_MAX, INSPIRE_REVISION_ANY, &caller, &rotated, NULL));

    spec.name = INSPIRE_STR("elsewhere");
    GIVES(OK, inspire_key_import(auth, &spec, INSPIRE_HASH_PHC,
                                 INSPIRE_STR("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$"
                                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                                 INSPIRE_STRENGTH_CHOSEN, &caller, &key, NULL));
    CHECK(inspire_key_origin(key) == INSPIRE_ORIGIN_IMPORTED);
    inspire_key_free(key);
    GIVES(INVALID_HASH, inspire_key_import(auth, &spec, INSPIRE_HASH_PHC, INSPIRE_STR("x"), INSPIRE_STRENGTH_CHOSEN,
                                           &caller, &key, NULL));
    {
        inspire_key_spec other = spec;
        inspire_import imports[2];
        inspire_error *err = NULL;
        uint64_t imported = 7;
        memset(imports, 0, sizeof imports);
        spec.name = INSPIRE_STR("many");
        imports[0].spec = &spec;
        imports[0].hash = INSPIRE_STR("Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU");
        imports[0].format = INSPIRE_HASH_IGNITION;
        imports[0].strength = INSPIRE_STRENGTH_RANDOM;
        imports[1] = imports[0];
        imports[1].spec = &other;
        GIVES(NAME_TAKEN, inspire_key_import_all(auth, imports, 2, &caller, &imported, &err));
        IS(inspire_error_detail(err), "import 1 (elsewhere)");
        inspire_error_free(err);
        GIVES(NOT_FOUND, inspire_key_get(auth, spec.name, &key, NULL));
        imports[1].format = 0;
        GIVES(INVALID_ARGUMENT, inspire_key_import_all(auth, imports, 2, &caller, &imported, &err));
        CHECK(strncmp(inspire_error_detail(err).data, "import 1: ", 10) == 0);
        inspire_error_free(err);
        CHECK(imported == 7);
        GIVES(OK, inspire_key_import_all(auth, NULL, 0, &caller, &imported, NULL));
        CHECK(imported == 0);
        imports[1].format = INSPIRE_HASH_IGNITION;
        other.name = INSPIRE_STR("more");
        GIVES(OK, inspire_key_import_all(auth, imports, 2, &caller, &imported, NULL));
        CHECK(imported == 2);
        GIVES(OK, inspire_key_delete(auth, spec.name, INSPIRE_REVISION_ANY, &caller, NULL));
        GIVES(OK, inspire_key_delete(auth, other.name, INSPIRE_REVISION_ANY, &caller, NULL));
    }

    {
        inspire_key_filter filter = INSPIRE_KEY_FILTER_INIT;
        GIVES(OK, inspire_key_list(auth, NULL, &keys, NULL));
        CHECK(inspire_keys_count(keys) == 3);
        IS(inspire_key_name(inspire_keys_at(keys, 0)), "elsewhere");
        IS(inspire_key_name(inspire_keys_at(keys, 2)), "third");
        CHECK(inspire_keys_at(keys, 3) == NULL);
        inspire_keys_free(keys);
        filter.after = INSPIRE_STR("elsewhere");
        filter.level = INSPIRE_STR("Plant");
        filter.limit = 1;
        GIVES(OK, inspire_key_list(auth, &filter, &keys, NULL));
        CHECK(inspire_keys_count(keys) == 1);
        IS(inspire_key_name(inspire_keys_at(keys, 0)), "second");
        inspire_keys_free(keys);
        GIVES(OK, inspire_key_export(auth, &keys, NULL));
        CHECK(inspire_keys_count(keys) == 3);
        inspire_keys_free(keys);
    }

    GIVES(CONFLICT, inspire_key_delete(auth, INSPIRE_STR("third"), 7, &caller, NULL));
    GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("third"), 1, &caller, NULL));
    GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("second"), INSPIRE_REVISION_ANY, &caller, NULL));
    GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("elsewhere"), INSPIRE_REVISION_ANY, &caller, NULL));
    /* What was given stays, whatever becomes of the key. */
    IS(inspire_key_name(record), "first");
    inspire_created_key_free(copy);
    inspire_created_key_free(created);
}

static void a_request_is_decided(const inspire_auth *auth)
{
    inspire_created_key *created = create_key(auth, "caller", "Plant/Line/3");
    inspire_requirement *line = require(auth, "any(Plant/Line)"), *office = require(auth, "all(Office, Plant)");
    inspire_requirement *everyone = require(auth, "Public"), *nobody = NULL;
    inspire_request request = request_with(bearer(created), line);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT, anonymous = INSPIRE_PRINCIPAL_INIT;
    inspire_requirement_spec none = {INSPIRE_REQUIRE_ANY, NULL, 0};
    inspire_str_list *list = NULL;
    inspire_error *err = NULL;

    IS(inspire_requirement_text(office), "all(Office, Plant)");
    GIVES(OK, inspire_requirement_compile(auth, &none, &nobody, NULL));
    IS(inspire_requirement_text(nobody), "any()");

    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));
    CHECK(strcmp(principal.name, "caller") == 0 && principal.name_len == 6);
    CHECK(principal.revision == 1 && principal.channel == INSPIRE_CHANNEL_SECURE);
    CHECK(principal.warning == INSPIRE_RESULT_OK && principal.struct_size == sizeof principal);

    GIVES(OK, inspire_principal_levels(auth, &principal, &list, NULL));
    CHECK(inspire_str_list_count(list) == 2);
    IS(inspire_str_list_at(list, 0), "Authenticated");
    IS(inspire_str_list_at(list, 1), "Plant/Line/3");
    inspire_str_list_free(list);
    GIVES(OK, inspire_principal_explain(auth, &principal, office, &list, NULL));
    CHECK(inspire_str_list_count(list) == 1);
    IS(inspire_str_list_at(list, 0), "Office");
    inspire_str_list_free(list);
    GIVES(OK, inspire_principal_recheck(auth, &principal, line, 0, NULL));
    GIVES(INSUFFICIENT_LEVEL, inspire_principal_recheck(auth, &principal, office, 0, NULL));

    request.requirement = office;
    GIVES(INSUFFICIENT_LEVEL, inspire_auth_authenticate(auth, &request, &anonymous, &err));
    CHECK(inspire_error_code(err) == INSPIRE_RESULT_INSUFFICIENT_LEVEL);
    CHECK(strstr(inspire_error_detail(err).data, "Office") != NULL);
    CHECK(anonymous.name_len == 0);
    inspire_error_free(err);
    request.requirement = nobody;
    GIVES(INSUFFICIENT_LEVEL, inspire_auth_authenticate(auth, &request, &anonymous, NULL));
    request.requirement = line;
    request.channel = INSPIRE_CHANNEL_PLAIN;
    GIVES(SECURE_CHANNEL_REQUIRED, inspire_auth_authenticate(auth, &request, &anonymous, NULL));
    request.presented = INSPIRE_PRESENTED_LEGACY;
    request.channel = INSPIRE_CHANNEL_SECURE;
    request.value = inspire_created_key_credential(created);
    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.value = inspire_created_key_rfc6750(created);
    GIVES(MALFORMED_CREDENTIAL, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.presented = INSPIRE_PRESENTED_HEADERS;
    GIVES(NO_CREDENTIAL, inspire_auth_authenticate(auth, &request, &principal, NULL));
    request.requirement = everyone;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &anonymous, NULL));
    CHECK(anonymous.name_len == 0 && anonymous.name[0] == '\0');
    {
        inspire_caller by_nobody = INSPIRE_CALLER_INIT;
        by_nobody.actor = INSPIRE_ACTOR_PRINCIPAL;
        by_nobody.principal = &anonymous;
        GIVES(PERMISSION_DENIED,
              inspire_key_delete(auth, INSPIRE_STR("caller"), INSPIRE_REVISION_ANY, &by_nobody, NULL));
    }

    CHECK(inspire_auth_http_status(auth, INSPIRE_RESULT_OK) == 200);
    CHECK(inspire_auth_http_status(auth, INSPIRE_RESULT_MALFORMED_CREDENTIAL) == 400);
    CHECK(inspire_auth_http_status(auth, 7) == 500);
    IS(inspire_auth_challenge(auth, INSPIRE_RESULT_NO_CREDENTIAL), "Bearer realm=\"plant\"");
    IS(inspire_auth_challenge(auth, INSPIRE_RESULT_INVALID_CREDENTIAL),
       "Bearer realm=\"plant\", error=\"invalid_token\"");
    CHECK(inspire_auth_challenge(auth, INSPIRE_RESULT_OK).data == NULL);
    CHECK(inspire_auth_retry_after(auth, INSPIRE_RESULT_BUSY) == 1);
    CHECK(inspire_auth_retry_after(auth, INSPIRE_RESULT_OK) == 0);

    inspire_requirement_free(line);
    inspire_requirement_free(office);
    inspire_requirement_free(everyone);
    inspire_requirement_free(nobody);
    inspire_created_key_free(created);
}

static void a_proxy_is_believed_when_trusted(const inspire_auth *auth)
{
    inspire_proxies *proxies = NULL;
    inspire_header header;
    uint32_t channel = 9;
    header.name = INSPIRE_STR("x-forwarded-proto");
    header.value = INSPIRE_STR("https");
    GIVES(INVALID_ARGUMENT, inspire_proxies_parse(INSPIRE_STR("10.0.0.0/99"), &proxies, NULL));
    GIVES(OK, inspire_proxies_parse(INSPIRE_STR("10.0.0.0/8, ::1"), &proxies, NULL));
    GIVES(OK, inspire_proxies_channel(proxies, INSPIRE_STR("10.1.2.3"), INSPIRE_CHANNEL_PLAIN, &header, 1, &channel,
                                      NULL));
    CHECK(channel == INSPIRE_CHANNEL_SECURE);
    GIVES(OK, inspire_proxies_channel(proxies, INSPIRE_STR("11.1.2.3"), INSPIRE_CHANNEL_PLAIN, &header, 1, &channel,
                                      NULL));
    CHECK(channel == INSPIRE_CHANNEL_PLAIN);
    inspire_proxies_free(proxies);
    IS(inspire_auth_credential_header(auth, 0), "Authorization");
    IS(inspire_auth_credential_header(auth, 1), "X-Ignition-API-Token");
    CHECK(inspire_auth_credential_header(auth, 2).data == NULL);
}

static void a_host_does_not_block(const inspire_auth *auth)
{
    inspire_created_key *created = create_key(auth, "cold", NULL);
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_request request = request_with(bearer(created), any_key);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_ticket *ticket = NULL, *again = NULL;
    int woken = 0;

    GIVES(PENDING, inspire_auth_authenticate_no_wait(auth, &request, &principal, &ticket, NULL));
    CHECK(ticket != NULL);
    GIVES(OK, inspire_ticket_on_ready(ticket, wake, &woken, NULL));
    GIVES(OK, inspire_ticket_wait(ticket, INSPIRE_WAIT_FOREVER, &principal, NULL));
    CHECK(strcmp(principal.name, "cold") == 0);
    GIVES(OK, inspire_ticket_poll(ticket, &principal, NULL));
    while (!__atomic_load_n(&woken, __ATOMIC_SEQ_CST))
        GIVES(OK, inspire_ticket_wait(ticket, 1, &principal, NULL));
    inspire_ticket_cancel(ticket); /* too late: it is decided */
    GIVES(OK, inspire_ticket_poll(ticket, &principal, NULL));
    inspire_ticket_free(ticket);

    /* Now it is warm. */
    GIVES(OK, inspire_auth_authenticate_no_wait(auth, &request, &principal, &ticket, NULL));
    CHECK(ticket == NULL);
    request.value = INSPIRE_STR("Bearer cold:wrong");
    GIVES(INVALID_CREDENTIAL, inspire_auth_authenticate_no_wait(auth, &request, &principal, &ticket, NULL));

    inspire_created_key_free(created);
    created = create_key(auth, "colder", NULL);
    request.value = bearer(created);
    GIVES(PENDING, inspire_auth_authenticate_no_wait(auth, &request, &principal, &again, NULL));
    inspire_ticket_cancel(again);
    GIVES(CANCELLED, inspire_ticket_wait(again, 0, &principal, NULL));
    inspire_ticket_free(again);
    inspire_created_key_free(created);
    inspire_requirement_free(any_key);
}

static void a_license_is_signed_and_inspected(inspire_str *public_key, inspire_text **file)
{
    inspire_signing_key *key = NULL, *read = NULL;
    inspire_inspect_options options = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_inspection *found = NULL;
    inspire_trusted_key trusted;
    static char public_hex[65];

    GIVES(OK, inspire_signing_key_generate(&key, NULL));
    GIVES(OK, inspire_signing_key_read(inspire_signing_key_pem(key), &read, NULL));
    IS(inspire_signing_key_public(read), inspire_signing_key_public(key).data);
    memcpy(public_hex, inspire_signing_key_public(key).data, 65);
    *public_key = inspire_str_from(public_hex);
    GIVES(OK, inspire_signing_key_sign(key, inspire_str_from(description), INSPIRE_FILE_MACHINE, 1, now, file, NULL));
    inspire_signing_key_free(key);
    inspire_signing_key_free(read);

    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("vendor");
    trusted.public_key = *public_key;
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.now = now;
    GIVES(LICENSE_KEY_REQUIRED, inspire_inspection_run(inspire_text_str(*file), &options, &found, NULL));
    CHECK(found != NULL && inspire_inspection_failure_count(found) == 1);
    CHECK(inspire_inspection_failure_at(found, 0) == INSPIRE_RESULT_LICENSE_KEY_REQUIRED);
    CHECK(inspire_inspection_kind(found) == INSPIRE_FILE_MACHINE && !inspire_inspection_has_license(found));
    CHECK(inspire_inspection_license_id(found).data == NULL && inspire_inspection_limits(found) == NULL);
    inspire_inspection_free(found);

    options.license_key = INSPIRE_STR("ABCD-EFGH-IJKL");
    options.machine_id = INSPIRE_STR("machine-7");
    options.product = INSPIRE_STR("gateway");
    options.flags = INSPIRE_INSPECT_OFFLINE;
    GIVES(OK, inspire_inspection_run(inspire_text_str(*file), &options, &found, NULL));
    CHECK(inspire_inspection_failure_count(found) == 0 && inspire_inspection_has_license(found));
    IS(inspire_inspection_license_id(found), "lic-1");
    IS(inspire_inspection_license_key(found), "ABCD-EFGH-IJKL");
    IS(inspire_inspection_license_name(found), "Plant 3");
    CHECK(inspire_inspection_license_expires_at(found) == INSPIRE_NEVER);
    CHECK(inspire_inspection_issued_at(found) == now && inspire_inspection_file_expires_at(found) == now + 864000);
    IS(inspire_inspection_machine_fingerprint(found), "machine-7");
    CHECK(inspire_str_list_count(inspire_inspection_entitlements(found)) == 2);
    CHECK(inspire_limits_count(inspire_inspection_limits(found)) == 3);
    CHECK(strstr(inspire_inspection_metadata(found).data, "\"plan\":\"gold\"") != NULL);
    CHECK(inspire_inspection_license_status(found).data != NULL);
    inspire_inspection_free(found);

    options.now = now + 864000;
    GIVES(LICENSE_FILE_EXPIRED, inspire_inspection_run(inspire_text_str(*file), &options, &found, NULL));
    CHECK(inspire_inspection_has_license(found));
    inspire_inspection_free(found);
}

static void a_license_is_installed(const inspire_auth *auth, const inspire_text *file)
{
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_entitlements *table = NULL;
    inspire_limit limit;
    int64_t displays = 7;
    size_t at, granted = 0;

    caller.now = now + 10;
    GIVES(OK, inspire_license_status(auth, now, &license, NULL));
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_UNLICENSED);
    CHECK(inspire_license_reason(license) == INSPIRE_RESULT_UNLICENSED);
    CHECK(inspire_license_mode(license) == INSPIRE_LICENSE_MODE_NONE && inspire_license_key(license).data == NULL);
    inspire_license_free(license);
    GIVES(UNLICENSED, inspire_license_check_entitlement(auth, INSPIRE_STR("VIDEO_WALL_SYNC"), now, NULL));
    GIVES(UNLICENSED, inspire_license_revalidate(auth, &caller, &license, NULL));
    GIVES(UNLICENSED, inspire_license_deactivate(auth, &caller, &license, NULL));

    GIVES(LICENSE_KEY_OR_MACHINE_MISMATCH,
          inspire_license_activate_offline(auth, INSPIRE_STR("WRONG"), inspire_text_str(file), 0, &caller, &license,
                                           NULL));
    CHECK(license == NULL);
    GIVES(OK, inspire_license_activate_offline(auth, INSPIRE_STR("ABCD-EFGH-IJKL"), inspire_text_str(file), 0, &caller,
                                               &license, NULL));
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_ACTIVE);
    CHECK(inspire_license_reason(license) == INSPIRE_RESULT_OK);
    CHECK(inspire_license_mode(license) == INSPIRE_LICENSE_MODE_OFFLINE);
    IS(inspire_license_name(license), "Plant 3");
    IS(inspire_license_key(license), "********IJKL");
    CHECK(inspire_license_expires_at(license) == INSPIRE_NEVER);
    CHECK(inspire_license_lease_expires_at(license) == now + 864000);
    CHECK(inspire_license_last_validated_at(license) == now + 10);
    limit = inspire_limits_at(inspire_license_limits(license), 0);
    IS(limit.name, "AI_CREDITS_MONTHLY");
    CHECK(limit.value == INSPIRE_UNLIMITED);
    CHECK(inspire_limits_at(inspire_license_limits(license), 99).name.data == NULL);
    IS(inspire_str_list_at(inspire_license_entitlements(license), 1), "VIDEO_WALL_SYNC");
    CHECK(inspire_str_list_count(inspire_license_warnings(license)) == 0);
    inspire_license_free(license);

    GIVES(OK, inspire_license_check_entitlement(auth, INSPIRE_STR("video_wall_sync"), now, NULL));
    GIVES(NOT_ENTITLED, inspire_license_check_entitlement(auth, INSPIRE_STR("MFA"), now, NULL));
    GIVES(LICENSE_FILE_EXPIRED,
          inspire_license_check_entitlement(auth, INSPIRE_STR("VIDEO_WALL_SYNC"), now + 864000, NULL));
    GIVES(OK, inspire_license_limit(auth, INSPIRE_STR("MAX_DISPLAYS"), now, &displays, NULL));
    CHECK(displays == 4);
    GIVES(OK, inspire_license_check_limit(auth, INSPIRE_STR("MAX_DISPLAYS"), 4, now, NULL));
    GIVES(LIMIT_EXCEEDED, inspire_license_check_limit(auth, INSPIRE_STR("MAX_DISPLAYS"), 5, now, NULL));
    GIVES(OK, inspire_license_list_entitlements(auth, now, &table, NULL));
    CHECK(inspire_entitlements_count(table) == 10);
    for (at = 0; at < inspire_entitlements_count(table); at++) {
        inspire_entitlement row = inspire_entitlements_at(table, at);
        CHECK(row.code.data != NULL && row.feature.data != NULL);
        granted += row.granted;
    }
    CHECK(granted == 2 && inspire_entitlements_at(table, 10).code.data == NULL);
    inspire_entitlements_free(table);

    {
        inspire_created_key *created = create_key(auth, "walls", NULL);
        inspire_requirement *any_key = require(auth, "Authenticated");
        inspire_request request = request_with(bearer(created), any_key);
        inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
        request.now = now;
        request.entitlement = INSPIRE_STR("VIDEO_WALL_SYNC");
        GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));
        request.entitlement = INSPIRE_STR("MFA");
        GIVES(NOT_ENTITLED, inspire_auth_authenticate(auth, &request, &principal, NULL));
        CHECK(inspire_auth_http_status(auth, INSPIRE_RESULT_NOT_ENTITLED) == 402);
        request.entitlement = INSPIRE_STR("");
        GIVES(NOT_ENTITLED, inspire_auth_authenticate(auth, &request, &principal, NULL));
        inspire_requirement_free(any_key);
        inspire_created_key_free(created);
    }

    GIVES(NOT_AVAILABLE_OFFLINE, inspire_license_revalidate(auth, &caller, &license, NULL));
    GIVES(OK, inspire_license_deactivate(auth, &caller, &license, NULL));
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_UNLICENSED);
    inspire_license_free(license);
    GIVES(LICENSE_FILE_OLDER,
          inspire_license_activate_offline(auth, INSPIRE_STR("ABCD-EFGH-IJKL"), inspire_text_str(file), 1, &caller,
                                           &license, NULL));
}

static void machines_are_known(const inspire_auth *auth)
{
    inspire_machine *machine = NULL;
    inspire_machine_parts *parts = NULL;
    inspire_str none = INSPIRE_STR_INIT;
    GIVES(OK, inspire_machine_of(auth, &machine, NULL));
    IS(inspire_machine_fingerprint(machine), "machine-7");
    CHECK(inspire_machine_source(machine) == INSPIRE_MACHINE_FROM_OPTION);
    (void)inspire_machine_container(machine);
    inspire_machine_free(machine);
    GIVES(OK, inspire_machine_identify(INSPIRE_STR("other"), none, &machine, NULL));
    IS(inspire_machine_fingerprint(machine), "other");
    inspire_machine_free(machine);
    GIVES(OK, inspire_machine_explain(none, none, &parts, NULL));
    CHECK(inspire_machine_parts_count(parts) > 0);
    CHECK(inspire_machine_parts_at(parts, 0).name.data != NULL);
    CHECK(inspire_machine_parts_at(parts, 99).name.data == NULL);
    inspire_machine_parts_free(parts);
}

static void what_happened_is_written(const inspire_auth *auth)
{
    inspire_audit_log *log = NULL;
    inspire_audit_event event;
    GIVES(OK, inspire_auth_flush(auth, NULL));
    GIVES(OK, inspire_audit_log_read(auth, 100, &log, NULL));
    CHECK(inspire_audit_log_count(log) > 10 && heard > 10);
    event = inspire_audit_log_at(log, inspire_audit_log_count(log) - 1);
    IS(event.event, "key.created");
    IS(event.actor, "system");
    IS(event.subject, "first");
    CHECK(event.code == INSPIRE_RESULT_OK);
    CHECK(event.at == now && event.detail.data != NULL);
    CHECK(inspire_audit_log_at(log, 100000).event.data == NULL);
    inspire_audit_log_free(log);
}

static void figures_are_told(const inspire_auth *auth)
{
    static const char end[] = "# EOF\n";
    inspire_text *text = NULL;
    inspire_str figures;
    GIVES(OK, inspire_auth_metrics_text(auth, &text, NULL));
    figures = inspire_text_str(text);
    CHECK(strstr(figures.data, "inspire_apikey_verifications_total{result=\"OK\"} ") != NULL);
    CHECK(strstr(figures.data, "inspire_mutations_total{event=\"key.created\"} ") != NULL);
    CHECK(strcmp(figures.data + figures.len - strlen(end), end) == 0);
    inspire_text_free(text);
}

/* A file that nobody can make, under either policy. */
static void what_is_not_recorded_is_not_done(void)
{
    inspire_auth_options options = cheap_options(":memory:");
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_auth *auth = NULL;
    inspire_created_key *created = NULL;
    spec.name = INSPIRE_STR("first");
    options.audit_file = INSPIRE_STR("/dev/null/audit.log");
    options.audit_chain = 1;
    options.audit_on_failure = INSPIRE_AUDIT_FAILURE_DENY_MUTATIONS;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    GIVES(AUDIT_UNAVAILABLE, inspire_key_create(auth, &spec, &caller, &created, NULL));
    CHECK(created == NULL && inspire_auth_http_status(auth, INSPIRE_RESULT_AUDIT_UNAVAILABLE) == 503);
    inspire_auth_free(auth);
    options.audit_on_failure = INSPIRE_AUDIT_FAILURE_WARN;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    GIVES(OK, inspire_key_create(auth, &spec, &caller, &created, NULL));
    GIVES(AUDIT_UNAVAILABLE, inspire_auth_flush(auth, NULL));
    inspire_created_key_free(created);
    inspire_auth_free(auth);
}

static void a_store_is_backed_up(void)
{
    inspire_caller caller = by_system();
    inspire_restore_report *report = NULL;
    inspire_auth *auth;
    uint64_t sealed = 0;
    remove("api.db");
    remove("api.backup");
    auth = open_at("api.db");
    inspire_created_key_free(create_key(auth, "stays", NULL));
    inspire_created_key_free(create_key(auth, "goes", NULL));
    GIVES(OK, inspire_store_backup(INSPIRE_STR("api.db"), INSPIRE_STR("api.backup"), NULL));
    GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("goes"), INSPIRE_REVISION_ANY, &caller, NULL));
    inspire_created_key_free(create_key(auth, "new", NULL));
    GIVES(OK, inspire_store_restore(INSPIRE_STR("api.db"), INSPIRE_STR("api.backup"), 0, &report, NULL));
    CHECK(inspire_restore_report_counts(report).kept == 1);
    CHECK(inspire_restore_report_counts(report).stayed_deleted == 1);
    CHECK(inspire_restore_report_counts(report).deleted == 1);
    IS(inspire_str_list_at(inspire_restore_report_deleted(report), 0), "new");
    CHECK(inspire_restore_report_license(report) == INSPIRE_RESTORED_LICENSE_NONE);
    inspire_restore_report_free(report);
    GIVES(OK, inspire_auth_adopt_store(auth, NULL));
    GIVES(INVALID_ARGUMENT, inspire_key_seal_all(auth, &caller, &sealed, NULL));
    inspire_auth_free(auth);
}

static void principals_act(void)
{
    inspire_str admin = INSPIRE_STR("Admin"), both[2];
    inspire_pepper pepper;
    inspire_auth_options options = cheap_options(":memory:");
    inspire_caller system = by_system(), by_key = INSPIRE_CALLER_INIT;
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_created_key *created = NULL, *admin_key;
    inspire_requirement *any_key;
    inspire_request request;
    inspire_auth *auth = NULL;
    uint64_t sealed = 0;

    both[0] = admin;
    both[1] = INSPIRE_STR("Plant");
    pepper.id = INSPIRE_STR("2027");
    pepper.secret = INSPIRE_STR("0123456789abcdef");
    options.peppers = &pepper;
    options.pepper_count = 1;
    options.scheme = INSPIRE_SCHEME_HMAC_SHA256;
    options.level_mode = INSPIRE_LEVEL_MODE_IGNITION;
    options.write_requirement.kind = INSPIRE_REQUIRE_ANY;
    options.write_requirement.levels = &admin;
    options.write_requirement.level_count = 1;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    admin_key = create_key(auth, "admin", "Admin");
    any_key = require(auth, "Authenticated");
    request = request_with(bearer(admin_key), any_key);
    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));

    by_key.actor = INSPIRE_ACTOR_PRINCIPAL;
    by_key.principal = &principal;
    spec.name = INSPIRE_STR("made");
    spec.levels = both;
    spec.level_count = 2;
    GIVES(PERMISSION_DENIED, inspire_key_create(auth, &spec, &by_key, &created, NULL));
    spec.level_count = 1;
    GIVES(OK, inspire_key_create(auth, &spec, &by_key, &created, NULL));
    inspire_created_key_free(created);
    both[0] = INSPIRE_STR("SecurityZones/Plant");
    spec.name = INSPIRE_STR("zoned");
    GIVES(OK, inspire_key_create(auth, &spec, &system, &created, NULL));
    IS(inspire_str_list_at(inspire_created_key_ignored_levels(created), 0), "SecurityZones/Plant");
    inspire_created_key_free(created);
    GIVES(PERMISSION_DENIED, inspire_key_seal_all(auth, &by_key, &sealed, NULL));
    GIVES(OK, inspire_key_seal_all(auth, &system, &sealed, NULL));
    CHECK(sealed == 3);
    GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("admin"), INSPIRE_REVISION_ANY, &by_key, NULL));
    GIVES(PERMISSION_DENIED, inspire_key_delete(auth, INSPIRE_STR("made"), INSPIRE_REVISION_ANY, &by_key, NULL));
    GIVES(INVALID_CREDENTIAL, inspire_principal_recheck(auth, &principal, any_key, 0, NULL));

    inspire_requirement_free(any_key);
    inspire_created_key_free(admin_key);
    inspire_auth_free(auth);
}

static void the_table_is_whole(void)
{
    size_t at;
    inspire_result last = 0;
    CHECK(inspire_result_count() > 40);
    for (at = 0; at < inspire_result_count(); at++) {
        inspire_result code = inspire_result_at(at);
        CHECK(at == 0 || code > last);
        last = code;
        CHECK(inspire_result_name(code).len > 0 && inspire_result_message(code).len > 0);
        CHECK(inspire_result_admin_advice(code).len > 0 && inspire_result_developer_advice(code).len > 0);
    }
    CHECK(inspire_result_at(at) == INSPIRE_RESULT_INTERNAL);
    IS(inspire_result_name(INSPIRE_RESULT_LICENSE_EXPIRED), "LICENSE_EXPIRED");
    CHECK(inspire_result_name(7).data == NULL);
    CHECK(inspire_result_is_retryable(INSPIRE_RESULT_BUSY) && !inspire_result_is_retryable(INSPIRE_RESULT_NOT_FOUND));
    CHECK(inspire_result_http_status(INSPIRE_RESULT_BUSY) == 503 && inspire_result_http_status(7) == 0);
    CHECK(inspire_result_has_vector(INSPIRE_RESULT_OK) && !inspire_result_has_vector(INSPIRE_RESULT_NULL_PARAMETER));
}

int main(void)
{
    inspire_auth_options options = cheap_options(":memory:");
    inspire_trusted_key trusted;
    inspire_text *file = NULL;
    inspire_auth *auth = NULL;

    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("vendor");
    a_license_is_signed_and_inspected(&trusted.public_key, &file);

    options.realm = INSPIRE_STR("plant");
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.product = INSPIRE_STR("gateway");
    options.machine_id = INSPIRE_STR("machine-7");
    options.flags = INSPIRE_AUTH_PAYMENT_REQUIRED;
    options.audit = hear;
    options.audit_userdata = &heard;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    a_key_begins_and_ends(auth);
    a_request_is_decided(auth);
    a_proxy_is_believed_when_trusted(auth);
    a_host_does_not_block(auth);
    a_license_is_installed(auth, file);
    machines_are_known(auth);
    what_happened_is_written(auth);
    figures_are_told(auth);
    inspire_auth_free(auth);
    inspire_text_free(file);

    what_is_not_recorded_is_not_done();
    a_store_is_backed_up();
    principals_act();
    the_table_is_whole();
    return 0;
}
