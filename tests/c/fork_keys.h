/* The keys of the fork matrix, and what of them is random. */
#ifndef FORK_KEYS_H
#define FORK_KEYS_H

#include "check.h"
#include "fork_watch.h"

/* Bytes for a credential or an id. */
enum { SECRET = 128 };

static inspire_auth *auth;
static inspire_requirement *any_key;
static char store[64];
static char warm[SECRET], chosen[SECRET];

static inspire_result decide(const inspire_auth *with, const char *authorization)
{
    inspire_request request = request_with(inspire_str_from(authorization), any_key);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    return inspire_auth_authenticate(with, &request, &principal, NULL);
}

/* What no two processes may ever make alike. */
static char (*made)[SECRET];
static size_t made_count, made_room;

static void remember(const char *what)
{
    if (made_count == made_room) {
        made_room = made_room * 2 + 64;
        made = realloc(made, made_room * sizeof *made);
        CHECK(made != NULL);
    }
    CHECK(strlen(what) >= 16 && strlen(what) < SECRET);
    strcpy(made[made_count++], what);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void all_differ(void)
{
    size_t at;
    qsort(made, made_count, sizeof *made, by_text);
    for (at = 1; at < made_count; at++)
        CHECK(strcmp(made[at - 1], made[at]) != 0);
}

/* Whether a writer did not get its turn within its five seconds, beside others who write without a pause: it asks again,
 * as the answer says. */
static int again(inspire_result result)
{
    if (result == INSPIRE_RESULT_STORE_LOCKED)
        watch_step("waits for its turn to write once more");
    return result == INSPIRE_RESULT_STORE_LOCKED;
}

/* A write that must be done, however often it is asked for. */
#define WRITES(call)                                                                                                \
    do {                                                                                                            \
        inspire_result written;                                                                                     \
        do                                                                                                          \
            written = (call);                                                                                       \
        while (again(written));                                                                                     \
        GIVES(OK, written);                                                                                         \
    } while (0)

/* A new key: its `Authorization` in `value`; its secret and its id besides, when asked for. */
static void make(const inspire_auth *with, const char *name, char *value, char *secret, char *id)
{
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_created_key *created = NULL;
    int length;
    spec.name = inspire_str_from(name);
    WRITES(inspire_key_create(with, &spec, &caller, &created, NULL));
    /* Not by `bearer`, whose buffer is one for all threads. */
    length = snprintf(value, SECRET, "Bearer %s", inspire_created_key_credential(created).data);
    CHECK(length > 7 && length < SECRET);
    if (secret != NULL)
        snprintf(secret, SECRET, "%s", inspire_created_key_secret(created).data);
    if (id != NULL)
        snprintf(id, SECRET, "%s", inspire_key_id(inspire_created_key_record(created)).data);
    inspire_created_key_free(created);
}

static void delete_key(const char *name)
{
    inspire_caller caller = by_system();
    WRITES(inspire_key_delete(auth, inspire_str_from(name), INSPIRE_REVISION_ANY, &caller, NULL));
}

static void set_enabled(const inspire_auth *with, const char *name, uint32_t enabled)
{
    inspire_caller caller = by_system();
    inspire_key *key = NULL;
    WRITES(
        inspire_key_set_enabled(with, inspire_str_from(name), enabled, INSPIRE_REVISION_ANY, &caller, &key, NULL));
    inspire_key_free(key);
}

/* A chosen secret, slow enough to be in the air when a fork comes. */
static void import_chosen(void)
{
    inspire_caller caller = by_system();
    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_key *key = NULL;
    spec.name = INSPIRE_STR("chosen");
    GIVES(OK, inspire_key_import(auth, &spec, INSPIRE_HASH_PHC,
                                 INSPIRE_STR("$argon2id$v=19$m=4096,t=2,p=1$Zm9ya2Zvcmtmb3JrZm9yaw"
                                             "$oumIuATJgd+vZkWGv9Gom7+KmOjNHp+f969jdQZpC4M"),
                                 INSPIRE_STRENGTH_CHOSEN, &caller, &key, NULL));
    inspire_key_free(key);
    strcpy(chosen, "Bearer chosen:chosen-by-a-person");
}

static void open_store(void)
{
    auth = open_at(store);
    any_key = require(auth, "Authenticated");
}

static void close_store(void)
{
    inspire_requirement_free(any_key);
    inspire_auth_free(auth);
    auth = NULL;
}

#endif
