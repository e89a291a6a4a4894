/* The gateway's HTTP beyond libmicrohttpd's: an answer with a JSON body, and a port on the loopback interface. */
#ifndef EXAMPLE_HTTP_H
#define EXAMPLE_HTTP_H

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

/* Answers. A challenge that is NULL, and a Retry-After of 0, are left out. */
static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned status, const char *body,
                                 const char *challenge, unsigned retry_after) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (challenge != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, challenge);
    if (retry_after != 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Listens, with a thread of its own; port 0 is any that is free. NULL when it can't. */
static struct MHD_Daemon *listen_on(uint16_t port, const char *note, MHD_AccessHandlerCallback handle, void *userdata,
                                    MHD_RequestCompletedCallback completed) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, userdata,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
        MHD_OPTION_END);
    if (daemon != NULL) {
        const union MHD_DaemonInfo *bound = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
        printf("listening on 127.0.0.1:%u%s\n", (unsigned)bound->port, note);
        fflush(stdout);
    }
    return daemon;
}

#endif
