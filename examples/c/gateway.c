/*
 * A small HTTP gateway whose routes are guarded by API keys, security levels and the license.
 *
 * Everything that a host of libinspire_auth needs is here, in the order in which one would write it: a table of what
 * each route requires, one function that decides a request, one that answers it, and a start and an end that leak
 * nothing. HTTP itself is libmicrohttpd's. One thread serves all connections, so no call may block it: see decide().
 */
#define _POSIX_C_SOURCE 200809L
#include <inspire_auth.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "openapi.h"
#include "settings.h"

/* What each route requires. */
struct route {
    const char *method, *path;
    const char *requirement; /* who may: security levels, in the words of inspire_requirement_parse() */
    const char *entitlement; /* what the license must hold as well; NULL is nothing */
    const char *answer;      /* what the granted get: JSON */
};
static const struct route ROUTES[] = {
    {"GET", "/data/api/v1/resources", "Authenticated/Gateway/Read", NULL, "{\"resources\":[\"tags\",\"views\"]}"},
    {"POST", "/data/api/v1/sync", "Authenticated/Gateway/Write", NULL, "{\"sync\":\"started\"}"},
    {"GET", "/data/api/v1/modes", "any(Authenticated/Gateway/Read, Authenticated/Gateway/Write)", NULL,
     "{\"mode\":\"running\"}"},
    {"PUT", "/data/api/v1/modes", "all(Authenticated/Gateway/Read, Authenticated/Gateway/Write)", NULL,
     "{\"mode\":\"changed\"}"},
    {"POST", "/video-walls", "Authenticated/Gateway/Write", "VIDEO_WALL_SYNC", "{\"videoWall\":\"created\"}"},
    {"GET", "/openapi", "Public", NULL, OPENAPI}, /* everyone, without a key; but a wrong key is refused */
};
enum { ROUTE_COUNT = sizeof ROUTES / sizeof ROUTES[0], MAX_HEADERS = 64 };

struct gateway {
    inspire_auth *auth;
    inspire_requirement *requirements[ROUTE_COUNT]; /* compiled once: a check is then a few bit operations */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    size_t suspended; /* connections that wait for a slow hash; with `stopping`, under `lock` */
    bool stopping;
};

/* A port, and what is known about whoever comes through it. Whether a request was encrypted on its way is for the host
 * to say, which ended the TLS or knows the proxy that did; the library never believes a header about it. */
struct door {
    struct gateway *gateway;
    uint32_t channel; /* INSPIRE_CHANNEL_... */
    struct MHD_Daemon *daemon;
};

/* One request on its way. */
struct exchange {
    struct gateway *gateway;
    struct MHD_Connection *connection;
    const struct route *route;
    inspire_ticket *ticket;   /* while the decision is awaited */
    inspire_principal caller; /* once it is granted: caller.name is who, for the host's own log */
};

/* The decision is there. The granted go on; everyone else is answered now, before a byte of a body is read.
 * The caller learns the code and its general message. The details (which level is missing) are for the log. */
static enum MHD_Result decided(struct exchange *exchange, inspire_result result, inspire_error *err) {
    if (result == INSPIRE_RESULT_OK)
        return MHD_YES;
    const inspire_auth *auth = exchange->gateway->auth;
    fprintf(stderr, "refused: %s %s: %s\n", exchange->route->method, exchange->route->path,
            inspire_error_message(err).data);
    inspire_error_free(err);
    char body[512];
    snprintf(body, sizeof body, "{\"error\":\"%s\",\"message\":\"%s\"}", inspire_result_name(result).data,
             inspire_result_message(result).data);
    return send_json(exchange->connection, inspire_auth_http_status(auth, result), body,
                     inspire_auth_challenge(auth, result).data, inspire_auth_retry_after(auth, result));
}

/* A ticket is decided: on one of the library's threads, so nothing is done here but to wake the connection. */
static void wake(void *userdata) {
    struct exchange *exchange = userdata;
    struct gateway *gateway = exchange->gateway;
    MHD_resume_connection(exchange->connection); /* from here on the exchange may be gone */
    pthread_mutex_lock(&gateway->lock);
    gateway->suspended--;
    pthread_cond_signal(&gateway->idle);
    pthread_mutex_unlock(&gateway->lock);
}

struct header_lines {
    inspire_header at[MAX_HEADERS];
    size_t count;
};

static enum MHD_Result collect(void *userdata, enum MHD_ValueKind kind, const char *name, size_t name_len,
                               const char *value, size_t value_len) {
    struct header_lines *lines = userdata;
    (void)kind;
    lines->at[lines->count].name = (inspire_str){name, name_len};
    lines->at[lines->count].value = (inspire_str){value, value_len};
    return ++lines->count < MAX_HEADERS ? MHD_YES : MHD_NO;
}

/* Decides a request by its header lines: all of them, one by one, as they came. Joining lines of the same name, or
 * leaving some out, would hide that a request carries two credentials; the library refuses such a request. */
static enum MHD_Result decide(struct exchange *exchange, uint32_t channel) {
    struct gateway *gateway = exchange->gateway;
    struct header_lines lines = {.count = 0};
    if (MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, NULL, NULL) > MAX_HEADERS)
        return send_json(exchange->connection, 431, "{\"error\":\"TOO_MANY_HEADERS\"}", NULL, 0);
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, collect, &lines);

    inspire_request request = INSPIRE_REQUEST_INIT;
    request.headers = lines.at;
    request.header_count = lines.count;
    request.channel = channel;
    request.requirement = gateway->requirements[exchange->route - ROUTES];
    request.entitlement = inspire_str_from(exchange->route->entitlement);
    inspire_error *err = NULL;
    inspire_result result =
        inspire_auth_authenticate_no_wait(gateway->auth, &request, &exchange->caller, &exchange->ticket, &err);
    if (result != INSPIRE_RESULT_PENDING)
        return decided(exchange, result, err); /* nearly always: a key that was seen before takes a microsecond */

    /* A key's first use is proven by a slow hash, meant to be slow. The connection sleeps; the thread serves others. */
    pthread_mutex_lock(&gateway->lock);
    bool stopping = gateway->stopping;
    gateway->suspended += !stopping;
    pthread_mutex_unlock(&gateway->lock);
    if (stopping)
        return MHD_NO;
    MHD_suspend_connection(exchange->connection);
    if (inspire_ticket_on_ready(exchange->ticket, wake, exchange, NULL) != INSPIRE_RESULT_OK)
        wake(exchange);
    return MHD_YES;
}

/* libmicrohttpd calls this with the header lines, again after a sleep, with each piece of the body, and at its end. */
static enum MHD_Result handle(void *userdata, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *body, size_t *body_len, void **slot) {
    struct door *door = userdata;
    struct exchange *exchange = *slot;
    (void)version, (void)body;
    if (exchange == NULL) {
        const struct route *route = ROUTES, *end = ROUTES + ROUTE_COUNT;
        while (route < end && (strcmp(url, route->path) != 0 || strcmp(method, route->method) != 0))
            route++;
        if (route == end)
            return send_json(connection, MHD_HTTP_NOT_FOUND, "{\"error\":\"NO_SUCH_ROUTE\"}", NULL, 0);
        exchange = *slot = calloc(1, sizeof *exchange);
        if (exchange == NULL)
            return MHD_NO;
        *exchange = (struct exchange){door->gateway, connection, route, NULL, INSPIRE_PRINCIPAL_INIT};
        return decide(exchange, door->channel);
    }
    if (exchange->ticket != NULL) { /* woken */
        inspire_error *err = NULL;
        inspire_result result = inspire_ticket_poll(exchange->ticket, &exchange->caller, &err);
        inspire_ticket_free(exchange->ticket);
        exchange->ticket = NULL;
        return decided(exchange, result, err);
    }
    if (*body_len != 0) { /* only the granted come here; a real gateway would keep what they send */
        *body_len = 0;
        return MHD_YES;
    }
    return send_json(connection, MHD_HTTP_OK, exchange->route->answer, NULL, 0);
}

static void completed(void *userdata, struct MHD_Connection *connection, void **slot,
                      enum MHD_RequestTerminationCode why) {
    struct exchange *exchange = *slot;
    (void)userdata, (void)connection, (void)why;
    if (exchange != NULL)
        inspire_ticket_free(exchange->ticket);
    free(exchange);
}

/* Opens the store and compiles the requirements: what can fail fails here, not in the middle of a request. */
static bool open_gateway(struct gateway *gateway, const inspire_auth_options *options) {
    inspire_error *err = NULL;
    inspire_result result = inspire_auth_open(options, &gateway->auth, &err);
    for (size_t i = 0; i < ROUTE_COUNT && result == INSPIRE_RESULT_OK; i++)
        result = inspire_requirement_parse(gateway->auth, inspire_str_from(ROUTES[i].requirement),
                                           &gateway->requirements[i], &err);
    if (result != INSPIRE_RESULT_OK)
        fprintf(stderr, "gateway: %s\n", inspire_error_message(err).data);
    inspire_error_free(err);
    return result == INSPIRE_RESULT_OK;
}

int main(int argc, char **argv) {
    struct settings settings;
    if (!read_settings(argc, argv, &settings))
        return 2;
    struct gateway gateway = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};
    struct door front = {&gateway, settings.channel, NULL}, plain = {&gateway, INSPIRE_CHANNEL_PLAIN, NULL};

    /* Blocked before any thread is started, so that all inherit it: the signals are main's alone. */
    sigset_t ends;
    int signal;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    bool started = open_gateway(&gateway, &settings.options);
    if (started)
        started = (front.daemon = listen_on(settings.port, "", handle, &front, completed)) != NULL;
    if (started && settings.plain_port >= 0)
        started = (plain.daemon = listen_on((uint16_t)settings.plain_port, " (plain)", handle, &plain, completed)) != NULL;
    if (started)
        sigwait(&ends, &signal);

    /* The order matters: nobody falls asleep any more, the sleeping are woken, the doors close, the library goes. */
    pthread_mutex_lock(&gateway.lock);
    for (gateway.stopping = true; gateway.suspended > 0;)
        pthread_cond_wait(&gateway.idle, &gateway.lock);
    pthread_mutex_unlock(&gateway.lock);
    if (plain.daemon != NULL)
        MHD_stop_daemon(plain.daemon);
    if (front.daemon != NULL)
        MHD_stop_daemon(front.daemon);
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        inspire_requirement_free(gateway.requirements[i]);
    inspire_auth_free(gateway.auth);
    return started ? 0 : 1;
}
