/* Eight threads decide by one handle while keys change under them: what was revoked is refused by every check that begins
 * afterwards, and what stands is always granted. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 8, ROUNDS = 60 };

static inspire_auth *auth;
static inspire_requirement *any_key;
static inspire_str steady;

/* The credential of the key that comes and goes, and how far it has come: made, known to be good, deleted. */
static char fleeting[512];
static pthread_mutex_t fleeting_lock = PTHREAD_MUTEX_INITIALIZER;
static int stage, done;

static inspire_result decide(inspire_str authorization)
{
    inspire_request request = request_with(authorization, any_key);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    return inspire_auth_authenticate(auth, &request, &principal, NULL);
}

static void *check(void *unused)
{
    unsigned long rounds = 0;
    (void)unused;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST) || rounds < 10) {
        char value[512];
        int before;
        inspire_result result;
        GIVES(OK, decide(steady));
        GIVES(INVALID_CREDENTIAL, decide(INSPIRE_STR("Bearer nobody:isk_x")));
        pthread_mutex_lock(&fleeting_lock);
        memcpy(value, fleeting, sizeof value);
        before = stage;
        pthread_mutex_unlock(&fleeting_lock);
        result = decide(inspire_str_from(value));
        if (before == 2)
            CHECK(result == INSPIRE_RESULT_INVALID_CREDENTIAL);
        else if (before == 1)
            CHECK(result == INSPIRE_RESULT_OK || result == INSPIRE_RESULT_INVALID_CREDENTIAL);
        rounds++;
    }
    return NULL;
}

static void set(const char *value, int next)
{
    pthread_mutex_lock(&fleeting_lock);
    if (value != NULL)
        strcpy(fleeting, value);
    stage = next;
    pthread_mutex_unlock(&fleeting_lock);
}

static void come_and_go(const char *store)
{
    inspire_caller caller = by_system();
    pthread_t threads[THREADS];
    inspire_created_key *created;
    char value[512];
    int at;

    auth = open_at(store);
    any_key = require(auth, "Authenticated");
    done = 0;
    set("Bearer fleeting:none", 2);
    created = create_key(auth, "steady", NULL);
    strcpy(value, bearer(created).data);
    steady = inspire_str_from(value);
    inspire_created_key_free(created);
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, check, NULL) == 0);
    for (at = 0; at < ROUNDS; at++) {
        created = create_key(auth, "fleeting", "Plant");
        set(bearer(created).data, 1);
        GIVES(OK, decide(bearer(created)));
        switch (at % 3) {
        case 0:
            break;
        case 1: {
            inspire_key *key = NULL;
            GIVES(OK, inspire_key_set_enabled(auth, INSPIRE_STR("fleeting"), 0, INSPIRE_REVISION_ANY, &caller, &key, NULL));
            inspire_key_free(key);
            set(NULL, 2);
            GIVES(INVALID_CREDENTIAL, decide(bearer(created)));
            break;
        }
        case 2: {
            inspire_created_key *rotated = NULL;
            GIVES(OK, inspire_key_rotate(auth, INSPIRE_STR("fleeting"), 0, INSPIRE_REVISION_ANY, &caller, &rotated, NULL));
            inspire_created_key_free(rotated);
            set(NULL, 2);
            break;
        }
        }
        GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("fleeting"), INSPIRE_REVISION_ANY, &caller, NULL));
        set(NULL, 2);
        GIVES(INVALID_CREDENTIAL, decide(bearer(created)));
        inspire_created_key_free(created);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    inspire_requirement_free(any_key);
    inspire_auth_free(auth);
}

static void *always_good(void *unused)
{
    (void)unused;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
        GIVES(OK, decide(steady));
    return NULL;
}

/* A key that is good before a change and after it is good at every moment between. */
static void a_change_leaves_no_gap(void)
{
    inspire_caller caller = by_system();
    inspire_key_changes changes = INSPIRE_KEY_CHANGES_INIT;
    inspire_created_key *created;
    pthread_t threads[THREADS];
    uint64_t revision;
    int at;
    auth = open_at(":memory:");
    any_key = require(auth, "Authenticated");
    created = create_key(auth, "edited", "Plant");
    steady = bearer(created);
    done = 0;
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, always_good, NULL) == 0);
    changes.set = INSPIRE_SET_DESCRIPTION;
    for (revision = 1; revision <= 20 * ROUNDS; revision++) {
        inspire_key *key = NULL;
        GIVES(OK, inspire_key_update(auth, INSPIRE_STR("edited"), revision, &changes, &caller, &key, NULL));
        inspire_key_free(key);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    inspire_created_key_free(created);
    inspire_requirement_free(any_key);
    inspire_auth_free(auth);
}

/* All threads present one new key at the same moment: the first success makes it known, and must not make the others,
 * who are half-way through the same check, look wrong. */
static int round_begun, finished;

static void *be_first(void *unused)
{
    int round;
    (void)unused;
    for (round = 1; round <= ROUNDS; round++) {
        while (__atomic_load_n(&round_begun, __ATOMIC_SEQ_CST) < round)
            sched_yield();
        GIVES(OK, decide(steady));
        GIVES(OK, decide(steady));
        __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void all_are_first(void)
{
    inspire_caller caller = by_system();
    pthread_t threads[THREADS];
    int at, round;
    auth = open_at(":memory:");
    any_key = require(auth, "Authenticated");
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_create(&threads[at], NULL, be_first, NULL) == 0);
    for (round = 1; round <= ROUNDS; round++) {
        inspire_created_key *created = create_key(auth, "new", NULL);
        steady = bearer(created);
        __atomic_store_n(&round_begun, round, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&finished, __ATOMIC_SEQ_CST) < round * THREADS)
            sched_yield();
        GIVES(OK, inspire_key_delete(auth, INSPIRE_STR("new"), INSPIRE_REVISION_ANY, &caller, NULL));
        inspire_created_key_free(created);
    }
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(threads[at], NULL) == 0);
    inspire_requirement_free(any_key);
    inspire_auth_free(auth);
}

int main(void)
{
    all_are_first();
    a_change_leaves_no_gap();
    come_and_go(":memory:");
    remove("threads.db");
    come_and_go("threads.db");
    return 0;
}
