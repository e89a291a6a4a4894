/* What the files of the driver share. */
#ifndef DRIVER_H
#define DRIVER_H

#include <inspire_auth.h>
#include <stdio.h>

#include "arguments.h"

/* What is open, and the principals that were granted, numbered from one counter: neither is taken for the other. */
typedef struct handles {
    uint64_t last;
    struct open_handle {
        uint64_t number;
        inspire_auth *auth;
    } *open;
    size_t open_count;
    struct kept_principal {
        uint64_t number;
        inspire_principal principal;
    } *kept;
    size_t kept_count;
    struct kept_routes {
        uint64_t number;
        inspire_routes *routes;
    } *tables;
    size_t table_count;
} handles;

/* An operation. It reads its arguments, does its work, and writes the members of its answer to `out`, each behind a
 * comma. When it writes nothing, they are all null. */
typedef inspire_result operation(handles *handles, arguments *arguments, FILE *out);

/* The open handle that `handle` names; NULL, and the arguments are wrong, when there is none. */
inspire_auth *open_handle(handles *handles, arguments *arguments);
uint64_t keep_handle(handles *handles, inspire_auth *auth);
uint64_t keep_principal(handles *handles, const inspire_principal *principal);
uint64_t keep_routes(handles *handles, inspire_routes *routes);
/* The table that `routes` names; NULL when it is absent, and the arguments are wrong when there is none such. */
const inspire_routes *routes_of(handles *handles, arguments *arguments);
/* One of `plain`, `secure` and `local`. */
uint32_t channel_of(arguments *arguments, const char *name);
/* `actor` and `now`. An absent actor is the host itself, said explicitly. */
inspire_caller caller_of(handles *handles, arguments *arguments);

/* The member `audit_file`, if it is there. */
void argument_audit_file(arguments *arguments, inspire_auth_options *options);

/* The member `server`, read into `server`; NULL when it is absent. */
const inspire_server *argument_server(arguments *arguments, inspire_server *server);

/* Pieces of answers. */
void write_str(FILE *out, inspire_str text);
void write_time(FILE *out, int64_t at);
void write_list(FILE *out, const inspire_str_list *list);
void write_limits(FILE *out, const inspire_limits *limits);
/* The member `status`, when the call succeeded; frees the license. It is passed by its address: what is there is known
 * only once the call, an argument too, has returned. */
inspire_result answer_status(inspire_result result, inspire_license *const *license, FILE *out);

operation authenticate, channel_of_request, close_handle, open_store;
operation keys_create, keys_delete, keys_duplicate, keys_get, keys_import, keys_import_all, keys_list, keys_rename,
    keys_rotate, keys_update;
operation audit_events, metrics;
operation routes_parse, routes_would_allow;
operation license_activate_offline, license_deactivate, license_has, license_inspect, license_limit,
    license_revalidate, license_status;
operation license_activate, license_balance, license_consume, license_deactivate_with, license_inspect_key,
    license_last_attempt, license_refresh, license_refund, license_release_pending, license_request, license_reveal_key,
    license_tenant_limit, license_tick;

#endif
