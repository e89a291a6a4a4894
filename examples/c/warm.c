/*
 * How long one check takes in this process: the call that a gateway makes for every request, for a key that it has
 * seen before, without HTTP around it.
 *
 *     warm STORE LEVEL < credential        prints the median and the 99th percentile, in nanoseconds
 */
#define _POSIX_C_SOURCE 200809L
#include <inspire_auth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS = 200, SAMPLES = 1001 }; /* calls a sample: a clock is too coarse for one call */

static double now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    char value[400] = "Bearer ";
    if (argc != 3 || fgets(value + 7, sizeof value - 7, stdin) == NULL) {
        fputs("usage: warm STORE LEVEL < credential\n", stderr);
        return 2;
    }
    value[strcspn(value, "\r\n")] = '\0';

    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    options.store = inspire_str_from(argv[1]);
    inspire_auth *auth = NULL;
    inspire_requirement *requirement = NULL;
    inspire_error *err = NULL;
    inspire_result result = inspire_auth_open(&options, &auth, &err);
    if (result == INSPIRE_RESULT_OK)
        result = inspire_requirement_parse(auth, inspire_str_from(argv[2]), &requirement, &err);

    inspire_header header = {INSPIRE_STR("Authorization"), inspire_str_from(value)};
    inspire_request request = INSPIRE_REQUEST_INIT;
    request.headers = &header;
    request.header_count = 1;
    request.channel = INSPIRE_CHANNEL_SECURE;
    request.requirement = requirement;
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    if (result == INSPIRE_RESULT_OK) /* the first is the slow hash */
        result = inspire_auth_authenticate(auth, &request, &caller, &err);

    static double samples[SAMPLES];
    for (int sample = 0; sample < SAMPLES && result == INSPIRE_RESULT_OK; sample++) {
        double begun = now_ns();
        for (int call = 0; call < CALLS && result == INSPIRE_RESULT_OK; call++)
            result = inspire_auth_authenticate(auth, &request, &caller, &err);
        samples[sample] = (now_ns() - begun) / CALLS;
    }
    if (result == INSPIRE_RESULT_OK) {
        qsort(samples, SAMPLES, sizeof samples[0], ascending);
        printf("%.0f %.0f\n", samples[SAMPLES / 2], samples[SAMPLES * 99 / 100]);
    } else {
        fprintf(stderr, "warm: %s\n", inspire_error_message(err).data);
    }
    inspire_error_free(err);
    inspire_requirement_free(requirement);
    inspire_auth_free(auth);
    return result == INSPIRE_RESULT_OK ? 0 : 1;
}
