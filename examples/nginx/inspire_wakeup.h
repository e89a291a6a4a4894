/*
 * From a thread of the library to nginx's event loop: a request that waits for a slow hash is run again.
 *
 * nginx's own objects are touched by the worker's one thread alone. A wakeup is what both sides hold: the library's
 * thread gives it back through a file descriptor, and the worker looks whether the request is still there.
 */
#ifndef INSPIRE_WAKEUP_H
#define INSPIRE_WAKEUP_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <inspire_auth.h>

typedef struct inspire_wakeup inspire_wakeup;

/* Once in each worker, before the others. */
ngx_int_t inspire_wakeup_init(ngx_cycle_t *cycle);

/* Has the request's phases run again when the ticket is decided. NULL when that can't be. */
inspire_wakeup *inspire_wakeup_when_ready(ngx_http_request_t *r, inspire_ticket *ticket);

/* The request goes on, or is gone: nothing will be run. NULL is ignored. */
void inspire_wakeup_forget(inspire_wakeup *wakeup);

#endif
