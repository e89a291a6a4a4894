/* Any bytes in any argument of any function give a code, never a crash: thousands of calls of every function with
 * random arguments, from a fixed seed. Under the sanitizers and valgrind, this also shows that nothing is read past its
 * length, and that nothing leaks. */
#include "check.h"

enum { ROUNDS = 1500, POOL = 4096 };

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t limit)
{
    return draw() % limit;
}

/* Every string is a block of its own, exactly as long as it says, so that a tool sees the first byte too many. */
static char *blocks[POOL];
static size_t block_count;

static void forget_blocks(void)
{
    while (block_count > 0)
        free(blocks[--block_count]);
}

static void *block(size_t size)
{
    char *memory = malloc(size > 0 ? size : 1);
    CHECK(memory != NULL && block_count < POOL);
    blocks[block_count++] = memory;
    return memory;
}

static const char *words[64];
static size_t word_count;

/* A string of any kind: not there, too long to be there, random, or a word that means something, perhaps damaged. */
static inspire_str any_str(void)
{
    inspire_str text = INSPIRE_STR_INIT;
    char *data;
    size_t at;
    switch (below(8)) {
    case 0:
        text.len = below(4);
        return text;
    case 1:
        text.data = block(0);
        return text;
    case 2:
    case 3:
        text.len = below(400);
        text.data = data = block(text.len);
        for (at = 0; at < text.len; at++)
            data[at] = (char)draw();
        return text;
    default: {
        const char *word = words[below(word_count)];
        text.len = strlen(word);
        text.data = data = block(text.len);
        memcpy(data, word, text.len);
        if (below(3) == 0 && text.len > 0)
            data[below(text.len)] ^= (char)(1 << below(8));
        if (below(6) == 0)
            text.len = below(text.len + 1);
        return text;
    }
    }
}

/* A path that stays in this folder. */
static inspire_str any_path(void)
{
    inspire_str text = any_str();
    size_t at;
    if (below(2) == 0)
        return INSPIRE_STR(":memory:");
    for (at = 0; text.data != NULL && at < text.len; at++)
        if (text.data[at] == '/')
            ((char *)text.data)[at] = '_';
    return text;
}

static const inspire_str *any_strs(size_t *count)
{
    inspire_str *list;
    size_t at;
    *count = below(5);
    if (below(10) == 0)
        return NULL;
    list = block(*count * sizeof *list);
    for (at = 0; at < *count; at++)
        list[at] = any_str();
    if (below(20) == 0)
        *count = (size_t)-1 >> below(60) | (size_t)1 << 61; /* more than memory */
    return list;
}

static uint32_t any_small(void)
{
    return (uint32_t)(below(4) != 0 ? below(5) : draw());
}

static int64_t any_time(void)
{
    static const int64_t times[] = {0, 1, -1, 1800000000, 1700000000, INT64_MAX, INT64_MIN, 4000000000};
    return below(8) != 0 ? times[below(8)] : (int64_t)draw();
}

static uint64_t any_revision(void)
{
    return below(3) != 0 ? below(3) : below(2) != 0 ? INSPIRE_REVISION_ANY : draw();
}

/* A structure in a block as long as its struct_size says: right mostly, or too short, or longer with zeros or not. */
static void *any_size(const void *structure, size_t size)
{
    static const size_t sizes[] = {0, 1, 7, 8, 16};
    size_t given = size, at;
    unsigned char *memory;
    switch (below(12)) {
    case 0:
        given = sizes[below(5)];
        break;
    case 1:
        given = size - 1 - below(8);
        break;
    case 2:
    case 3:
        given = size + 8 * below(40);
        break;
    case 4:
        return NULL;
    }
    memory = block(given > sizeof given ? given : sizeof given);
    memset(memory, 0, given);
    memcpy(memory, structure, given < size ? given : size);
    for (at = size; at < given && state % 2 == 0; at++)
        memory[at] = (unsigned char)draw();
    memcpy(memory, &given, sizeof given);
    return memory;
}

static inspire_requirement_spec any_spec(void)
{
    inspire_requirement_spec spec;
    spec.kind = (uint32_t)below(4);
    spec.levels = any_strs(&spec.level_count);
    return spec;
}

static inspire_principal kept = INSPIRE_PRINCIPAL_INIT;

static inspire_principal *any_principal(void)
{
    inspire_principal principal = kept;
    size_t at;
    if (below(2) == 0)
        for (at = sizeof principal.struct_size; at < sizeof principal; at++)
            if (below(30) == 0)
                ((unsigned char *)&principal)[at] = (unsigned char)draw();
    return any_size(&principal, sizeof principal);
}

static inspire_cancel *cancels[2]; /* one of them cancelled */

static const inspire_cancel *any_cancel(void)
{
    return below(3) != 0 ? NULL : cancels[below(2)];
}

static inspire_caller *any_caller(void)
{
    inspire_caller caller = INSPIRE_CALLER_INIT;
    caller.actor = below(5) != 0 ? INSPIRE_ACTOR_SYSTEM : any_small();
    caller.principal = caller.actor != INSPIRE_ACTOR_SYSTEM || below(9) == 0 ? any_principal() : NULL;
    caller.now = any_time();
    caller.reserved = below(20) == 0;
    caller.cancel = any_cancel();
    return any_size(&caller, sizeof caller);
}

static inspire_key_spec *any_key_spec(void)
{
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    spec.name = any_str();
    spec.description = any_str();
    spec.levels = any_strs(&spec.level_count);
    spec.expires_at = any_time();
    spec.flags = any_small();
    return any_size(&spec, sizeof spec);
}

static inspire_import *any_imports(size_t *count)
{
    inspire_import *imports;
    size_t at;
    *count = below(4);
    imports = block(*count * sizeof *imports);
    for (at = 0; at < *count; at++) {
        imports[at].spec = any_key_spec();
        imports[at].hash = any_str();
        imports[at].format = any_small();
        imports[at].strength = any_small();
    }
    return imports;
}

static inspire_trusted_key *any_trusted(size_t *count)
{
    inspire_trusted_key *keys;
    size_t at;
    *count = below(3);
    keys = block(*count * sizeof *keys);
    for (at = 0; at < *count; at++) {
        keys[at].id = any_str();
        keys[at].public_key = any_str();
        keys[at].not_after = any_time();
    }
    return keys;
}

/* A licensing server that says anything, on the thread that asks it. */
static inspire_result any_answer(void *userdata, const inspire_http_request *request, inspire_http_answer *answer)
{
    static const uint32_t statuses[] = {200, 200, 200, 201, 204, 307, 403, 404, 422, 429, 500, 503};
    static const char *const names[] = {"Keygen-Signature", "Digest", "Date", "Retry-After", "Content-Type"};
    size_t at;
    CHECK(userdata == &state && request->method.len > 0 && request->url.len > 0);
    for (at = 0; at < request->header_count; at++)
        CHECK(request->headers[at].name.len > 0 && request->headers[at].value.len > 0);
    inspire_http_answer_set_status(answer, below(9) == 0 ? (uint32_t)draw() : statuses[below(12)]);
    for (at = below(6); at > 0; at--)
        inspire_http_answer_add_header(answer, below(3) == 0 ? any_str() : inspire_str_from(names[below(5)]),
                                       any_str());
    for (at = below(3); at > 0; at--)
        (void)inspire_http_answer_add_body(answer, any_str());
    return below(3) != 0 ? INSPIRE_RESULT_OK : below(2) == 0 ? any_small() : inspire_result_at((size_t)below(90));
}

static const inspire_server *any_server(void)
{
    inspire_server server = INSPIRE_SERVER_INIT;
    server.url = any_str();
    if (below(3) == 0)
        server.account = any_str();
    if (below(3) == 0)
        server.account_id = any_str();
    if (below(3) == 0)
        server.signing_host = any_str();
    if (below(3) == 0)
        server.allowed_hosts = any_strs(&server.allowed_host_count);
    if (below(3) == 0)
        server.ca_file = any_path();
    server.proxy = (uint32_t)below(4);
    if (server.proxy == INSPIRE_PROXY_URL || below(9) == 0)
        server.proxy_url = any_str();
    server.connect_timeout_ms = below(2) == 0 ? 0 : draw() >> below(64);
    server.timeout_ms = below(2) == 0 ? 0 : draw() >> below(64);
    server.lease = below(2) == 0 ? 0 : draw() >> below(64);
    server.auto_refresh = (uint32_t)below(3);
    if (below(2) == 0)
        server.transport = any_answer;
    server.transport_userdata = &state;
    return any_size(&server, sizeof server);
}

static inspire_auth *auth;
static inspire_requirement *any_key;
static inspire_signing_key *signing;
static inspire_routes *table;

static const inspire_header *any_headers(size_t *count)
{
    inspire_header *headers;
    size_t at;
    *count = below(4);
    headers = block(*count * sizeof *headers);
    for (at = 0; at < *count; at++) {
        headers[at].name = below(2) == 0 ? INSPIRE_STR("Authorization") : any_str();
        headers[at].value = any_str();
    }
    return below(9) == 0 ? NULL : headers;
}

static inspire_request *any_request(void)
{
    inspire_request request = INSPIRE_REQUEST_INIT;
    request.headers = any_headers(&request.header_count);
    request.value = any_str();
    request.presented = any_small();
    request.channel = any_small();
    request.requirement = below(9) == 0 ? NULL : any_key;
    if (below(3) == 0)
        request.entitlement = any_str();
    request.now = any_time();
    if (below(3) == 0) {
        request.routes = table;
        if (below(9) != 0)
            request.requirement = NULL;
        request.method = any_str();
        request.path = any_str();
    }
    return any_size(&request, sizeof request);
}

static inspire_auth *any_auth(void)
{
    return below(20) == 0 ? NULL : auth;
}

/* What came out is a code of the table; what came with it is looked at, and freed. */
static void judge(inspire_result result, inspire_error **err)
{
    CHECK(inspire_result_name(result).data != NULL);
    CHECK(result != INSPIRE_RESULT_INTERNAL);
    CHECK((result != INSPIRE_RESULT_OK && result != INSPIRE_RESULT_PENDING) == (*err != NULL));
    if (*err != NULL)
        CHECK(inspire_error_code(*err) == result && inspire_error_message(*err).len > 0);
    inspire_error_free(*err);
    *err = NULL;
}

static void walk_key(const inspire_key *key)
{
    CHECK(inspire_key_name(key).len > 0 && inspire_key_revision(key) > 0);
    (void)inspire_str_list_at(inspire_key_levels(key), below(3));
}

static void open_and_close(void)
{
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    inspire_auth *opened = NULL;
    inspire_error *err = NULL;
    inspire_pepper *pepper = block(sizeof *pepper);
    inspire_result result;
    options.store = any_path();
    if (below(2) == 0)
        options.realm = any_str();
    if (below(3) == 0)
        options.extra_headers = any_strs(&options.extra_header_count);
    options.level_mode = (uint32_t)below(3);
    options.enforcement = (uint32_t)below(4);
    options.scheme = (uint32_t)below(3);
    options.flags = (uint32_t)below(18);
    options.hash_memory_kib = below(2) == 0 ? 64 : (uint32_t)draw();
    options.hash_iterations = below(2) == 0 ? 1 : (uint32_t)draw();
    options.hash_parallelism = (uint32_t)below(20);
    options.chosen_failures_per_minute = any_small();
    options.max_hash_memory = below(3) == 0 ? draw() : 0;
    options.max_lease = draw() >> below(64);
    pepper->id = any_str();
    pepper->secret = any_str();
    options.peppers = pepper;
    options.pepper_count = below(2);
    if (below(3) == 0)
        options.write_requirement = any_spec();
    if (below(3) == 0)
        options.trusted_keys = any_trusted(&options.trusted_key_count);
    options.product = any_str();
    options.machine_id = any_str();
    if (below(2) == 0)
        options.server = any_server();
    result = inspire_auth_open(any_size(&options, sizeof options), &opened, &err);
    CHECK((result == INSPIRE_RESULT_OK) == (opened != NULL));
    judge(result, &err);
    inspire_auth_free(opened);
}

static void decide(void)
{
    inspire_principal *who = any_principal();
    inspire_ticket *ticket = NULL;
    inspire_error *err = NULL;
    inspire_result result = inspire_auth_authenticate(any_auth(), any_request(), who, &err);
    judge(result, &err);
    result = inspire_auth_authenticate_no_wait(any_auth(), any_request(), any_principal(), &ticket, &err);
    CHECK((result == INSPIRE_RESULT_PENDING) == (ticket != NULL));
    judge(result, &err);
    if (ticket != NULL) {
        inspire_principal granted = INSPIRE_PRINCIPAL_INIT;
        if (below(2) == 0)
            inspire_ticket_cancel(ticket);
        judge(inspire_ticket_wait(ticket, below(2) == 0 ? INSPIRE_WAIT_FOREVER : 0, &granted, &err), &err);
        judge(inspire_ticket_poll(ticket, any_principal(), &err), &err);
    }
    inspire_ticket_free(ticket);
    (void)inspire_auth_http_status(auth, any_small());
    (void)inspire_auth_challenge(auth, any_small());
    (void)inspire_auth_retry_after(auth, (uint32_t)draw());
    (void)inspire_auth_credential_header(auth, (size_t)draw());
    (void)inspire_result_name((uint32_t)draw());
    (void)inspire_result_message((uint32_t)draw());
    (void)inspire_result_admin_advice((uint32_t)draw());
    (void)inspire_result_developer_advice((uint32_t)draw());
    (void)inspire_result_http_status((uint32_t)draw());
    (void)inspire_result_is_retryable((uint32_t)draw());
    (void)inspire_result_has_vector((uint32_t)draw());
    (void)inspire_result_at((size_t)draw());
}

static void trust(void)
{
    inspire_proxies *proxies = NULL;
    inspire_error *err = NULL;
    uint32_t channel = INSPIRE_CHANNEL_PLAIN;
    size_t count;
    const inspire_header *headers = any_headers(&count);
    judge(inspire_proxies_parse(any_str(), &proxies, &err), &err);
    judge(inspire_proxies_channel(proxies, any_str(), any_small(), headers, count, &channel, &err), &err);
    CHECK(channel <= INSPIRE_CHANNEL_LOCAL);
    inspire_proxies_free(proxies);
}

static void recheck(void)
{
    inspire_str_list *list = NULL;
    inspire_requirement *requirement = NULL;
    inspire_requirement_spec spec = any_spec();
    inspire_error *err = NULL;
    judge(inspire_requirement_parse(any_auth(), any_str(), &requirement, &err), &err);
    inspire_requirement_free(requirement);
    judge(inspire_requirement_compile(any_auth(), &spec, &requirement, &err), &err);
    judge(inspire_principal_recheck(any_auth(), any_principal(), requirement, any_time(), &err), &err);
    judge(inspire_principal_explain(any_auth(), any_principal(), requirement, &list, &err), &err);
    (void)inspire_str_list_at(list, (size_t)draw());
    inspire_str_list_free(list);
    judge(inspire_principal_levels(any_auth(), any_principal(), &list, &err), &err);
    inspire_str_list_free(list);
    inspire_requirement_free(requirement);
}

static void route(void)
{
    inspire_routes *routes = NULL;
    inspire_explanation *found = NULL;
    inspire_error *err = NULL;
    size_t round;
    judge(inspire_routes_parse(any_str(), &routes, &err), &err);
    for (round = 0; round < 2; round++) {
        const inspire_routes *used = round == 0 ? routes : table;
        inspire_result result = below(2) == 0
                                    ? inspire_auth_would_allow(any_auth(), used, any_str(), any_str(), any_str(),
                                                               any_small(), any_time(), &found, &err)
                                    : inspire_principal_explain_route(any_auth(), any_principal(), used, any_str(),
                                                                      any_str(), any_time(), &found, &err);
        judge(result, &err);
        CHECK((result == INSPIRE_RESULT_OK) == (found != NULL));
        CHECK(inspire_result_name(inspire_explanation_code(found)).data != NULL);
        (void)inspire_str_list_at(inspire_explanation_methods(found), (size_t)draw());
        (void)inspire_str_list_at(inspire_explanation_missing(found), (size_t)draw());
        CHECK(found == NULL || inspire_explanation_reason(found).len > 0);
        inspire_explanation_free(found);
        found = NULL;
    }
    (void)inspire_routes_count(routes);
    inspire_routes_free(routes);
}

static void manage(void)
{
    inspire_created_key *created = NULL;
    inspire_key *key = NULL;
    inspire_keys *keys = NULL;
    inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
    inspire_key_filter filter = INSPIRE_KEY_FILTER_INIT;
    inspire_error *err = NULL;
    inspire_result result;
    uint64_t count = 0;
    size_t import_count = 0;
    inspire_import *imports;
    switch (below(11)) {
    case 0:
        result = inspire_key_create(any_auth(), any_key_spec(), any_caller(), &created, &err);
        break;
    case 1:
        result = inspire_key_import(any_auth(), any_key_spec(), any_small(), any_str(), any_small(), any_caller(), &key,
                                    &err);
        break;
    case 2:
        result = inspire_key_get(any_auth(), any_str(), &key, &err);
        break;
    case 3:
        filter.after = any_str();
        filter.level = any_str();
        filter.limit = (size_t)(draw() >> below(64));
        result = inspire_key_list(any_auth(), any_size(&filter, sizeof filter), &keys, &err);
        break;
    case 4:
        changes.description = any_str();
        changes.levels = any_strs(&changes.level_count);
        changes.expires_at = any_time();
        changes.set = (uint32_t)below(36);
        changes.require_secure = (uint32_t)below(3);
        changes.enabled = (uint32_t)below(3);
        result = inspire_key_update(any_auth(), any_str(), any_revision(), any_size(&changes, sizeof changes),
                                    any_caller(), &key, &err);
        break;
    case 5:
        result = inspire_key_rename(any_auth(), any_str(), any_str(), any_revision(), any_caller(), &key, &err);
        break;
    case 6:
        result = inspire_key_set_enabled(any_auth(), any_str(), any_small(), any_revision(), any_caller(), &key, &err);
        break;
    case 7:
        result = inspire_key_duplicate(any_auth(), any_str(), any_str(), any_revision(), any_caller(), &created, &err);
        break;
    case 8:
        result = inspire_key_rotate(any_auth(), any_str(), below(3) == 0 ? draw() : 0, any_revision(), any_caller(),
                                    &created, &err);
        break;
    case 9:
        imports = any_imports(&import_count);
        result = inspire_key_import_all(any_auth(), imports, import_count, any_caller(), &count, &err);
        break;
    default:
        result = inspire_key_seal_all(any_auth(), any_caller(), &count, &err);
        judge(result, &err);
        result = inspire_key_delete(any_auth(), any_str(), any_revision(), any_caller(), &err);
    }
    if (key != NULL)
        walk_key(key);
    if (created != NULL)
        walk_key(inspire_created_key_record(created));
    if (keys != NULL && inspire_keys_count(keys) > 0)
        walk_key(inspire_keys_at(keys, below(inspire_keys_count(keys))));
    judge(result, &err);
    inspire_key_free(key);
    inspire_keys_free(keys);
    inspire_created_key_free(created);
}

static void license(void)
{
    inspire_license *status = NULL;
    inspire_entitlements *table = NULL;
    inspire_error *err = NULL;
    int64_t limit = 0;
    inspire_result result;
    switch (below(8)) {
    case 0:
    case 1:
        result = inspire_license_activate_offline(any_auth(), any_str(), any_str(), (uint32_t)below(3), any_caller(),
                                                  &status, &err);
        break;
    case 2:
        result = inspire_license_status(any_auth(), any_time(), &status, &err);
        break;
    case 3:
        result = inspire_license_check_entitlement(any_auth(), any_str(), any_time(), &err);
        break;
    case 4:
        result = inspire_license_limit(any_auth(), any_str(), any_time(), &limit, &err);
        break;
    case 5:
        result = inspire_license_check_limit(any_auth(), any_str(), (int64_t)draw() >> below(64), any_time(), &err);
        break;
    case 6:
        result = inspire_license_list_entitlements(any_auth(), any_time(), &table, &err);
        break;
    default:
        result = below(2) == 0 ? inspire_license_revalidate(any_auth(), any_caller(), &status, &err)
                               : inspire_license_deactivate(any_auth(), any_caller(), &status, &err);
    }
    if (status != NULL)
        (void)inspire_limits_at(inspire_license_limits(status), (size_t)draw());
    (void)inspire_entitlements_at(table, (size_t)draw());
    judge(result, &err);
    inspire_license_free(status);
    inspire_entitlements_free(table);
}

/* License keys, the one that is installed among them. */
static inspire_str any_license_key(void)
{
    return below(2) == 0 ? INSPIRE_STR("ABCD-EFGH") : any_str();
}

static void license_online(void)
{
    inspire_license *status = NULL;
    inspire_deactivation *done = NULL;
    inspire_text *text = NULL;
    inspire_error *err = NULL;
    inspire_result result, problem = INSPIRE_RESULT_OK;
    size_t released = 0;
    int64_t next = 0;
    switch (below(7)) {
    case 0:
        result = inspire_license_activate_online(any_auth(), any_license_key(), any_caller(), &status, &err);
        break;
    case 1:
        result = inspire_license_refresh(any_auth(), any_str(), any_caller(), &status, &err);
        break;
    case 2:
        result = inspire_license_request(any_auth(), any_str(), any_caller(), &text, &err);
        CHECK((result == INSPIRE_RESULT_OK) == (inspire_text_str(text).len > 0));
        break;
    case 3:
        result = inspire_license_deactivate_with(any_auth(), (uint32_t)below(3), any_caller(), &done, &err);
        CHECK((result == INSPIRE_RESULT_OK) == (done != NULL));
        CHECK(inspire_deactivation_release(done) <= INSPIRE_RELEASE_PENDING);
        CHECK(inspire_result_name(inspire_deactivation_problem(done)).data != NULL);
        break;
    case 4:
        result = inspire_license_reveal_key(any_auth(), any_caller(), &text, &err);
        CHECK((result == INSPIRE_RESULT_OK) == (inspire_text_str(text).len > 0));
        break;
    case 5:
        result = inspire_license_release_pending(any_auth(), any_caller(), below(2) == 0 ? NULL : &released, &err);
        break;
    default:
        result = inspire_license_tick(any_auth(), any_time(), any_cancel(), below(9) == 0 ? NULL : &next,
                                      below(2) == 0 ? NULL : &problem, &err);
        CHECK(inspire_result_name(problem).data != NULL);
    }
    CHECK(inspire_result_name(inspire_license_last_attempt_code(status)).data != NULL);
    judge(result, &err);
    inspire_license_free(status);
    inspire_deactivation_free(done);
    inspire_text_free(text);
}

static void spend(void)
{
    inspire_balance balance = INSPIRE_BALANCE_INIT, *left = any_size(&balance, sizeof balance);
    inspire_tenant *tenant = NULL;
    inspire_error *err = NULL;
    int64_t amount = below(2) == 0 ? (int64_t)below(4) : (int64_t)draw() >> below(64);
    inspire_result result;
    if (below(2) == 0) {
        tenant = block(sizeof *tenant);
        tenant->name = any_str();
        tenant->limit = below(2) == 0 ? INSPIRE_UNLIMITED : (int64_t)draw() >> below(64);
    }
    switch (below(4)) {
    case 0:
        result = inspire_credits_consume(any_auth(), amount, any_str(), tenant, any_time(), left, &err);
        break;
    case 1:
        result = inspire_credits_refund(any_auth(), any_str(), tenant, any_time(), left, &err);
        break;
    case 2:
        result = inspire_credits_balance(any_auth(), tenant, any_time(), left, &err);
        break;
    default:
        result = inspire_license_check_tenant_limit(any_auth(), any_str(), tenant, amount, (int64_t)draw() >> below(64),
                                                    any_time(), &err);
    }
    judge(result, &err);
    (void)inspire_tenant_effective(tenant, amount);
}

static void inspect_and_sign(void)
{
    inspire_signed_key *license_key = NULL;
    size_t trusted_count;
    const inspire_trusted_key *trusted = any_trusted(&trusted_count);
    inspire_inspect_options options = INSPIRE_INSPECT_OPTIONS_INIT;
    inspire_inspection *found = NULL;
    inspire_signing_key *read = NULL;
    inspire_machine *machine = NULL;
    inspire_machine_parts *parts = NULL;
    inspire_text *file = NULL;
    inspire_error *err = NULL;
    judge(inspire_signed_key_read(any_str(), below(9) == 0 ? NULL : trusted, trusted_count, any_time(), &license_key,
                                  &err),
          &err);
    CHECK((license_key == NULL) == (inspire_signed_key_dataset(license_key).data == NULL));
    inspire_signed_key_free(license_key);
    options.trusted_keys = any_trusted(&options.trusted_key_count);
    options.license_key = any_str();
    options.machine_id = any_str();
    options.product = any_str();
    options.now = any_time();
    options.flags = (uint32_t)below(3);
    judge(inspire_inspection_run(any_str(), any_size(&options, sizeof options), &found, &err), &err);
    (void)inspire_inspection_failure_at(found, (size_t)draw());
    inspire_inspection_free(found);
    judge(inspire_signing_key_sign(below(9) == 0 ? NULL : signing, any_str(), any_small(), (uint32_t)below(3),
                                   any_time(), &file, &err),
          &err);
    inspire_text_free(file);
    judge(inspire_signing_key_read(any_str(), &read, &err), &err);
    inspire_signing_key_free(read);
    judge(inspire_machine_identify(any_str(), any_str(), &machine, &err), &err);
    inspire_machine_free(machine);
    judge(inspire_machine_of(any_auth(), &machine, &err), &err);
    inspire_machine_free(machine);
    judge(inspire_machine_explain(any_str(), any_str(), &parts, &err), &err);
    (void)inspire_machine_parts_at(parts, (size_t)draw());
    inspire_machine_parts_free(parts);
}

static void keep_and_log(void)
{
    inspire_audit_log *log = NULL;
    inspire_restore_report *report = NULL;
    inspire_text *text = NULL;
    inspire_error *err = NULL;
    judge(inspire_auth_metrics_text(any_auth(), &text, &err), &err);
    inspire_text_free(text);
    judge(inspire_audit_log_read(any_auth(), (size_t)below(50), &log, &err), &err);
    (void)inspire_audit_log_at(log, (size_t)draw());
    inspire_audit_log_free(log);
    judge(inspire_auth_flush(any_auth(), &err), &err);
    if (below(20) == 0) {
        judge(inspire_store_backup(any_path(), any_path(), &err), &err);
        judge(inspire_store_restore(any_path(), any_path(), any_small(), &report, &err), &err);
        inspire_restore_report_free(report);
    }
}

static void add_word(const char *word)
{
    CHECK(word_count < sizeof words / sizeof *words);
    words[word_count++] = word;
}

int main(int argc, char **argv)
{
    static char authorization[512], public_key[65];
    static const char *const plain[] = {
        "a", "k1", "k2", "k3", "fuzzed", "any(A/B, C)", "all(Authenticated)", "Authenticated", "Public", "Admin",
        "Authorization", "X-Ignition-API-Token", "Bearer k1:isk_x", "k1:isk_x", "Basic bjpr, Bearer a:b",
        "VIDEO_WALL_SYNC", "MAX_DISPLAYS", "ABCD-EFGH", "machine-7", "vendor",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "{\"id\":\"l\",\"key\":\"ABCD-EFGH\",\"limits\":{\"MAX_DISPLAYS\":4},\"entitlements\":[\"OFFLINE_LICENSING\"],"
        "\"fingerprint\":\"machine-7\",\"expiry\":\"2030-01-01T00:00:00Z\"}",
        "-----BEGIN LICENSE FILE-----\ne30=\n-----END LICENSE FILE-----\n",
        "10.0.0.0/8, ::1", "10.1.2.3", "X-Forwarded-Proto", "https",
        "-----BEGIN PRIVATE KEY-----", "a description, with \xc3\xa9", "GET", "/data/api", "/data/api/x%20?y", "/..",
        "https://licensing.example/v1", "http://127.0.0.1:9", "http://proxy.example:3128", "licensing.example",
        "*.example", "north", "1", "application/vnd.api+json", "{\"meta\":{\"valid\":true,\"code\":\"VALID\"}}",
        "key/eyJ0ZXN0IjoxfQ==._f34UAAtNKM8TXGLlnblBGCLSy22Oa_gjp4jn0CpvEuwQ2gAcH0IntFKwtby"
        "V5iWnH9_x8l0R144oHp2_GviAw==",
        "e8601e48b69383ba520245fd07971e983d06d22c4257cfd82304601479cee788",
        "{\"routes\": [{\"prefix\": \"/data/api\", \"methods\": [\"GET\"], \"require\": {\"any\": [\"Admin\"]}}]}",
    };
    inspire_auth_options options = cheap_options(":memory:");
    inspire_server server = INSPIRE_SERVER_INIT;
    inspire_str admin = INSPIRE_STR("Admin");
    inspire_trusted_key trusted;
    inspire_created_key *created;
    inspire_request request;
    inspire_text *file = NULL;
    size_t at, rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;

    for (at = 0; at < sizeof plain / sizeof *plain; at++)
        add_word(plain[at]);
    GIVES(OK, inspire_signing_key_generate(&signing, NULL));
    memcpy(public_key, inspire_signing_key_public(signing).data, sizeof public_key);
    GIVES(OK, inspire_signing_key_sign(signing, inspire_str_from(plain[22]), INSPIRE_FILE_MACHINE, 0, 1750000000, &file,
                                       NULL));
    add_word(public_key);
    add_word(inspire_text_str(file).data);
    add_word(inspire_signing_key_pem(signing).data);
    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("vendor");
    trusted.public_key = inspire_str_from(public_key);
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.machine_id = INSPIRE_STR("machine-7");
    options.write_requirement.kind = INSPIRE_REQUIRE_ANY;
    options.write_requirement.levels = &admin;
    options.write_requirement.level_count = 1;
    server.url = INSPIRE_STR("http://127.0.0.1:9/v1");
    server.proxy = INSPIRE_PROXY_NONE;
    server.timeout_ms = 50; /* no time for a second attempt to connect */
    server.transport = any_answer;
    server.transport_userdata = &state;
    options.server = &server;
    cancels[0] = inspire_cancel_new();
    cancels[1] = inspire_cancel_new();
    inspire_cancel_now(cancels[1]);
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    any_key = require(auth, "Authenticated");
    GIVES(OK, inspire_routes_parse(inspire_str_from(plain[sizeof plain / sizeof *plain - 1]), &table, NULL));
    created = create_key(auth, "keeper", "Admin");
    strcpy(authorization, bearer(created).data);
    add_word(authorization);
    add_word(inspire_created_key_credential(created).data);
    request = request_with(bearer(created), any_key);
    GIVES(OK, inspire_auth_authenticate(auth, &request, &kept, NULL));

    for (at = 0; at < rounds; at++) {
        decide();
        trust();
        recheck();
        route();
        manage();
        license();
        license_online();
        spend();
        inspect_and_sign();
        keep_and_log();
        if (at % 10 == 0)
            open_and_close();
        forget_blocks();
    }

    /* After all that, a request is decided as ever, if the key is still there. */
    {
        inspire_principal who = INSPIRE_PRINCIPAL_INIT;
        inspire_result result = inspire_auth_authenticate(auth, &request, &who, NULL);
        CHECK(result == INSPIRE_RESULT_OK || result == INSPIRE_RESULT_INVALID_CREDENTIAL);
    }
    inspire_cancel_free(cancels[0]);
    inspire_cancel_free(cancels[1]);
    inspire_created_key_free(created);
    inspire_requirement_free(any_key);
    inspire_routes_free(table);
    inspire_text_free(file);
    inspire_signing_key_free(signing);
    inspire_auth_free(auth);
    return 0;
}
