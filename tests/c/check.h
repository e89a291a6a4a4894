/* What the tests in C share: checks that say where they failed, and the pieces that nearly every test begins with. */
#ifndef CHECK_H
#define CHECK_H

#include <inspire_auth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

/* Checks that a call comes to INSPIRE_RESULT_<code>. */
#define GIVES(code, call)                                                                                      \
    do {                                                                                                       \
        inspire_result got_ = (call);                                                                          \
        if (got_ != INSPIRE_RESULT_##code) {                                                                   \
            fprintf(stderr, "%s:%d: %s instead of %s: %s\n", __FILE__, __LINE__,                               \
                    inspire_result_name(got_).data, #code, #call);                                             \
            exit(1);                                                                                           \
        }                                                                                                      \
    } while (0)

#define IS(text, expected) CHECK(str_is((text), (expected)))

static inline int str_is(inspire_str text, const char *expected)
{
    return text.data != NULL && text.len == strlen(expected) && memcmp(text.data, expected, text.len) == 0 &&
           text.data[text.len] == '\0';
}

static inline inspire_caller by_system(void)
{
    inspire_caller caller = INSPIRE_CALLER_INIT;
    caller.actor = INSPIRE_ACTOR_SYSTEM;
    return caller;
}

/* Options with hashes that cost nothing. */
static inline inspire_auth_options cheap_options(const char *store)
{
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    options.store = inspire_str_from(store);
    options.hash_memory_kib = 64;
    options.hash_iterations = 1;
    return options;
}

static inline inspire_auth *open_at(const char *store)
{
    inspire_auth_options options = cheap_options(store);
    inspire_auth *auth = NULL;
    GIVES(OK, inspire_auth_open(&options, &auth, NULL));
    CHECK(auth != NULL);
    return auth;
}

static inline inspire_requirement *require(const inspire_auth *auth, const char *text)
{
    inspire_requirement *requirement = NULL;
    GIVES(OK, inspire_requirement_parse(auth, inspire_str_from(text), &requirement, NULL));
    return requirement;
}

/* Makes a key with one level (none when NULL). */
static inline inspire_created_key *create_key(const inspire_auth *auth, const char *name, const char *level)
{
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_str levels = inspire_str_from(level);
    inspire_created_key *created = NULL;
    spec.name = inspire_str_from(name);
    spec.levels = &levels;
    spec.level_count = level != NULL;
    GIVES(OK, inspire_key_create(auth, &spec, &caller, &created, NULL));
    return created;
}

/* The value of an `Authorization` header for a key, in a buffer that the next call overwrites. */
static inline inspire_str bearer(const inspire_created_key *created)
{
    static char value[512];
    int length = snprintf(value, sizeof value, "Bearer %s", inspire_created_key_credential(created).data);
    inspire_str text;
    CHECK(length > 7 && (size_t)length < sizeof value);
    text.data = value;
    text.len = (size_t)length;
    return text;
}

/* A request over a secure channel with this `Authorization`. */
static inline inspire_request request_with(inspire_str authorization, const inspire_requirement *requirement)
{
    inspire_request request = INSPIRE_REQUEST_INIT;
    request.presented = INSPIRE_PRESENTED_AUTHORIZATION;
    request.value = authorization;
    request.channel = INSPIRE_CHANNEL_SECURE;
    request.requirement = requirement;
    return request;
}

#endif
