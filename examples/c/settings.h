/* The gateway's command line: nothing here that a host of the library needs to know, but for how an option becomes an
 * inspire_str: a pointer and a length, so that no text is copied, not even to cut one in two. */
#ifndef EXAMPLE_SETTINGS_H
#define EXAMPLE_SETTINGS_H

#include <getopt.h>
#include <inspire_auth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    inspire_auth_options options;
    inspire_trusted_key trusted; /* what options.trusted_keys points to */
    uint32_t channel;            /* of the first port */
    uint16_t port;               /* 0: any */
    long plain_port;             /* 0: any; -1: none */
};

static bool read_port(const char *text, long *port) {
    char *end;
    *port = strtol(text, &end, 10);
    return end != text && *end == '\0' && *port >= 0 && *port <= 65535;
}

static bool read_channel(const char *text, uint32_t *channel) {
    static const char *const names[] = {"plain", "secure", "local"}; /* by their numbers */
    for (uint32_t i = 0; i < 3; i++) {
        *channel = i;
        if (strcmp(text, names[i]) == 0)
            return true;
    }
    return false;
}

/* False after saying why, when the command line can't be used. `settings` must stay where it is. */
static bool read_settings(int argc, char **argv, struct settings *settings) {
    static const struct option names[] = {
        {"store", required_argument, NULL, 's'},       {"port", required_argument, NULL, 'p'},
        {"channel", required_argument, NULL, 'c'},     {"plain-port", required_argument, NULL, 'P'},
        {"trusted-key", required_argument, NULL, 't'}, {"machine-id", required_argument, NULL, 'm'},
        {"product", required_argument, NULL, 'd'},     {NULL, 0, NULL, 0}};
    *settings = (struct settings){INSPIRE_AUTH_OPTIONS_INIT, {INSPIRE_STR_INIT, INSPIRE_STR_INIT, 0},
                                  INSPIRE_CHANNEL_SECURE, 0, -1};
    inspire_auth_options *options = &settings->options;
    inspire_trusted_key *trusted = &settings->trusted;
    long port = 0;
    bool usable = true;
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (name) {
        case 's': options->store = inspire_str_from(optarg); break;
        case 'm': options->machine_id = inspire_str_from(optarg); break;
        case 'd': options->product = inspire_str_from(optarg); break;
        case 'p': usable &= read_port(optarg, &port); break;
        case 'P': usable &= read_port(optarg, &settings->plain_port); break;
        case 'c': usable &= read_channel(optarg, &settings->channel); break;
        case 't':
            trusted->id = (inspire_str){optarg, strcspn(optarg, "=")};
            usable &= optarg[trusted->id.len] == '=';
            trusted->public_key = inspire_str_from(strchr(optarg, '=') ? strchr(optarg, '=') + 1 : NULL);
            options->trusted_keys = trusted;
            options->trusted_key_count = 1;
            break;
        default: usable = false;
        }
    }
    settings->port = (uint16_t)port;
    if (!usable || optind != argc || options->store.len == 0) {
        fputs("usage: gateway --store PATH [--port N] [--channel secure|plain|local] [--plain-port N]\n"
              "               [--trusted-key ID=HEX] [--machine-id TEXT] [--product ID]\n", stderr);
        return false;
    }
    return true;
}

#endif
