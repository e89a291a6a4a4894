/* Online licensing against a real licensing server, by the library's own transport and by the host's.
 *
 * xtask: c11, server
 */
#define _POSIX_C_SOURCE 200809L

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "vendor.h"

static vendor acme;

/* A handle of a machine that asks this server; NULL for none. */
static inspire_auth *installation(const char *store, const char *machine, const inspire_server *server)
{
    inspire_auth_options options = cheap_options(store);
    inspire_trusted_key trusted;
    inspire_str admin = INSPIRE_STR("Admin");
    inspire_auth *auth = NULL;
    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("acme");
    trusted.public_key = inspire_str_from(acme.public_key);
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.machine_id = inspire_str_from(machine);
    options.admin_requirement.kind = INSPIRE_REQUIRE_ANY;
    options.admin_requirement.levels = &admin;
    options.admin_requirement.level_count = 1;
    options.server = server;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    return auth;
}

/* The vendor's server, reached directly. */
static inspire_server at_acme(void)
{
    inspire_server server = INSPIRE_SERVER_INIT;
    server.url = inspire_str_from(acme.url);
    server.proxy = INSPIRE_PROXY_NONE;
    return server;
}

static inspire_result activate(const inspire_auth *auth, inspire_license **license)
{
    inspire_caller caller = by_system();
    return inspire_license_activate_online(auth, inspire_str_from(acme.license_key), &caller, license, NULL);
}

static inspire_result revalidate(const inspire_auth *auth)
{
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_result result = inspire_license_revalidate(auth, &caller, &license, NULL);
    CHECK((result == INSPIRE_RESULT_OK) == (license != NULL));
    inspire_license_free(license);
    return result;
}

static inspire_license *status(const inspire_auth *auth)
{
    inspire_license *license = NULL;
    GIVES(OK, inspire_license_status(auth, 0, &license, NULL));
    return license;
}

/* The license is good, and the last attempt to reach the server came to this. */
static void stands(const inspire_auth *auth, inspire_result last_attempt)
{
    inspire_license *license = status(auth);
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_ACTIVE);
    CHECK(inspire_license_mode(license) == INSPIRE_LICENSE_MODE_ONLINE);
    CHECK(inspire_license_last_attempt_code(license) == last_attempt);
    CHECK((inspire_license_last_attempt_at(license) == INSPIRE_NEVER) == (last_attempt == INSPIRE_RESULT_OK));
    inspire_license_free(license);
}

static inspire_result has(const inspire_auth *auth, const char *entitlement)
{
    return inspire_license_check_entitlement(auth, inspire_str_from(entitlement), 0, NULL);
}

static inspire_deactivation *deactivate(const inspire_auth *auth, uint32_t local_only)
{
    inspire_caller caller = by_system();
    inspire_deactivation *done = NULL;
    GIVES(OK, inspire_license_deactivate_with(auth, local_only, &caller, &done, NULL));
    GIVES(UNLICENSED, has(auth, "MFA"));
    return done;
}

static int begins(inspire_str text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static void nobody_is_asked_without_a_server(void)
{
    inspire_auth *auth = installation(":memory:", "machine-7", NULL);
    inspire_caller caller = by_system();
    inspire_license *license = (inspire_license *)(void *)&acme;
    inspire_error *err = NULL;
    size_t released = 7;
    int64_t next = 7;
    inspire_result problem = 7;
    GIVES(UNSUPPORTED_OPTION, inspire_license_activate_online(auth, inspire_str_from(acme.license_key), &caller,
                                                              &license, &err));
    CHECK(license == NULL && inspire_error_code(err) == INSPIRE_RESULT_UNSUPPORTED_OPTION);
    IS(inspire_error_detail(err), "no licensing server is configured");
    inspire_error_free(err);
    GIVES(UNLICENSED, revalidate(auth));
    GIVES(OK, inspire_license_release_pending(auth, &caller, &released, NULL));
    GIVES(OK, inspire_license_tick(auth, 0, NULL, &next, &problem, NULL));
    CHECK(released == 0 && next == INSPIRE_NEVER && problem == INSPIRE_RESULT_OK);
    inspire_auth_free(auth);
}

static void a_license_lives(void)
{
    inspire_server server = at_acme();
    inspire_auth *auth = installation("life.db", "machine-7", &server);
    inspire_auth *other = installation(":memory:", "machine-8", &server);
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_deactivation *done;
    inspire_error *err = NULL;
    int64_t next = INSPIRE_NEVER, validated;
    inspire_result problem = 7;

    GIVES(LICENSE_KEY_REQUIRED, inspire_license_activate_online(auth, INSPIRE_STR(""), &caller, &license, NULL));
    GIVES(LICENSE_UNKNOWN, inspire_license_activate_online(auth, INSPIRE_STR("NO-KEY"), &caller, &license, NULL));
    CHECK(license == NULL && !vendor_has_machine(&acme));
    GIVES(OK, activate(auth, &license));
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_ACTIVE);
    CHECK(inspire_license_mode(license) == INSPIRE_LICENSE_MODE_ONLINE);
    CHECK(inspire_license_lease_expires_at(license) < inspire_license_expires_at(license));
    validated = inspire_license_last_validated_at(license);
    CHECK(validated != INSPIRE_NEVER);
    inspire_license_free(license);
    stands(auth, INSPIRE_RESULT_OK);
    CHECK(vendor_has_machine(&acme));
    license = NULL;
    GIVES(MACHINE_LIMIT_REACHED, inspire_license_activate_online(other, inspire_str_from(acme.license_key), &caller,
                                                                 &license, &err));
    CHECK(license == NULL && inspire_error_detail(err).len > 0);
    inspire_error_free(err);

    /* An entitlement more arrives with the next machine file. */
    GIVES(NOT_ENTITLED, has(auth, "VIDEO_WALL_SYNC"));
    vendor_change(&acme, "entitle", "--add", "VIDEO_WALL_SYNC");
    GIVES(NOT_ENTITLED, has(auth, "VIDEO_WALL_SYNC"));
    GIVES(OK, revalidate(auth));
    GIVES(OK, has(auth, "VIDEO_WALL_SYNC"));

    /* A suspension acts when it is heard of, and ends. */
    vendor_change(&acme, "suspend", NULL, NULL);
    GIVES(OK, has(auth, "MFA"));
    GIVES(LICENSE_SUSPENDED, revalidate(auth));
    GIVES(LICENSE_SUSPENDED, has(auth, "MFA"));
    license = status(auth);
    CHECK(inspire_license_state(license) == INSPIRE_LICENSE_SUSPENDED);
    CHECK(inspire_license_reason(license) == INSPIRE_RESULT_LICENSE_SUSPENDED);
    inspire_license_free(license);
    vendor_change(&acme, "reinstate", NULL, NULL);
    vendor_change(&acme, "renew", "--expires", "730d");
    GIVES(OK, revalidate(auth));
    GIVES(OK, has(auth, "MFA"));

    /* Nothing is due for days; then the server's clock is not ours. */
    GIVES(OK, inspire_license_tick(auth, 0, NULL, &next, &problem, NULL));
    CHECK(problem == INSPIRE_RESULT_OK && next > validated);
    GIVES(OK, inspire_license_tick(auth, next, NULL, &next, &problem, NULL));
    CHECK(problem == INSPIRE_RESULT_CLOCK_SKEW);
    GIVES(OK, inspire_license_tick(auth, 0, NULL, &next, NULL, NULL));
    stands(auth, INSPIRE_RESULT_CLOCK_SKEW);
    GIVES(OK, revalidate(auth));
    stands(auth, INSPIRE_RESULT_OK);

    /* The seat goes from one machine to the other. */
    done = deactivate(auth, 0);
    CHECK(inspire_deactivation_release(done) == INSPIRE_RELEASE_SERVER);
    CHECK(inspire_deactivation_problem(done) == INSPIRE_RESULT_OK);
    CHECK(begins(inspire_deactivation_receipt(done), "-----BEGIN DEACTIVATION RECEIPT-----\n"));
    inspire_deactivation_free(done);
    CHECK(!vendor_has_machine(&acme));
    GIVES(OK, activate(other, &license));
    inspire_license_free(license);

    /* Taken off by the vendor. */
    {
        char machine[80];
        vendor_text(strstr(vendor_change(&acme, "show", NULL, NULL), "\"machines\""), "id", machine, sizeof machine);
        vendor_change(&acme, "remove-machine", machine, NULL);
    }
    GIVES(NOT_ACTIVATED, revalidate(other));
    GIVES(NOT_ACTIVATED, has(other, "MFA"));
    license = NULL;
    GIVES(OK, activate(other, &license));
    inspire_license_free(license);

    /* Without a word to the server. */
    done = deactivate(other, 1);
    CHECK(inspire_deactivation_release(done) == INSPIRE_RELEASE_NONE && vendor_has_machine(&acme));
    inspire_deactivation_free(done);
    GIVES(INVALID_ARGUMENT, inspire_license_deactivate_with(other, 2, &caller, &done, NULL));
    inspire_auth_free(other);
    /* The same machine finds its place again, with a store that has not buried a file of this second. */
    other = installation(":memory:", "machine-8", &server);
    license = NULL;
    GIVES(OK, activate(other, &license));
    inspire_license_free(license);
    inspire_deactivation_free(deactivate(other, 0));
    CHECK(!vendor_has_machine(&acme));
    inspire_auth_free(other);
    inspire_auth_free(auth);
}

static void an_outage_changes_nothing(void)
{
    inspire_server server = at_acme();
    inspire_auth *auth = installation("outage.db", "machine-7", &server);
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_deactivation *done;
    int64_t next = 0, since = (int64_t)time(NULL);
    inspire_result problem = 7;
    size_t released = 0;

    GIVES(OK, activate(auth, &license));
    inspire_license_free(license);
    vendor_stop(&acme);
    license = NULL;
    GIVES(NETWORK_CONNECT, activate(auth, &license));
    CHECK(license == NULL);
    GIVES(NETWORK_CONNECT, revalidate(auth));
    stands(auth, INSPIRE_RESULT_NETWORK_CONNECT);
    GIVES(OK, has(auth, "MFA"));

    /* Out is out; the seat is freed later. */
    done = deactivate(auth, 0);
    CHECK(inspire_deactivation_release(done) == INSPIRE_RELEASE_PENDING);
    CHECK(inspire_deactivation_problem(done) == INSPIRE_RESULT_NETWORK_CONNECT);
    CHECK(begins(inspire_deactivation_receipt(done), "-----BEGIN DEACTIVATION RECEIPT-----\n"));
    inspire_deactivation_free(done);
    released = 7;
    GIVES(NETWORK_CONNECT, inspire_license_release_pending(auth, &caller, &released, NULL));
    CHECK(released == 7);
    vendor_start(&acme, NULL);
    CHECK(vendor_has_machine(&acme));
    GIVES(OK, inspire_license_release_pending(auth, &caller, &released, NULL));
    CHECK(released == 1 && !vendor_has_machine(&acme));
    GIVES(OK, inspire_license_release_pending(auth, &caller, NULL, NULL));

    /* Or by a tick: it is in the store. */
    inspire_auth_free(auth);
    auth = installation("outage-again.db", "machine-7", &server);
    license = NULL;
    GIVES(OK, activate(auth, &license));
    inspire_license_free(license);
    vendor_stop(&acme);
    inspire_deactivation_free(deactivate(auth, 0));
    inspire_auth_free(auth);
    vendor_start(&acme, NULL);
    auth = installation("outage-again.db", "machine-7", &server);
    CHECK(vendor_has_machine(&acme));
    GIVES(OK, inspire_license_tick(auth, 0, NULL, &next, &problem, NULL));
    CHECK(problem == INSPIRE_RESULT_OK && next > since && vendor_has_machine(&acme));
    GIVES(OK, inspire_license_tick(auth, next, NULL, &next, &problem, NULL));
    CHECK(problem == INSPIRE_RESULT_OK && next == INSPIRE_NEVER && !vendor_has_machine(&acme));
    inspire_auth_free(auth);
}

static void a_principal_needs_the_admin_requirement(void)
{
    inspire_server server = at_acme();
    inspire_auth *auth = installation(":memory:", "machine-7", &server);
    inspire_created_key *created = create_key(auth, "nobody", NULL);
    inspire_requirement *any_key = require(auth, "Authenticated");
    inspire_request request = request_with(bearer(created), any_key);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_caller caller = INSPIRE_CALLER_INIT;
    inspire_license *license = NULL;
    inspire_deactivation *done = NULL;
    inspire_text *text = NULL;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));
    caller.actor = INSPIRE_ACTOR_PRINCIPAL;
    caller.principal = &principal;
    GIVES(PERMISSION_DENIED, inspire_license_activate_online(auth, inspire_str_from(acme.license_key), &caller,
                                                             &license, NULL));
    CHECK(!vendor_has_machine(&acme));
    GIVES(PERMISSION_DENIED, inspire_license_refresh(auth, INSPIRE_STR("x"), &caller, &license, NULL));
    GIVES(PERMISSION_DENIED, inspire_license_request(auth, INSPIRE_STR(""), &caller, &text, NULL));
    GIVES(PERMISSION_DENIED, inspire_license_reveal_key(auth, &caller, &text, NULL));
    CHECK(text == NULL);
    GIVES(PERMISSION_DENIED, inspire_license_deactivate_with(auth, 0, &caller, &done, NULL));
    GIVES(PERMISSION_DENIED, inspire_license_release_pending(auth, &caller, NULL, NULL));
    inspire_requirement_free(any_key);
    inspire_created_key_free(created);
    inspire_auth_free(auth);
}

/* The host's transport, and what it is to do. */
typedef struct host {
    enum { CARRY, FAIL, SILENCE, FORGE, OVERFLOW_BODY, ODD } does;
    /* With FAIL. */
    inspire_result with;
    /* Waits before it does so, in a request whose address holds this, until it is let go; NULL for none. */
    const char *waits_at;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_waiting, is_let_go, calls;
} host;

#define HOST_INIT(does) {(does), 0, NULL, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0}

static inspire_str slice(const char *data, size_t len)
{
    inspire_str text;
    text.data = data;
    text.len = len;
    return text;
}

/* HTTP/1.1 over a plain socket. */
static inspire_result carry(const inspire_http_request *request, inspire_http_answer *answer)
{
    char text[65536], *got, *line, *end;
    size_t at, length, got_length;
    int target, port;
    CHECK(sscanf(request->url.data, "http://127.0.0.1:%d%n", &port, &target) == 1);
    length = (size_t)snprintf(text, sizeof text, "%.*s %.*s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nconnection: close\r\n",
                              (int)request->method.len, request->method.data, (int)request->url.len - target,
                              request->url.data + target, port);
    for (at = 0; at < request->header_count; at++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%.*s: %.*s\r\n",
                                   (int)request->headers[at].name.len, request->headers[at].name.data,
                                   (int)request->headers[at].value.len, request->headers[at].value.data);
    length += (size_t)snprintf(text + length, sizeof text - length, "content-length: %lu\r\n\r\n",
                               (unsigned long)request->body.len);
    CHECK(length + request->body.len < sizeof text);
    memcpy(text + length, request->body.data, request->body.len);
    got = vendor_exchange(port, text, length + request->body.len, &got_length);
    if (got == NULL || got_length == 0) {
        free(got);
        return INSPIRE_RESULT_NETWORK_CONNECT;
    }
    CHECK(strncmp(got, "HTTP/1.1 ", 9) == 0);
    inspire_http_answer_set_status(answer, (uint32_t)strtoul(got + 9, NULL, 10));
    line = strstr(got, "\r\n") + 2;
    while ((end = strstr(line, "\r\n")) != line) {
        char *colon = memchr(line, ':', (size_t)(end - line));
        CHECK(colon != NULL);
        inspire_http_answer_add_header(answer, slice(line, (size_t)(colon - line)),
                                       slice(colon + 2, (size_t)(end - colon - 2)));
        line = end + 2;
    }
    /* In pieces, as they would arrive. */
    for (line += 2; line < got + got_length; line = end) {
        size_t left = (size_t)(got + got_length - line);
        end = line + (left < 1000 ? left : 1000);
        CHECK(inspire_http_answer_add_body(answer, slice(line, (size_t)(end - line))) == 1);
    }
    free(got);
    return INSPIRE_RESULT_OK;
}

static inspire_result answer_by_host(void *userdata, const inspire_http_request *request, inspire_http_answer *answer)
{
    static const inspire_str not_utf8 = {"\xff", 1}, null_with_length = {NULL, 3};
    host *of = userdata;
    pthread_mutex_lock(&of->lock);
    of->calls++;
    if (of->waits_at != NULL && strstr(request->url.data, of->waits_at) != NULL) {
        of->is_waiting = 1;
        pthread_cond_broadcast(&of->changed);
        while (!of->is_let_go)
            pthread_cond_wait(&of->changed, &of->lock);
    }
    pthread_mutex_unlock(&of->lock);
    CHECK(begins(request->url, acme.url) && request->timeout_ms > 0 && request->header_count > 0);
    /* Whoever hands them on as C's strings may. */
    CHECK(strlen(request->method.data) == request->method.len && strlen(request->url.data) == request->url.len);
    CHECK(strlen(request->body.data) == request->body.len);
    CHECK(strlen(request->headers[0].name.data) == request->headers[0].name.len);
    CHECK(strlen(request->headers[0].value.data) == request->headers[0].value.len);
    CHECK(begins(request->method, "POST") || begins(request->method, "DELETE"));
    switch (of->does) {
    case CARRY:
        return carry(request, answer);
    case FAIL:
        /* What it had by then does not count. */
        inspire_http_answer_set_status(answer, 200);
        return of->with;
    case SILENCE:
        return INSPIRE_RESULT_OK;
    case FORGE:
        inspire_http_answer_set_status(answer, 200);
        inspire_http_answer_add_body(answer, INSPIRE_STR("{\"data\":null,\"meta\":{\"valid\":false,\"code\":"
                                                         "\"SUSPENDED\"}}"));
        return INSPIRE_RESULT_OK;
    case OVERFLOW_BODY: {
        char piece[4096];
        unsigned long pieces = 0;
        memset(piece, ' ', sizeof piece);
        inspire_http_answer_set_status(answer, 200);
        while (inspire_http_answer_add_body(answer, slice(piece, sizeof piece)) == 1)
            pieces++;
        CHECK(pieces == 256);
        return INSPIRE_RESULT_OK;
    }
    default:
        inspire_http_answer_set_status(answer, 70000);
        inspire_http_answer_add_header(answer, not_utf8, not_utf8);
        inspire_http_answer_add_header(answer, null_with_length, null_with_length);
        CHECK(inspire_http_answer_add_body(answer, null_with_length) == 0);
        inspire_http_answer_set_status(NULL, 200);
        inspire_http_answer_add_header(NULL, not_utf8, not_utf8);
        CHECK(inspire_http_answer_add_body(NULL, not_utf8) == 0);
        return INSPIRE_RESULT_OK;
    }
}

static inspire_server by(host *of)
{
    inspire_server server = at_acme();
    server.transport = answer_by_host;
    server.transport_userdata = of;
    return server;
}

static void the_host_carries(void)
{
    static const struct {
        inspire_result returned, result;
    } failures[] = {
        {INSPIRE_RESULT_NETWORK_DNS, INSPIRE_RESULT_NETWORK_DNS},
        {INSPIRE_RESULT_NETWORK_CONNECT, INSPIRE_RESULT_NETWORK_CONNECT},
        {INSPIRE_RESULT_NETWORK_TLS, INSPIRE_RESULT_NETWORK_TLS},
        {INSPIRE_RESULT_NETWORK_PROXY, INSPIRE_RESULT_NETWORK_PROXY},
        {INSPIRE_RESULT_NETWORK_TIMEOUT, INSPIRE_RESULT_NETWORK_TIMEOUT},
        {INSPIRE_RESULT_NETWORK_POLICY, INSPIRE_RESULT_NETWORK_POLICY},
        {INSPIRE_RESULT_SERVER_ANSWER_MALFORMED, INSPIRE_RESULT_SERVER_ANSWER_MALFORMED},
        {INSPIRE_RESULT_CANCELLED, INSPIRE_RESULT_CANCELLED},
        /* Nonsense, and what a transport has no business to say. */
        {INSPIRE_RESULT_LICENSE_SUSPENDED, INSPIRE_RESULT_NETWORK_CONNECT},
        {INSPIRE_RESULT_SERVER_SIGNATURE_INVALID, INSPIRE_RESULT_NETWORK_CONNECT},
        {INSPIRE_RESULT_PENDING, INSPIRE_RESULT_NETWORK_CONNECT},
        {7, INSPIRE_RESULT_NETWORK_CONNECT},
        {UINT32_MAX, INSPIRE_RESULT_NETWORK_CONNECT},
    };
    host carrier = HOST_INIT(CARRY);
    inspire_server server = by(&carrier);
    inspire_auth *auth = installation(":memory:", "machine-7", &server);
    inspire_license *license = NULL;
    size_t at;
    GIVES(OK, activate(auth, &license));
    inspire_license_free(license);
    stands(auth, INSPIRE_RESULT_OK);
    CHECK(carrier.calls == 3);
    carrier.does = FAIL;
    for (at = 0; at < sizeof failures / sizeof *failures; at++) {
        carrier.with = failures[at].returned;
        CHECK(revalidate(auth) == failures[at].result);
        /* Somebody who gave up has made no attempt. */
        if (failures[at].result != INSPIRE_RESULT_CANCELLED)
            stands(auth, failures[at].result);
    }
    carrier.does = SILENCE;
    GIVES(SERVER_STATUS, revalidate(auth));
    carrier.does = FORGE;
    GIVES(SERVER_SIGNATURE_INVALID, revalidate(auth));
    stands(auth, INSPIRE_RESULT_SERVER_SIGNATURE_INVALID);
    carrier.does = OVERFLOW_BODY;
    GIVES(SERVER_ANSWER_MALFORMED, revalidate(auth));
    carrier.does = ODD;
    GIVES(SERVER_STATUS, revalidate(auth));
    stands(auth, INSPIRE_RESULT_SERVER_STATUS);
    carrier.does = CARRY;
    GIVES(OK, revalidate(auth));
    stands(auth, INSPIRE_RESULT_OK);
    inspire_deactivation_free(deactivate(auth, 0));
    CHECK(!vendor_has_machine(&acme));
    inspire_auth_free(auth);
}

/* A call on a thread of its own. */
typedef struct errand {
    pthread_t thread;
    const inspire_auth *auth;
    const inspire_cancel *cancel;
    inspire_result result;
} errand;

static void *run_errand(void *given)
{
    errand *of = given;
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    caller.cancel = of->cancel;
    of->result = inspire_license_revalidate(of->auth, &caller, &license, NULL);
    inspire_license_free(license);
    return NULL;
}

static void begin(errand *of, const inspire_auth *auth, const inspire_cancel *cancel)
{
    of->auth = auth;
    of->cancel = cancel;
    CHECK(pthread_create(&of->thread, NULL, run_errand, of) == 0);
}

static void a_call_is_cancelled(void)
{
    host carrier = HOST_INIT(CARRY);
    inspire_server server = by(&carrier), silent = at_acme();
    inspire_auth *auth = installation("cancel.db", "machine-7", &server), *own;
    inspire_cancel *cancel = inspire_cancel_new();
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_result problem = 7;
    int64_t next;
    errand errand;
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    char url[64], byte;
    int listener, stream;

    GIVES(OK, activate(auth, &license));
    inspire_license_free(license);

    /* A host's transport that waits: what it brings after that, a good file, is dropped. */
    vendor_change(&acme, "entitle", "--add", "AI");
    carrier.waits_at = "check-out";
    begin(&errand, auth, cancel);
    pthread_mutex_lock(&carrier.lock);
    while (!carrier.is_waiting)
        pthread_cond_wait(&carrier.changed, &carrier.lock);
    inspire_cancel_now(cancel);
    carrier.is_let_go = 1;
    pthread_cond_broadcast(&carrier.changed);
    pthread_mutex_unlock(&carrier.lock);
    CHECK(pthread_join(errand.thread, NULL) == 0);
    CHECK(errand.result == INSPIRE_RESULT_CANCELLED);
    GIVES(NOT_ENTITLED, has(auth, "AI"));

    /* What it is given to from now on ends before it begins. */
    carrier.waits_at = NULL;
    carrier.calls = 0;
    license = NULL;
    caller.cancel = cancel;
    GIVES(CANCELLED, inspire_license_revalidate(auth, &caller, &license, NULL));
    GIVES(OK, inspire_license_tick(auth, (int64_t)time(NULL) + 13 * 24 * 3600, cancel, &next, &problem, NULL));
    CHECK(problem == INSPIRE_RESULT_CANCELLED && carrier.calls == 0 && license == NULL);
    inspire_cancel_free(cancel);
    GIVES(OK, revalidate(auth));
    GIVES(OK, has(auth, "AI"));

    /* The library's transport, and a server that takes the request and says nothing. */
    listener = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 4) == 0 && getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", ntohs(address.sin_port));
    silent.url = inspire_str_from(url);
    silent.timeout_ms = 3600 * 1000;
    own = installation("cancel.db", "machine-7", &silent);
    cancel = inspire_cancel_new();
    begin(&errand, own, cancel);
    stream = accept(listener, NULL, NULL);
    CHECK(stream >= 0 && read(stream, &byte, 1) == 1 && byte == 'P');
    inspire_cancel_now(cancel);
    CHECK(pthread_join(errand.thread, NULL) == 0);
    CHECK(errand.result == INSPIRE_RESULT_CANCELLED);
    close(stream);
    inspire_cancel_free(cancel);
    inspire_auth_free(own);

    /* The same, without anybody who cancels. */
    silent.timeout_ms = 100;
    own = installation("cancel.db", "machine-7", &silent);
    GIVES(NETWORK_TIMEOUT, revalidate(own));
    stands(own, INSPIRE_RESULT_NETWORK_TIMEOUT);
    inspire_auth_free(own);
    close(listener);

    inspire_deactivation_free(deactivate(auth, 0));
    inspire_auth_free(auth);
}

/* Told when the machine is released. */
static void hear(void *userdata, const inspire_audit_event *event)
{
    host *of = userdata;
    if (!begins(event->event, "license.released"))
        return;
    pthread_mutex_lock(&of->lock);
    of->is_let_go = 1;
    pthread_cond_broadcast(&of->changed);
    pthread_mutex_unlock(&of->lock);
}

static void a_handle_does_it_by_itself(void)
{
    host carrier = HOST_INIT(FAIL);
    inspire_server server = by(&carrier), direct = at_acme();
    inspire_auth *auth = installation("by-itself.db", "machine-7", &direct);
    inspire_auth_options options = cheap_options("by-itself.db");
    inspire_trusted_key trusted;
    inspire_caller caller = by_system();
    inspire_license *license = NULL;
    inspire_deactivation *done = NULL;
    size_t released = 7;
    GIVES(OK, activate(auth, &license));
    inspire_license_free(license);
    inspire_auth_free(auth);

    /* In vain, some time ago: so it is due. */
    carrier.with = INSPIRE_RESULT_NETWORK_DNS;
    auth = installation("by-itself.db", "machine-7", &server);
    caller.now = (int64_t)time(NULL) - 200;
    GIVES(OK, inspire_license_deactivate_with(auth, 0, &caller, &done, NULL));
    CHECK(inspire_deactivation_release(done) == INSPIRE_RELEASE_PENDING);
    CHECK(inspire_deactivation_problem(done) == INSPIRE_RESULT_NETWORK_DNS);
    inspire_deactivation_free(done);
    inspire_auth_free(auth);
    CHECK(vendor_has_machine(&acme));

    carrier.does = CARRY;
    server.auto_refresh = 1;
    memset(&trusted, 0, sizeof trusted);
    trusted.id = INSPIRE_STR("acme");
    trusted.public_key = inspire_str_from(acme.public_key);
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.machine_id = INSPIRE_STR("machine-7");
    options.server = &server;
    options.audit = hear;
    options.audit_userdata = &carrier;
    auth = NULL;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    pthread_mutex_lock(&carrier.lock);
    while (!carrier.is_let_go)
        pthread_cond_wait(&carrier.changed, &carrier.lock);
    pthread_mutex_unlock(&carrier.lock);
    inspire_auth_free(auth);
    CHECK(!vendor_has_machine(&acme));
    auth = installation("by-itself.db", "machine-7", &direct);
    caller = by_system();
    GIVES(OK, inspire_license_release_pending(auth, &caller, &released, NULL));
    CHECK(released == 0);
    inspire_auth_free(auth);
}

static void files_are_asked_for_and_brought(void)
{
    inspire_server server = at_acme();
    inspire_auth *auth = installation(":memory:", "machine-7", &server);
    inspire_caller caller = by_system();
    inspire_machine *machine = NULL;
    inspire_signing_key *key = NULL;
    inspire_text *text = NULL, *again = NULL;
    inspire_license *license = NULL;
    char pem[1024], description[1024], fingerprint[256];
    size_t length;
    FILE *file;

    GIVES(OK, inspire_license_request(auth, slice(NULL, 0), &caller, &text, NULL));
    CHECK(begins(inspire_text_str(text), "-----BEGIN LICENSE REQUEST-----\n"));
    GIVES(OK, inspire_license_request(auth, inspire_str_from(acme.license_key), &caller, &again, NULL));
    CHECK(inspire_text_str(again).len > inspire_text_str(text).len);
    inspire_text_free(text);
    inspire_text_free(again);
    GIVES(UNLICENSED, inspire_license_refresh(auth, INSPIRE_STR("x"), &caller, &license, NULL));

    GIVES(UNLICENSED, inspire_license_reveal_key(auth, &caller, &text, NULL));
    GIVES(OK, activate(auth, &license));
    GIVES(OK, inspire_license_reveal_key(auth, &caller, &text, NULL));
    IS(inspire_text_str(text), acme.license_key);
    CHECK(!str_is(inspire_license_key(license), acme.license_key));
    inspire_text_free(text);
    inspire_license_free(license);
    GIVES(OK, inspire_machine_of(auth, &machine, NULL));
    snprintf(fingerprint, sizeof fingerprint, "%s", inspire_machine_fingerprint(machine).data);
    inspire_machine_free(machine);
    file = fopen("acme.key", "rb");
    CHECK(file != NULL);
    length = fread(pem, 1, sizeof pem, file);
    fclose(file);
    GIVES(OK, inspire_signing_key_read(slice(pem, length), &key, NULL));

    license = NULL;
    GIVES(LICENSE_MALFORMED, inspire_license_refresh(auth, INSPIRE_STR("x"), &caller, &license, NULL));
    snprintf(description, sizeof description,
             "{\"id\": \"another\", \"key\": \"%s\", \"fingerprint\": \"%s\", \"entitlements\": []}", acme.license_key,
             fingerprint);
    GIVES(OK, inspire_signing_key_sign(key, inspire_str_from(description), INSPIRE_FILE_MACHINE, 0, 0, &text, NULL));
    GIVES(CONFLICT, inspire_license_refresh(auth, inspire_text_str(text), &caller, &license, NULL));
    inspire_text_free(text);
    CHECK(license == NULL);
    stands(auth, INSPIRE_RESULT_OK);

    snprintf(description, sizeof description,
             "{\"id\": \"%s\", \"key\": \"%s\", \"fingerprint\": \"%s\", \"entitlements\": [\"PROCAPTIONS\"]}",
             acme.license, acme.license_key, fingerprint);
    GIVES(OK, inspire_signing_key_sign(key, inspire_str_from(description), INSPIRE_FILE_MACHINE, 0,
                                       (int64_t)time(NULL) + 60, &text, NULL));
    GIVES(OK, inspire_license_refresh(auth, inspire_text_str(text), &caller, &license, NULL));
    CHECK(inspire_license_mode(license) == INSPIRE_LICENSE_MODE_ONLINE);
    inspire_license_free(license);
    GIVES(OK, has(auth, "PROCAPTIONS"));
    inspire_text_free(text);
    inspire_signing_key_free(key);
    inspire_deactivation_free(deactivate(auth, 1));
    inspire_auth_free(auth);
}

enum { THREADS = 8, ROUNDS = 30 };

static inspire_auth *shared;
static int consumed;

static void *consume(void *number)
{
    int round;
    for (round = 0; round < ROUNDS; round++) {
        char operation[40];
        inspire_result result, again;
        snprintf(operation, sizeof operation, "%d-%d", *(const int *)number, round);
        result = inspire_credits_consume(shared, 1, inspire_str_from(operation), NULL, 0, NULL, NULL);
        CHECK(result == INSPIRE_RESULT_OK || result == INSPIRE_RESULT_LIMIT_EXCEEDED);
        again = inspire_credits_consume(shared, 1, inspire_str_from(operation), NULL, 0, NULL, NULL);
        CHECK(again == result);
        if (result == INSPIRE_RESULT_OK)
            __atomic_fetch_add(&consumed, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void credits_are_shared(void)
{
    inspire_server server = at_acme();
    inspire_tenant north = {INSPIRE_STR_INIT, 10}, south = {INSPIRE_STR_INIT, INSPIRE_UNLIMITED};
    inspire_balance left = INSPIRE_BALANCE_INIT;
    inspire_license *license = NULL;
    pthread_t threads[THREADS];
    int numbers[THREADS], at;

    shared = installation("credits.db", "machine-7", &server);
    north.name = INSPIRE_STR("north");
    south.name = INSPIRE_STR("south");
    GIVES(LIMIT_EXCEEDED, inspire_credits_consume(shared, 1, INSPIRE_STR("x"), NULL, 0, &left, NULL));
    GIVES(OK, activate(shared, &license));
    inspire_license_free(license);
    for (at = 0; at < THREADS; at++) {
        numbers[at] = at;
        CHECK(pthread_create(&threads[at], NULL, consume, &numbers[at]) == 0);
    }
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    CHECK(consumed == 100);
    GIVES(OK, inspire_credits_balance(shared, NULL, 0, &left, NULL));
    CHECK(left.limit == 100 && left.used == 100 && left.left == 0 && left.struct_size == sizeof left);
    GIVES(LIMIT_EXCEEDED, inspire_credits_consume(shared, 1, INSPIRE_STR("x"), &south, 0, &left, NULL));
    GIVES(NOT_FOUND, inspire_credits_refund(shared, INSPIRE_STR("x"), NULL, 0, &left, NULL));
    GIVES(INVALID_ARGUMENT, inspire_credits_consume(shared, 0, INSPIRE_STR("x"), NULL, 0, &left, NULL));
    GIVES(INVALID_ARGUMENT, inspire_credits_consume(shared, 1, INSPIRE_STR(""), NULL, 0, &left, NULL));
    inspire_auth_free(shared);

    /* By tenants. */
    shared = installation(":memory:", "machine-7", &server);
    license = NULL;
    GIVES(OK, activate(shared, &license));
    inspire_license_free(license);
    GIVES(OK, inspire_credits_consume(shared, 8, INSPIRE_STR("n1"), &north, 0, &left, NULL));
    CHECK(left.limit == 10 && left.used == 8 && left.left == 2);
    CHECK(left.month > 202400 && left.month % 100 >= 1 && left.month % 100 <= 12 && left.reserved == 0);
    GIVES(LIMIT_EXCEEDED, inspire_credits_consume(shared, 3, INSPIRE_STR("n2"), &north, 0, &left, NULL));
    GIVES(OK, inspire_credits_consume(shared, 91, INSPIRE_STR("s1"), &south, 0, &left, NULL));
    CHECK(left.limit == 100 && left.used == 91 && left.left == 1);
    GIVES(OK, inspire_credits_balance(shared, &north, 0, &left, NULL));
    CHECK(left.left == 1);
    GIVES(CONFLICT, inspire_credits_consume(shared, 90, INSPIRE_STR("s1"), &south, 0, &left, NULL));
    GIVES(CONFLICT, inspire_credits_refund(shared, INSPIRE_STR("s1"), &north, 0, &left, NULL));
    GIVES(OK, inspire_credits_refund(shared, INSPIRE_STR("s1"), &south, 0, &left, NULL));
    GIVES(OK, inspire_credits_refund(shared, INSPIRE_STR("s1"), &south, 0, NULL, NULL));
    CHECK(left.used == 0 && left.left == 92);
    GIVES(OK, inspire_credits_balance(shared, NULL, 0, &left, NULL));
    CHECK(left.limit == 100 && left.used == 8 && left.left == 92);

    GIVES(OK, inspire_license_check_tenant_limit(shared, INSPIRE_STR("MAX_DISPLAYS"), &south, 10, 10, 0, NULL));
    GIVES(LIMIT_EXCEEDED,
          inspire_license_check_tenant_limit(shared, INSPIRE_STR("MAX_DISPLAYS"), &south, 1, 11, 0, NULL));
    north.limit = 3;
    GIVES(OK, inspire_license_check_tenant_limit(shared, INSPIRE_STR("max_displays"), &north, 3, 10, 0, NULL));
    GIVES(LIMIT_EXCEEDED,
          inspire_license_check_tenant_limit(shared, INSPIRE_STR("MAX_DISPLAYS"), &north, 4, 4, 0, NULL));
    GIVES(INVALID_ARGUMENT,
          inspire_license_check_tenant_limit(shared, INSPIRE_STR("MAX_DISPLAYS"), &north, -1, 4, 0, NULL));
    CHECK(inspire_tenant_effective(&north, 10) == 3 && inspire_tenant_effective(&north, 2) == 2);
    CHECK(inspire_tenant_effective(&north, INSPIRE_UNLIMITED) == 3 && inspire_tenant_effective(&south, 10) == 10);
    CHECK(inspire_tenant_effective(&south, INSPIRE_UNLIMITED) == INSPIRE_UNLIMITED);
    CHECK(inspire_tenant_effective(NULL, 10) == 10);
    inspire_deactivation_free(deactivate(shared, 0));
    inspire_auth_free(shared);
}

static void a_policy_is_kept(void)
{
    inspire_server server = at_acme();
    inspire_auth_options options = cheap_options(":memory:");
    inspire_str hosts[2];
    inspire_auth *auth = NULL;
    inspire_license *license = NULL;
    server.allowed_hosts = hosts;
    server.allowed_host_count = 2;
    options.server = &server;
    hosts[0] = INSPIRE_STR("licensing.example");
    hosts[1] = INSPIRE_STR("*.0.0.1");
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    inspire_auth_free(auth);
    auth = NULL;
    hosts[1] = INSPIRE_STR("*.example");
    GIVES(NETWORK_POLICY, inspire_auth_open(&options, &auth, NULL));
    CHECK(auth == NULL);
    hosts[1] = INSPIRE_STR("127.0.0.1");
    server.proxy = INSPIRE_PROXY_URL;
    server.proxy_url = INSPIRE_STR("http://proxy.example:3128");
    GIVES(NETWORK_POLICY, inspire_auth_open(&options, &auth, NULL));
    server = at_acme();
    /* Answers that were signed for another account, or by another host, are not believed. */
    server.account_id = INSPIRE_STR("another");
    auth = installation(":memory:", "machine-7", &server);
    GIVES(SERVER_SIGNATURE_INVALID, activate(auth, &license));
    inspire_auth_free(auth);
    server = at_acme();
    server.signing_host = INSPIRE_STR("another.example");
    auth = installation(":memory:", "machine-7", &server);
    GIVES(SERVER_SIGNATURE_INVALID, activate(auth, &license));
    inspire_auth_free(auth);
    CHECK(license == NULL && !vendor_has_machine(&acme));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    vendor_open(&acme, argv[1]);
    nobody_is_asked_without_a_server();
    a_license_lives();
    an_outage_changes_nothing();
    a_principal_needs_the_admin_requirement();
    the_host_carries();
    files_are_asked_for_and_brought();
    credits_are_shared();
    a_policy_is_kept();
    a_call_is_cancelled();
    a_handle_does_it_by_itself();
    vendor_stop(&acme);
    return 0;
}
