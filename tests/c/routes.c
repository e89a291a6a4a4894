/* Route tables: what a request may, by its method and path, and the dry run. */
#include "check.h"

static const char table[] =
    "{\"routes\": ["
    "{\"prefix\": \"/open\", \"methods\": [\"GET\"], \"require\": {\"any\": [\"Public\"]}},"
    "{\"prefix\": \"/data/api\", \"methods\": [\"GET\", \"HEAD\"], \"require\": {\"any\": [\"Authenticated\"]}},"
    "{\"prefix\": \"/data/api\", \"methods\": [\"POST\"], \"require\": {\"all\": [\"Ops/Write\", \"Admin\"]}},"
    "{\"prefix\": \"/video\", \"methods\": [\"*\"], \"require\": {\"any\": [\"Authenticated\"]},"
    " \"entitlement\": \"VIDEO_WALL_SYNC\"}]}";

static inspire_routes *parse(const char *json)
{
    inspire_routes *routes = NULL;
    GIVES(OK, inspire_routes_parse(inspire_str_from(json), &routes, NULL));
    CHECK(routes != NULL);
    return routes;
}

static void a_table_says_what_is_wrong_with_it(void)
{
    inspire_routes *routes = parse(table);
    inspire_error *err = NULL;
    CHECK(inspire_routes_count(routes) == 4);
    inspire_routes_free(routes);
    GIVES(INVALID_ARGUMENT,
          inspire_routes_parse(INSPIRE_STR("{\"routes\": [{\"prefix\": \"/a/\", \"methods\": [\"GET\"], "
                                           "\"require\": {\"any\": []}}]}"),
                               &routes, &err));
    CHECK(routes == NULL);
    IS(inspire_error_detail(err), "routes[0].prefix: a prefix has no slash at the end");
    inspire_error_free(err);
}

static void a_request_is_decided_by_its_route(const inspire_auth *auth, const inspire_created_key *created)
{
    inspire_routes *routes = parse(table);
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    inspire_ticket *ticket = NULL;
    inspire_request request = request_with(bearer(created), NULL);
    request.routes = routes;

    /* Neither given: no method, and no path. */
    GIVES(PATH_NOT_CANONICAL, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.path = INSPIRE_STR("/data/api/x?page=2");
    GIVES(ROUTE_DENIED, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.method = INSPIRE_STR("GET");
    GIVES(OK, inspire_auth_authenticate(auth, &request, &caller, NULL));
    CHECK(strcmp(caller.name, "reader") == 0);
    GIVES(OK, inspire_auth_authenticate_no_wait(auth, &request, &caller, &ticket, NULL));
    request.method = INSPIRE_STR("POST");
    GIVES(INSUFFICIENT_LEVEL, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.method = INSPIRE_STR("DELETE");
    GIVES(ROUTE_DENIED, inspire_auth_authenticate(auth, &request, &caller, NULL));
    GIVES(ROUTE_DENIED, inspire_auth_authenticate_no_wait(auth, &request, &caller, &ticket, NULL));
    CHECK(ticket == NULL);
    CHECK(inspire_auth_http_status(auth, INSPIRE_RESULT_ROUTE_DENIED) == 403);
    CHECK(inspire_auth_http_status(auth, INSPIRE_RESULT_PATH_NOT_CANONICAL) == 400);
    CHECK(inspire_auth_challenge(auth, INSPIRE_RESULT_ROUTE_DENIED).data == NULL);
    request.method = INSPIRE_STR("GET");
    request.path = INSPIRE_STR("/data//api");
    GIVES(PATH_NOT_CANONICAL, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.path = INSPIRE_STR("/video");
    GIVES(UNLICENSED, inspire_auth_authenticate(auth, &request, &caller, NULL));
    /* A route comes before the credential. */
    request.value = INSPIRE_STR("Bearer");
    GIVES(MALFORMED_CREDENTIAL, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.path = INSPIRE_STR("/elsewhere");
    GIVES(ROUTE_DENIED, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.path = INSPIRE_STR("/open");
    request.presented = INSPIRE_PRESENTED_HEADERS;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &caller, NULL));
    CHECK(caller.name_len == 0);
    inspire_routes_free(routes);
}

static void a_ticket_outlives_its_table(const inspire_auth *auth)
{
    inspire_created_key *created = create_key(auth, "cold", NULL);
    inspire_routes *routes = parse(table);
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    inspire_ticket *ticket = NULL;
    inspire_request request = request_with(bearer(created), NULL);
    request.routes = routes;
    request.method = INSPIRE_STR("GET");
    request.path = INSPIRE_STR("/data/api");
    GIVES(PENDING, inspire_auth_authenticate_no_wait(auth, &request, &caller, &ticket, NULL));
    inspire_routes_free(routes);
    GIVES(OK, inspire_ticket_wait(ticket, INSPIRE_WAIT_FOREVER, &caller, NULL));
    CHECK(strcmp(caller.name, "cold") == 0);
    inspire_ticket_free(ticket);
    inspire_created_key_free(created);
}

static void what_is_required_is_said_once(const inspire_auth *auth)
{
    inspire_routes *routes = parse(table);
    inspire_requirement *requirement = require(auth, "Public");
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    inspire_request request = INSPIRE_REQUEST_INIT;
    request.routes = routes;
    request.method = INSPIRE_STR("GET");
    request.path = INSPIRE_STR("/open");
    GIVES(OK, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.entitlement = INSPIRE_STR("MFA");
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &request, &caller, NULL));
    request.entitlement.data = NULL;
    request.entitlement.len = 0;
    request.requirement = requirement;
    GIVES(INVALID_ARGUMENT, inspire_auth_authenticate(auth, &request, &caller, NULL));
    /* A program that was built when a request ended with `now` says nothing of routes. */
    request.struct_size = offsetof(inspire_request, routes);
    request.path = INSPIRE_STR("//");
    GIVES(OK, inspire_auth_authenticate(auth, &request, &caller, NULL));
    inspire_requirement_free(requirement);
    inspire_routes_free(routes);
}

static void a_dry_run_explains(const inspire_auth *auth, const inspire_created_key *created)
{
    inspire_routes *routes = parse(table);
    inspire_explanation *found = NULL;
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_request request = request_with(bearer(created), any_key);
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    inspire_str nobody = INSPIRE_STR_INIT;
    const inspire_str_list *list;

    GIVES(OK, inspire_auth_would_allow(auth, routes, INSPIRE_STR("reader"), INSPIRE_STR("POST"),
                                       INSPIRE_STR("/data/api/x"), INSPIRE_CHANNEL_SECURE, 0, &found, NULL));
    CHECK(inspire_explanation_code(found) == INSPIRE_RESULT_INSUFFICIENT_LEVEL);
    IS(inspire_explanation_prefix(found), "/data/api");
    list = inspire_explanation_methods(found);
    CHECK(inspire_str_list_count(list) == 1);
    IS(inspire_str_list_at(list, 0), "POST");
    list = inspire_explanation_missing(found);
    CHECK(inspire_str_list_count(list) == 2);
    IS(inspire_str_list_at(list, 0), "Admin");
    IS(inspire_str_list_at(list, 1), "Ops/Write");
    CHECK(strstr(inspire_explanation_reason(found).data, "it lacks") != NULL);
    inspire_explanation_free(found);

    GIVES(OK, inspire_auth_would_allow(auth, routes, nobody, INSPIRE_STR("GET"), INSPIRE_STR("/open"),
                                       INSPIRE_CHANNEL_PLAIN, 0, &found, NULL));
    CHECK(inspire_explanation_code(found) == INSPIRE_RESULT_OK);
    CHECK(inspire_str_list_count(inspire_explanation_missing(found)) == 0);
    inspire_explanation_free(found);

    GIVES(OK, inspire_auth_would_allow(auth, routes, INSPIRE_STR("reader"), INSPIRE_STR("GET"), INSPIRE_STR("/%2e"),
                                       INSPIRE_CHANNEL_SECURE, 0, &found, NULL));
    CHECK(inspire_explanation_code(found) == INSPIRE_RESULT_PATH_NOT_CANONICAL);
    CHECK(inspire_explanation_prefix(found).data == NULL && inspire_explanation_methods(found) == NULL);
    inspire_explanation_free(found);

    GIVES(NOT_FOUND, inspire_auth_would_allow(auth, routes, INSPIRE_STR("nobody"), INSPIRE_STR("GET"),
                                              INSPIRE_STR("/open"), INSPIRE_CHANNEL_SECURE, 0, &found, NULL));
    CHECK(found == NULL);

    GIVES(OK, inspire_auth_authenticate(auth, &request, &caller, NULL));
    GIVES(OK, inspire_principal_explain_route(auth, &caller, routes, INSPIRE_STR("HEAD"), INSPIRE_STR("/data/api"), 0,
                                              &found, NULL));
    CHECK(inspire_explanation_code(found) == INSPIRE_RESULT_OK);
    inspire_explanation_free(found);
    inspire_requirement_free(any_key);
    inspire_routes_free(routes);
}

static void both_secrets_are_good_in_an_overlap(const inspire_auth *auth)
{
    static const int64_t now = 1800000000;
    inspire_caller caller = by_system();
    inspire_created_key *old = create_key(auth, "turning", NULL), *turned = NULL;
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_principal who = INSPIRE_PRINCIPAL_INIT, before = INSPIRE_PRINCIPAL_INIT;
    inspire_request request;
    caller.now = now;
    CHECK(inspire_key_overlap_ends_at(inspire_created_key_record(old)) == INSPIRE_NEVER);
    GIVES(OK, inspire_key_rotate(auth, INSPIRE_STR("turning"), 60, INSPIRE_REVISION_ANY, &caller, &turned, NULL));
    CHECK(inspire_key_overlap_ends_at(inspire_created_key_record(turned)) == now + 60);
    request = request_with(bearer(turned), any_key);
    request.now = now + 60;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &who, NULL));
    request = request_with(bearer(old), any_key);
    request.now = now + 59;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &before, NULL));
    GIVES(OK, inspire_principal_recheck(auth, &before, any_key, now + 59, NULL));
    request.now = now + 60;
    GIVES(INVALID_CREDENTIAL, inspire_auth_authenticate(auth, &request, &who, NULL));
    GIVES(INVALID_CREDENTIAL, inspire_principal_recheck(auth, &before, any_key, now + 60, NULL));
    inspire_created_key_free(turned);
    turned = NULL;
    GIVES(INVALID_ARGUMENT,
          inspire_key_rotate(auth, INSPIRE_STR("turning"), 31536001, INSPIRE_REVISION_ANY, &caller, &turned, NULL));
    inspire_created_key_free(old);
    inspire_requirement_free(any_key);
}

int main(void)
{
    inspire_auth *auth = open_at(":memory:");
    inspire_created_key *created = create_key(auth, "reader", "Office");
    a_table_says_what_is_wrong_with_it();
    a_request_is_decided_by_its_route(auth, created);
    a_ticket_outlives_its_table(auth);
    what_is_required_is_said_once(auth);
    a_dry_run_explains(auth, created);
    both_secrets_are_good_in_an_overlap(auth);
    inspire_created_key_free(created);
    inspire_auth_free(auth);
    return 0;
}
