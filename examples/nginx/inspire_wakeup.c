/* See inspire_wakeup.h. */
#include "inspire_wakeup.h"

#include <pthread.h>
#include <sys/eventfd.h>

struct inspire_wakeup {
    ngx_http_request_t *request; /* the worker's thread alone; NULL when it does not wait any more */
    inspire_wakeup *next;        /* among those that are ready, under `lock` */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static inspire_wakeup *ready;
static int event_fd = -1;

/* On any thread: the library calls it once for each ticket, whatever becomes of that. */
static void decided(void *userdata) {
    inspire_wakeup *wakeup = userdata;
    uint64_t one = 1;
    pthread_mutex_lock(&lock);
    wakeup->next = ready;
    ready = wakeup;
    pthread_mutex_unlock(&lock);
    while (write(event_fd, &one, sizeof one) == -1 && errno == EINTR) {
    }
}

/* On the worker's thread. */
static void woken(ngx_event_t *event) {
    ngx_connection_t *connection = event->data;
    uint64_t count;
    while (read(connection->fd, &count, sizeof count) == -1 && errno == EINTR) {
    }
    pthread_mutex_lock(&lock);
    inspire_wakeup *wakeup = ready;
    ready = NULL;
    pthread_mutex_unlock(&lock);
    while (wakeup != NULL) {
        inspire_wakeup *next = wakeup->next;
        ngx_http_request_t *r = wakeup->request;
        if (r != NULL) {
            ngx_connection_t *c = r->connection;
            ngx_http_set_log_request(c->log, r);
            ngx_http_core_run_phases(r); /* forgets the wakeup */
            ngx_http_run_posted_requests(c);
        }
        ngx_free(wakeup);
        wakeup = next;
    }
}

ngx_int_t inspire_wakeup_init(ngx_cycle_t *cycle) {
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "inspire_auth: eventfd() failed");
        return NGX_ERROR;
    }
    ngx_connection_t *connection = ngx_get_connection(event_fd, cycle->log);
    if (connection == NULL)
        return NGX_ERROR;
    connection->read->handler = woken;
    connection->read->log = cycle->log;
    connection->read->channel = 1; /* open until the worker ends, and no connection of a client's */
    return ngx_add_event(connection->read, NGX_READ_EVENT, NGX_CLEAR_EVENT);
}

inspire_wakeup *inspire_wakeup_when_ready(ngx_http_request_t *r, inspire_ticket *ticket) {
    inspire_wakeup *wakeup = ngx_alloc(sizeof *wakeup, r->connection->log);
    if (wakeup == NULL)
        return NULL;
    wakeup->request = r;
    wakeup->next = NULL;
    if (inspire_ticket_on_ready(ticket, decided, wakeup, NULL) != INSPIRE_RESULT_OK) {
        ngx_free(wakeup);
        return NULL;
    }
    return wakeup;
}

void inspire_wakeup_forget(inspire_wakeup *wakeup) {
    if (wakeup != NULL)
        wakeup->request = NULL;
}
