/* No message, detail, audit event or listing holds a key, a pepper, a license key, a file's bytes, a signing key or a
 * proxy's password. */
#include "check.h"

static const char *secrets[16];
static size_t secret_count;
static int looked_at;

/* Also not a long piece of one. */
static void check_text(inspire_str text)
{
    size_t each, at;
    if (text.data == NULL)
        return;
    CHECK(strlen(text.data) == text.len);
    for (each = 0; each < secret_count; each++) {
        size_t length = strlen(secrets[each]), piece = length < 16 ? length : 16;
        for (at = 0; at + piece <= length; at += 4) {
            char needle[17] = {0};
            memcpy(needle, secrets[each] + at, piece);
            CHECK(strstr(text.data, needle) == NULL);
        }
    }
    looked_at++;
}

static void hear(void *userdata, const inspire_audit_event *event)
{
    (void)userdata;
    check_text(event->event);
    check_text(event->actor);
    check_text(event->subject);
    check_text(event->detail);
}

static void look(inspire_result result, inspire_error **err)
{
    CHECK(result != INSPIRE_RESULT_OK && *err != NULL && inspire_error_code(*err) == result);
    check_text(inspire_error_message(*err));
    check_text(inspire_error_detail(*err));
    inspire_error_free(*err);
    *err = NULL;
}

static void keep(inspire_str secret)
{
    char *copy = malloc(secret.len + 1);
    CHECK(copy != NULL && secret_count < sizeof secrets / sizeof *secrets);
    memcpy(copy, secret.data, secret.len);
    copy[secret.len] = '\0';
    secrets[secret_count++] = copy;
}

static inspire_str last_secret(void)
{
    return inspire_str_from(secrets[secret_count - 1]);
}

/* A licensing server that has no use for the license key. */
static inspire_result refuse(void *userdata, const inspire_http_request *request, inspire_http_answer *answer)
{
    uint32_t *status = userdata;
    (void)request;
    inspire_http_answer_set_status(answer, *status);
    (void)inspire_http_answer_add_body(
        answer, INSPIRE_STR("{\"errors\": [{\"title\": \"No\", \"detail\": \"not here\", \"code\": \"NOT_FOUND\"}]}"));
    return *status == 0 ? INSPIRE_RESULT_NETWORK_TLS : INSPIRE_RESULT_OK;
}

/* The license key is in every request; a proxy's password in an option. */
static void ask_servers(inspire_auth_options options, inspire_str license_key)
{
    static const uint32_t statuses[] = {0, 200, 401, 404, 422, 500};
    inspire_server server = INSPIRE_SERVER_INIT;
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_signed_key *signed_key = NULL;
    inspire_error *err = NULL;
    inspire_auth *auth = NULL;
    uint32_t status = 0;
    char url[160];
    size_t at;
    options.server = &server;
    server.url = INSPIRE_STR("https://licensing.example/v1");
    server.transport = refuse;
    server.transport_userdata = &status;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    for (at = 0; at < sizeof statuses / sizeof *statuses; at++) {
        status = statuses[at];
        look(inspire_license_activate_online(auth, license_key, &caller, &license, &err), &err);
    }
    inspire_auth_free(auth);

    keep(INSPIRE_STR("password-of-the-proxy"));
    snprintf(url, sizeof url, "http://plant:%s@127.0.0.1:9", last_secret().data);
    server.transport = NULL;
    server.proxy = INSPIRE_PROXY_URL;
    server.proxy_url = inspire_str_from(url);
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    look(inspire_license_activate_online(auth, license_key, &caller, &license, &err), &err);
    inspire_auth_free(auth);
    server.url = server.proxy_url;
    look(inspire_auth_open(&options, &auth, &err), &err);
    snprintf(url, sizeof url, "://plant:%s@", last_secret().data);
    server.url = INSPIRE_STR("https://licensing.example/v1");
    server.proxy_url = inspire_str_from(url);
    look(inspire_auth_open(&options, &auth, &err), &err);
    look(inspire_signed_key_read(license_key, NULL, 0, 0, &signed_key, &err), &err);
}

int main(void)
{
    static const char description[] =
        "{\"id\":\"lic-1\",\"key\":\"SECRET-LICENSE-KEY-0001\",\"entitlements\":[],"
        "\"fingerprint\":\"machine-secret-77\"}";
    inspire_auth_options options = cheap_options(":memory:");
    inspire_inspect_options inspect = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_import import;
    uint64_t imported = 0;
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_signing_key *signing = NULL, *read = NULL;
    inspire_inspection *found = NULL;
    inspire_license *license = NULL;
    inspire_text *file = NULL, *bad = NULL;
    inspire_trusted_key trusted;
    inspire_pepper pepper;
    inspire_created_key *created;
    inspire_requirement *office;
    inspire_request request;
    inspire_audit_log *log = NULL;
    inspire_keys *keys = NULL;
    inspire_key *key = NULL;
    inspire_error *err = NULL;
    inspire_auth *auth = NULL;
    char wrong[128];
    size_t at;

    keep(INSPIRE_STR("a pepper that nobody may see"));
    memset(&trusted, 0, sizeof trusted);
    pepper.id = INSPIRE_STR("2027");
    pepper.secret = last_secret();
    GIVES(OK, inspire_signing_key_generate(&signing, NULL));
    trusted.id = INSPIRE_STR("vendor");
    trusted.public_key = inspire_signing_key_public(signing);
    keep(INSPIRE_STR("machine-secret-77"));
    options.machine_id = last_secret();
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.peppers = &pepper;
    options.pepper_count = 1;
    options.audit = hear;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    created = create_key(auth, "holder", "Plant");
    keep(inspire_created_key_secret(created));
    office = require(auth, "Office");

    /* A key that is right, where it may not be used. */
    request = request_with(bearer(created), office);
    look(inspire_auth_authenticate(auth, &request, &principal, &err), &err);
    request.channel = INSPIRE_CHANNEL_PLAIN;
    look(inspire_auth_authenticate(auth, &request, &principal, &err), &err);
    request.presented = INSPIRE_PRESENTED_LEGACY;
    look(inspire_auth_authenticate(auth, &request, &principal, &err), &err);
    /* The same, mistyped: it is nearly a secret. */
    strcpy(wrong, inspire_created_key_credential(created).data);
    wrong[strlen(wrong) - 8] ^= 1;
    request.value = inspire_str_from(wrong);
    look(inspire_auth_authenticate(auth, &request, &principal, &err), &err);
    wrong[strlen(wrong) - 8] = '?';
    look(inspire_auth_authenticate(auth, &request, &principal, &err), &err);
    /* In the wrong place: as a name, a hash, a level, a requirement. */
    spec.name = inspire_created_key_credential(created);
    look(inspire_key_create(auth, &spec, &caller, NULL, &err), &err);
    look(inspire_key_get(auth, inspire_created_key_credential(created), &key, &err), &err);
    spec.name = INSPIRE_STR("other");
    look(inspire_key_import(auth, &spec, INSPIRE_HASH_PHC, inspire_created_key_secret(created), 0, &caller, &key, &err),
         &err);
    look(inspire_key_import(auth, &spec, INSPIRE_HASH_IGNITION, inspire_created_key_secret(created), 0, &caller, &key,
                            &err),
         &err);

    import.spec = &spec;
    import.hash = inspire_created_key_secret(created);
    import.format = INSPIRE_HASH_PHC;
    import.strength = 0;
    look(inspire_key_import_all(auth, &import, 1, &caller, &imported, &err), &err);
    spec.name = inspire_created_key_credential(created);
    look(inspire_key_import_all(auth, &import, 1, &caller, &imported, &err), &err);
    spec.name = inspire_created_key_secret(created);
    look(inspire_key_import_all(auth, &import, 1, &caller, &imported, &err), &err);

    /* Licensing. */
    keep(INSPIRE_STR("SECRET-LICENSE-KEY-0001"));
    GIVES(OK,
          inspire_signing_key_sign(signing, inspire_str_from(description), INSPIRE_FILE_MACHINE, 1, 0, &file, NULL));
    look(inspire_license_activate_offline(auth, last_secret(), inspire_text_str(file), 0, &caller, &license, &err),
         &err);
    look(inspire_license_activate_offline(auth, last_secret(), last_secret(), 0, &caller, &license, &err), &err);
    ask_servers(options, last_secret());
    inspect.trusted_keys = &trusted;
    inspect.trusted_key_count = 1;
    inspect.license_key = inspire_str_from("SECRET-LICENSE-KEY-0001");
    inspect.machine_id = INSPIRE_STR("another");
    look(inspire_inspection_run(inspire_text_str(file), &inspect, &found, &err), &err);
    inspire_inspection_free(found);
    keep(inspire_str_from(inspire_signing_key_pem(signing).data + 27 + 22)); /* behind the header and the prefix */
    look(inspire_signing_key_read(last_secret(), &read, &err), &err);
    look(inspire_signing_key_sign(signing, inspire_str_from("{\"id\":1,\"key\":\"SECRET-LICENSE-KEY-0001\"}"), 1, 0, 0,
                                  &bad, &err),
         &err);
    look(inspire_signing_key_sign(signing, inspire_str_from("{\"key\":\"SECRET-LICENSE-KEY-0001\"}"), 1, 0, 0, &bad,
                                  &err),
         &err);

    GIVES(OK, inspire_audit_log_read(auth, 1000, &log, NULL));
    for (at = 0; at < inspire_audit_log_count(log); at++) {
        inspire_audit_event event = inspire_audit_log_at(log, at);
        hear(NULL, &event);
    }
    GIVES(OK, inspire_key_list(auth, NULL, &keys, NULL));
    for (at = 0; at < inspire_keys_count(keys); at++) {
        check_text(inspire_key_description(inspire_keys_at(keys, at)));
        check_text(inspire_key_id(inspire_keys_at(keys, at)));
    }
    CHECK(looked_at > 40);

    inspire_keys_free(keys);
    inspire_audit_log_free(log);
    inspire_text_free(file);
    inspire_created_key_free(created);
    inspire_requirement_free(office);
    inspire_signing_key_free(signing);
    inspire_auth_free(auth);
    for (at = 0; at < secret_count; at++)
        free((void *)secrets[at]);
    return 0;
}
