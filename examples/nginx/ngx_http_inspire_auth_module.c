/*
 * An nginx module that asks libinspire_auth about each request, in the worker itself: who is calling, may they, and is
 * it licensed.
 *
 *     inspire_auth_store /var/lib/inspire-auth/gateway.db;          http
 *     inspire_auth_trusted_key vendor 0f1e...;                      http; for entitlements
 *     inspire_auth_product product-id;                              http
 *     inspire_auth_machine_id text;                                 http
 *     inspire_auth "any(Authenticated/Gateway/Read)" | off;         http, server, location, limit_except
 *     inspire_auth_entitlement VIDEO_WALL_SYNC | off;               the same
 *     inspire_auth_channel auto | secure | plain;                   the same; auto: TLS is secure
 *
 *     $inspire_auth_key  $inspire_auth_key_id  $inspire_auth_levels  $inspire_auth_warning  $inspire_auth_error
 *
 * No worker ever waits: where a key is seen for the first time the request sleeps, and the loop serves others. A guarded
 * location is denied to paths that are not canonical ("//", "..", "%2F", ";"): nginx and the service behind it may read
 * them differently. Of every request, guarded or not, what a client says in a header X-Inspire-... is taken off.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <inspire_auth.h>

#include "inspire_wakeup.h"

enum {
    REOPEN_MS = 1000,     /* between two tries to open the store */
    PATIENCE_MS = 30000,  /* for a slow hash, those before it included */
    HEADERS_AT_HAND = 64, /* lines; of a request with more, memory of its own */
};
#define OURS "x-inspire-" /* how the names begin in which the service is told who is calling */

/* What a location requires. */
typedef struct {
    ngx_str_t requirement, entitlement;
    inspire_routes *table; /* of one route, which is every path: a table refuses paths that are not canonical */
} guard_t;

typedef struct {
    ngx_str_t store, product, machine_id;
    ngx_array_t trusted; /* inspire_trusted_key */
    ngx_array_t guards;  /* guard_t *: all that the configuration names */
    inspire_auth *auth;  /* in a worker; NULL while the store can't be opened */
    ngx_event_t reopen;
} main_conf_t;

typedef struct {
    ngx_str_t requirement, entitlement; /* as written; "off" is said, and empty */
    guard_t *guard;                     /* both; NULL: none */
    ngx_uint_t channel;
} loc_conf_t;

/* A request on its way. */
typedef struct {
    inspire_principal caller;
    inspire_result result;
    inspire_ticket *ticket; /* while the decision is awaited */
    inspire_wakeup *wakeup; /* the same */
    ngx_event_t patience;   /* the same: how long */
} exchange_t;

enum { CHANNEL_AUTO, CHANNEL_SECURE, CHANNEL_PLAIN };
static ngx_conf_enum_t channels[] = {
    {ngx_string("auto"), CHANNEL_AUTO},
    {ngx_string("secure"), CHANNEL_SECURE},
    {ngx_string("plain"), CHANNEL_PLAIN},
    {ngx_null_string, 0},
};

extern ngx_module_t ngx_http_inspire_auth_module;

static inspire_str str(ngx_str_t text) {
    return (inspire_str){(const char *)text.data, text.len};
}

/* ---- the store ---- */

static ngx_int_t open_store(const main_conf_t *conf, inspire_str store, inspire_auth **auth, ngx_log_t *log) {
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    options.store = store;
    options.product = str(conf->product);
    options.machine_id = str(conf->machine_id);
    options.trusted_keys = conf->trusted.elts;
    options.trusted_key_count = conf->trusted.nelts;
    inspire_error *err = NULL;
    if (inspire_auth_open(&options, auth, &err) == INSPIRE_RESULT_OK)
        return NGX_OK;
    ngx_log_error(NGX_LOG_EMERG, log, 0, "inspire_auth: %*s: %s", store.len, store.data, inspire_error_message(err).data);
    inspire_error_free(err);
    return NGX_ERROR;
}

/* What is guarded is refused until the store is there. */
static void open_or_try_again(main_conf_t *conf, ngx_log_t *log) {
    if (open_store(conf, str(conf->store), &conf->auth, log) != NGX_OK && !ngx_exiting)
        ngx_add_timer(&conf->reopen, REOPEN_MS);
}

static void reopen(ngx_event_t *event) {
    open_or_try_again(event->data, event->log);
}

/* In the worker, not in the master: what the library has open is each process's own. */
static ngx_int_t init_process(ngx_cycle_t *cycle) {
    main_conf_t *conf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_inspire_auth_module);
    ngx_flag_t serves = ngx_process == NGX_PROCESS_WORKER || ngx_process == NGX_PROCESS_SINGLE;
    if (conf == NULL || conf->guards.nelts == 0 || !serves)
        return NGX_OK;
    if (inspire_wakeup_init(cycle) != NGX_OK)
        return NGX_ERROR;
    conf->reopen.handler = reopen;
    conf->reopen.data = conf;
    conf->reopen.log = cycle->log;
    conf->reopen.cancelable = 1;
    open_or_try_again(conf, cycle->log);
    return NGX_OK;
}

static void exit_process(ngx_cycle_t *cycle) {
    main_conf_t *conf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_inspire_auth_module);
    if (conf == NULL)
        return;
    inspire_auth_free(conf->auth);
    conf->auth = NULL;
}

/* ---- a request ---- */

static ngx_int_t is_ours(const ngx_table_elt_t *line) {
    return line->key.len >= sizeof OURS - 1
           && ngx_strncasecmp(line->key.data, (u_char *)OURS, sizeof OURS - 1) == 0;
}

/* The header lines as they came; counted, and written where there is room. */
static size_t header_lines(ngx_http_request_t *r, inspire_header *lines, ngx_uint_t *forged) {
    size_t count = 0;
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        const ngx_table_elt_t *line = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++, count++) {
            *forged += is_ours(&line[i]);
            if (lines != NULL && count < HEADERS_AT_HAND)
                lines[count] = (inspire_header){str(line[i].key), str(line[i].value)};
        }
    }
    return count;
}

/* Takes what a client says in the names that are ours out of the request. */
static ngx_int_t strip(ngx_http_request_t *r) {
    ngx_list_t kept;
    if (ngx_list_init(&kept, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK)
        return NGX_ERROR;
    for (ngx_list_part_t *part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        const ngx_table_elt_t *line = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (is_ours(&line[i]))
                continue;
            ngx_table_elt_t *copy = ngx_list_push(&kept);
            if (copy == NULL)
                return NGX_ERROR;
            *copy = line[i];
        }
    }
    r->headers_in.headers = kept;
    if (r->headers_in.headers.last == &kept.part) /* the only part lies in the list itself */
        r->headers_in.headers.last = &r->headers_in.headers.part;
    return NGX_OK;
}

static uint32_t channel_of(ngx_http_request_t *r, ngx_uint_t configured) {
#if (NGX_HTTP_SSL)
    if (configured == CHANNEL_AUTO && r->connection->ssl != NULL)
        return INSPIRE_CHANNEL_SECURE;
#endif
    return configured == CHANNEL_SECURE ? INSPIRE_CHANNEL_SECURE : INSPIRE_CHANNEL_PLAIN;
}

/* Nothing is awaited any more. */
static void no_more(exchange_t *exchange) {
    if (exchange->patience.timer_set)
        ngx_del_timer(&exchange->patience);
    inspire_wakeup_forget(exchange->wakeup);
    exchange->wakeup = NULL;
    inspire_ticket_free(exchange->ticket);
    exchange->ticket = NULL;
}

static void request_ended(void *data) {
    no_more(data);
}

static void out_of_patience(ngx_event_t *event) {
    ngx_http_request_t *r = event->data;
    ngx_connection_t *c = r->connection;
    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}

static ngx_int_t add_header(ngx_http_request_t *r, const char *name, ngx_str_t value, ngx_table_elt_t **slot) {
    ngx_table_elt_t *header = ngx_list_push(&r->headers_out.headers);
    if (header == NULL)
        return NGX_ERROR;
    ngx_memzero(header, sizeof *header);
    header->hash = 1;
    header->key = (ngx_str_t){ngx_strlen(name), (u_char *)name};
    header->value = value;
    if (slot != NULL)
        *slot = header;
    return NGX_OK;
}

static ngx_int_t copied(ngx_http_request_t *r, inspire_str text, ngx_str_t *copy) {
    copy->len = text.len;
    copy->data = ngx_pnalloc(r->pool, text.len + 1);
    if (copy->data == NULL)
        return NGX_ERROR;
    ngx_memcpy(copy->data, text.data, text.len);
    return NGX_OK;
}

/* The decision is there. The caller learns the status; which level is missing is for the log. */
static ngx_int_t decided(ngx_http_request_t *r, exchange_t *exchange, inspire_result result, inspire_error *err) {
    const main_conf_t *conf = ngx_http_get_module_main_conf(r, ngx_http_inspire_auth_module);
    exchange->result = result;
    if (result == INSPIRE_RESULT_OK)
        return NGX_OK;
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "inspire_auth: %s: %s", inspire_result_name(result).data,
                  inspire_error_message(err).data);
    inspire_error_free(err);
    ngx_str_t value;
    inspire_str challenge = inspire_auth_challenge(conf->auth, result);
    if (challenge.len > 0
        && (copied(r, challenge, &value) != NGX_OK
            || add_header(r, "WWW-Authenticate", value, &r->headers_out.www_authenticate) != NGX_OK))
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    uint32_t seconds = inspire_auth_retry_after(conf->auth, result);
    if (seconds > 0) {
        value.data = ngx_pnalloc(r->pool, NGX_INT32_LEN);
        if (value.data == NULL)
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        value.len = ngx_sprintf(value.data, "%uD", seconds) - value.data;
        if (add_header(r, "Retry-After", value, NULL) != NGX_OK)
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    return inspire_auth_http_status(conf->auth, result);
}

/* A key's first use: the request sleeps, and the worker goes on. */
static ngx_int_t sleep_until_ready(ngx_http_request_t *r, exchange_t *exchange) {
    exchange->wakeup = inspire_wakeup_when_ready(r, exchange->ticket);
    if (exchange->wakeup == NULL) {
        no_more(exchange);
        return decided(r, exchange, INSPIRE_RESULT_INTERNAL, NULL);
    }
    exchange->patience.handler = out_of_patience;
    exchange->patience.data = r;
    exchange->patience.log = r->connection->log;
    ngx_add_timer(&exchange->patience, PATIENCE_MS); /* also keeps a worker that is to end from leaving it behind */
    return NGX_AGAIN;
}

/* It was woken, or something else has run its phases. */
static ngx_int_t go_on(ngx_http_request_t *r, exchange_t *exchange) {
    inspire_error *err = NULL;
    inspire_result result = inspire_ticket_poll(exchange->ticket, &exchange->caller, &err);
    if (result == INSPIRE_RESULT_PENDING) {
        if (!exchange->patience.timedout)
            return NGX_AGAIN;
        result = INSPIRE_RESULT_BUSY;
    }
    no_more(exchange);
    return decided(r, exchange, result, err);
}

static exchange_t *begin(ngx_http_request_t *r) {
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(r->pool, sizeof(exchange_t));
    if (cleanup == NULL)
        return NULL;
    exchange_t *exchange = cleanup->data;
    ngx_memzero(exchange, sizeof *exchange);
    exchange->caller = (inspire_principal)INSPIRE_PRINCIPAL_INIT;
    cleanup->handler = request_ended;
    ngx_http_set_ctx(r, exchange, ngx_http_inspire_auth_module);
    return exchange;
}

static ngx_int_t access_handler(ngx_http_request_t *r) {
    const main_conf_t *conf = ngx_http_get_module_main_conf(r, ngx_http_inspire_auth_module);
    const loc_conf_t *here = ngx_http_get_module_loc_conf(r, ngx_http_inspire_auth_module);
    exchange_t *exchange = ngx_http_get_module_ctx(r, ngx_http_inspire_auth_module);
    if (exchange != NULL && exchange->ticket != NULL)
        return go_on(r, exchange);

    inspire_header at_hand[HEADERS_AT_HAND], *lines = at_hand;
    ngx_uint_t forged = 0;
    size_t count = header_lines(r, lines, &forged);
    if (forged > 0) {
        if (strip(r) != NGX_OK)
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        count = header_lines(r, lines, &forged);
    }
    if (here->guard == NULL)
        return NGX_DECLINED;
    if (count > HEADERS_AT_HAND)
        return NGX_HTTP_REQUEST_HEADER_TOO_LARGE;
    if ((exchange = begin(r)) == NULL)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (conf->auth == NULL) {
        exchange->result = INSPIRE_RESULT_STORE_UNAVAILABLE;
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    inspire_request request = INSPIRE_REQUEST_INIT;
    request.headers = lines;
    request.header_count = count;
    request.channel = channel_of(r, here->channel);
    request.routes = here->guard->table;
    request.method = str(r->method_name);
    request.path = str(r->unparsed_uri);
    inspire_error *err = NULL;
    inspire_result result =
        inspire_auth_authenticate_no_wait(conf->auth, &request, &exchange->caller, &exchange->ticket, &err);
    return result == INSPIRE_RESULT_PENDING ? sleep_until_ready(r, exchange) : decided(r, exchange, result, err);
}

/* ---- variables ---- */

/* What was decided about a request, also after an internal redirect, which forgets its context. */
static exchange_t *exchange_of(ngx_http_request_t *r) {
    exchange_t *exchange = ngx_http_get_module_ctx(r->main, ngx_http_inspire_auth_module);
    for (ngx_pool_cleanup_t *each = r->main->pool->cleanup; each != NULL && exchange == NULL; each = each->next)
        exchange = each->handler == request_ended ? each->data : NULL;
    return exchange;
}

/* Text that lives as long as the request. Before the access phase there is nothing to say yet. */
static ngx_int_t say(ngx_http_request_t *r, ngx_http_variable_value_t *v, inspire_str text) {
    v->valid = 1;
    v->no_cacheable = exchange_of(r) == NULL;
    v->not_found = 0;
    v->data = (u_char *)text.data;
    v->len = text.len;
    return NGX_OK;
}

static ngx_int_t say_nothing(ngx_http_request_t *r, ngx_http_variable_value_t *v) {
    return say(r, v, INSPIRE_STR(""));
}

static const inspire_principal *caller_of(ngx_http_request_t *r) {
    const exchange_t *exchange = exchange_of(r);
    ngx_flag_t is_known = exchange != NULL && exchange->result == INSPIRE_RESULT_OK && exchange->caller.name_len > 0;
    return is_known ? &exchange->caller : NULL;
}

static ngx_int_t say_key(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
    const inspire_principal *caller = caller_of(r);
    (void)data;
    return caller == NULL ? say_nothing(r, v) : say(r, v, (inspire_str){caller->name, caller->name_len});
}

static ngx_int_t say_key_id(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
    const inspire_principal *caller = caller_of(r);
    (void)data;
    if (caller == NULL)
        return say_nothing(r, v);
    enum { LENGTH = 36 };
    char *text = ngx_pnalloc(r->pool, LENGTH), *end = text;
    if (text == NULL)
        return NGX_ERROR;
    for (size_t i = 0; i < sizeof caller->id; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *end++ = '-';
        end = (char *)ngx_hex_dump((u_char *)end, (u_char *)&caller->id[i], 1);
    }
    return say(r, v, (inspire_str){text, LENGTH});
}

static ngx_int_t say_levels(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
    const main_conf_t *conf = ngx_http_get_module_main_conf(r, ngx_http_inspire_auth_module);
    const inspire_principal *caller = caller_of(r);
    inspire_str_list *levels = NULL;
    (void)data;
    if (caller == NULL || conf->auth == NULL
        || inspire_principal_levels(conf->auth, caller, &levels, NULL) != INSPIRE_RESULT_OK)
        return say_nothing(r, v);
    size_t room = 1, count = inspire_str_list_count(levels);
    for (size_t i = 0; i < count; i++)
        room += inspire_str_list_at(levels, i).len + 1;
    u_char *text = ngx_pnalloc(r->pool, room), *end = text;
    for (size_t i = 0; i < count && text != NULL; i++) {
        inspire_str level = inspire_str_list_at(levels, i);
        if (i > 0)
            *end++ = ',';
        end = ngx_cpymem(end, level.data, level.len);
    }
    inspire_str_list_free(levels);
    return text == NULL ? NGX_ERROR : say(r, v, (inspire_str){(char *)text, end - text});
}

static ngx_int_t say_warning(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
    const inspire_principal *caller = caller_of(r);
    (void)data;
    if (caller == NULL || caller->warning == INSPIRE_RESULT_OK)
        return say_nothing(r, v);
    return say(r, v, inspire_result_name(caller->warning));
}

static ngx_int_t say_error(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
    const exchange_t *exchange = exchange_of(r);
    (void)data;
    if (exchange == NULL || exchange->result == INSPIRE_RESULT_OK)
        return say_nothing(r, v);
    return say(r, v, inspire_result_name(exchange->result));
}

/* ---- the configuration ---- */

/* A word that locations inherit; "off" is none. */
static char *set_word(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    ngx_str_t *slot = (ngx_str_t *)((char *)conf + command->offset);
    const ngx_str_t *words = cf->args->elts;
    if (slot->data != NULL)
        return "is duplicate";
    if (words[1].len == 0)
        return "needs a word; \"off\" is none";
    *slot = words[1];
    if (ngx_strcmp(words[1].data, "off") == 0)
        slot->len = 0;
    return NGX_CONF_OK;
}

static char *add_trusted_key(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    main_conf_t *all = conf;
    const ngx_str_t *words = cf->args->elts;
    inspire_trusted_key *key = ngx_array_push(&all->trusted);
    (void)command;
    if (key == NULL)
        return NGX_CONF_ERROR;
    *key = (inspire_trusted_key){str(words[1]), str(words[2]), 0};
    return NGX_CONF_OK;
}

static void *create_main_conf(ngx_conf_t *cf) {
    main_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL || ngx_array_init(&conf->trusted, cf->pool, 2, sizeof(inspire_trusted_key)) != NGX_OK
        || ngx_array_init(&conf->guards, cf->pool, 8, sizeof(guard_t *)) != NGX_OK)
        return NULL;
    return conf;
}

static void *create_loc_conf(ngx_conf_t *cf) {
    loc_conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf == NULL)
        return NULL;
    conf->channel = NGX_CONF_UNSET_UINT;
    return conf;
}

static char *merge_loc_conf(ngx_conf_t *cf, void *parent, void *child) {
    main_conf_t *all = ngx_http_conf_get_module_main_conf(cf, ngx_http_inspire_auth_module);
    const loc_conf_t *above = parent;
    loc_conf_t *here = child;
    ngx_conf_merge_uint_value(here->channel, above->channel, CHANNEL_AUTO);
    ngx_flag_t is_same = here->requirement.data == NULL && here->entitlement.data == NULL;
    if (here->requirement.data == NULL)
        here->requirement = above->requirement;
    if (here->entitlement.data == NULL)
        here->entitlement = above->entitlement;
    if (here->requirement.len == 0)
        return here->entitlement.len == 0 ? NGX_CONF_OK
                                          : "inspire_auth_entitlement needs inspire_auth: nobody is asked who they are";
    here->guard = above->guard;
    if (is_same && here->guard != NULL)
        return NGX_CONF_OK;
    guard_t **slot = ngx_array_push(&all->guards);
    here->guard = ngx_pcalloc(cf->pool, sizeof(guard_t));
    if (slot == NULL || here->guard == NULL)
        return NGX_CONF_ERROR;
    here->guard->requirement = here->requirement;
    here->guard->entitlement = here->entitlement;
    *slot = here->guard;
    return NGX_CONF_OK;
}

static void free_table(void *data) {
    inspire_routes_free(data);
}

/* A guard's table, in the words of inspire_routes_parse(). Levels hold neither quotes nor commas. */
static ngx_int_t compile(ngx_conf_t *cf, guard_t *guard, const inspire_auth *auth) {
    static const char head[] = "{\"routes\":[{\"prefix\":\"/\",\"methods\":[\"*\"],\"require\":{\"%s\":[\"";
    inspire_requirement *requirement = NULL;
    inspire_error *err = NULL;
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    inspire_result result = inspire_requirement_parse(auth, str(guard->requirement), &requirement, &err);
    inspire_str text = inspire_requirement_text(requirement);
    u_char *json = ngx_pnalloc(cf->pool, sizeof head + 3 * text.len + guard->entitlement.len + 64), *end = json;
    if (result == INSPIRE_RESULT_OK && cleanup != NULL && json != NULL) {
        const char *level = text.data, *last = text.data + text.len;
        ngx_flag_t needs_all = ngx_strncmp(level, "all(", 4) == 0;
        if (needs_all || ngx_strncmp(level, "any(", 4) == 0)
            level += 4, last -= 1;
        end = ngx_sprintf(end, head, needs_all ? "all" : "any");
        for (; level < last; level++) {
            if (*level != ',') {
                *end++ = *level;
                continue;
            }
            end = ngx_cpymem(end, "\",\"", 3);
            while (level + 1 < last && level[1] == ' ')
                level++;
        }
        end = ngx_sprintf(end, "\"]}%s%V%s}]}", guard->entitlement.len > 0 ? ",\"entitlement\":\"" : "",
                          &guard->entitlement, guard->entitlement.len > 0 ? "\"" : "");
        result = inspire_routes_parse((inspire_str){(char *)json, end - json}, &guard->table, &err);
        cleanup->handler = free_table;
        cleanup->data = guard->table;
    }
    inspire_requirement_free(requirement);
    if (result != INSPIRE_RESULT_OK)
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "inspire_auth \"%V\": %s", &guard->requirement,
                           inspire_error_message(err).data);
    inspire_error_free(err);
    return guard->table != NULL ? NGX_OK : NGX_ERROR;
}

static ngx_int_t postconfiguration(ngx_conf_t *cf) {
    static const struct {
        ngx_str_t name;
        ngx_http_get_variable_pt say;
    } variables[] = {
        {ngx_string("inspire_auth_key"), say_key},         {ngx_string("inspire_auth_key_id"), say_key_id},
        {ngx_string("inspire_auth_levels"), say_levels},   {ngx_string("inspire_auth_warning"), say_warning},
        {ngx_string("inspire_auth_error"), say_error},
    };
    main_conf_t *conf = ngx_http_conf_get_module_main_conf(cf, ngx_http_inspire_auth_module);
    ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        ngx_str_t name = variables[i].name;
        ngx_http_variable_t *variable = ngx_http_add_variable(cf, &name, 0);
        if (variable == NULL)
            return NGX_ERROR;
        variable->get_handler = variables[i].say;
    }
    if (conf->guards.nelts == 0)
        return NGX_OK;
    if (conf->store.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "inspire_auth needs inspire_auth_store");
        return NGX_ERROR;
    }
    /* `nginx -t` finds what is misspelt. The store itself is the workers' to open. */
    inspire_auth *auth = NULL;
    ngx_int_t outcome = open_store(conf, INSPIRE_STR(":memory:"), &auth, cf->log);
    guard_t **guards = conf->guards.elts;
    for (ngx_uint_t i = 0; i < conf->guards.nelts && outcome == NGX_OK; i++)
        outcome = compile(cf, guards[i], auth);
    inspire_auth_free(auth);
    if (outcome != NGX_OK)
        return NGX_ERROR;
    ngx_http_handler_pt *handler = ngx_array_push(&core->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (handler == NULL)
        return NGX_ERROR;
    *handler = access_handler;
    return NGX_OK;
}

#define EVERYWHERE (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LMT_CONF)

static ngx_command_t commands[] = {
    {ngx_string("inspire_auth_store"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
     NGX_HTTP_MAIN_CONF_OFFSET, offsetof(main_conf_t, store), NULL},
    {ngx_string("inspire_auth_product"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
     NGX_HTTP_MAIN_CONF_OFFSET, offsetof(main_conf_t, product), NULL},
    {ngx_string("inspire_auth_machine_id"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, ngx_conf_set_str_slot,
     NGX_HTTP_MAIN_CONF_OFFSET, offsetof(main_conf_t, machine_id), NULL},
    {ngx_string("inspire_auth_trusted_key"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE2, add_trusted_key,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL},
    {ngx_string("inspire_auth"), EVERYWHERE | NGX_CONF_TAKE1, set_word, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(loc_conf_t, requirement), NULL},
    {ngx_string("inspire_auth_entitlement"), EVERYWHERE | NGX_CONF_TAKE1, set_word, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(loc_conf_t, entitlement), NULL},
    {ngx_string("inspire_auth_channel"), EVERYWHERE | NGX_CONF_TAKE1, ngx_conf_set_enum_slot,
     NGX_HTTP_LOC_CONF_OFFSET, offsetof(loc_conf_t, channel), channels},
    ngx_null_command,
};

static ngx_http_module_t module_context = {
    NULL,            postconfiguration, create_main_conf, NULL, /* init main */
    NULL,            NULL,                                      /* servers */
    create_loc_conf, merge_loc_conf,
};

ngx_module_t ngx_http_inspire_auth_module = {
    NGX_MODULE_V1, &module_context, commands,     NGX_HTTP_MODULE, NULL, NULL, init_process, NULL,
    NULL,          exit_process,    NULL,         NGX_MODULE_V1_PADDING,
};
