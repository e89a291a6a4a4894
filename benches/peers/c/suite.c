/*
 * What a C program pays for a request, for an entitlement and for a license file, beside what libsodium and libjwt ask for
 * less: all in turn, round by round, by the time that the processor gave to this thread. One JSON line a figure.
 *
 *     PEER_FILE=small.lic PEER_PUBLIC_KEY=vendor.pub suite [ROUNDS]
 */
#define _POSIX_C_SOURCE 200809L
#include <inspire_auth.h>
#include <jwt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEEDS(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

enum { SAMPLE_NS = 400000, MOST_ROUNDS = 2000, MOST_CANDIDATES = 8 };

static double now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

struct candidate {
    const char *who;
    bool (*call)(const void *);
    const void *argument;
    unsigned long calls;
    double samples[MOST_ROUNDS];
};

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nanoseconds that so many calls take. */
static double run(const struct candidate *candidate, unsigned long calls)
{
    double begun = now_ns();
    for (unsigned long call = 0; call < calls; call++)
        NEEDS(candidate->call(candidate->argument));
    return now_ns() - begun;
}

static void interleaved(const char *measure, struct candidate *candidates, size_t count, int rounds)
{
    for (size_t i = 0; i < count; i++) {
        candidates[i].calls = 1;
        run(&candidates[i], 1);
        while (run(&candidates[i], candidates[i].calls) < SAMPLE_NS)
            candidates[i].calls *= 2;
    }
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            candidates[i].samples[round] = run(&candidates[i], candidates[i].calls) / (double)candidates[i].calls;
    for (size_t i = 0; i < count; i++) {
        qsort(candidates[i].samples, (size_t)rounds, sizeof(double), ascending);
        printf("{\"suite\":\"c\",\"measure\":\"%s\",\"who\":\"%s\",\"ns\":%.2f,\"least\":%.2f,\"rounds\":%d}\n", measure,
               candidates[i].who, candidates[i].samples[rounds / 2], candidates[i].samples[0], rounds);
    }
}

static inspire_auth *auth;

/* A request, and whether it is to be granted. */
struct request {
    inspire_request request;
    bool granted;
};

static bool authenticate(const void *argument)
{
    const struct request *asked = argument;
    inspire_principal caller = INSPIRE_PRINCIPAL_INIT;
    return (inspire_auth_authenticate(auth, &asked->request, &caller, NULL) == INSPIRE_RESULT_OK) == asked->granted;
}

static bool has_entitlement(const void *argument)
{
    (void)argument;
    return inspire_license_check_entitlement(auth, INSPIRE_STR("MFA"), 0, NULL) == INSPIRE_RESULT_OK;
}

static bool not_entitled(const void *argument)
{
    (void)argument;
    return inspire_license_check_entitlement(auth, INSPIRE_STR("NOBODY_HAS_IT"), 0, NULL) ==
           INSPIRE_RESULT_NOT_ENTITLED;
}

static bool limit(const void *argument)
{
    int64_t found = 0;
    (void)argument;
    return inspire_license_limit(auth, INSPIRE_STR("MAX_DISPLAYS"), 0, &found, NULL) == INSPIRE_RESULT_OK &&
           found == 25;
}

/* A file and what it is judged against. */
struct inspected {
    inspire_str file;
    inspire_inspect_options options;
};

static bool inspect(const void *argument)
{
    const struct inspected *inspected = argument;
    inspire_inspection *inspection = NULL;
    inspire_result result = inspire_inspection_run(inspected->file, &inspected->options, &inspection, NULL);
    inspire_inspection_free(inspection);
    return result == INSPIRE_RESULT_OK;
}

/* A message of the length of a generated key with its name, and its HMAC-SHA512-256. */
static unsigned char message[60], mac[crypto_auth_BYTES], mac_key[crypto_auth_KEYBYTES];

static bool sodium_verify(const void *argument)
{
    (void)argument;
    return crypto_auth_verify(mac, message, sizeof message, mac_key) == 0;
}

static const unsigned char jwt_key[32] = "a secret that has 32 bytes in it";

static bool jwt_verify(const void *token)
{
    jwt_t *jwt = NULL;
    bool granted = jwt_decode(&jwt, token, jwt_key, sizeof jwt_key) == 0 && jwt_get_alg(jwt) == JWT_ALG_HS256 &&
                   jwt_get_grant_int(jwt, "exp") > 1700000000 &&
                   strcmp(jwt_get_grant(jwt, "sub"), "gateway-client-7") == 0;
    jwt_free(jwt);
    return granted;
}

static inspire_str bearer(const char *name, inspire_str key, char value[256])
{
    snprintf(value, 256, "Bearer %s:%s", name, key.data);
    return inspire_str_from(value);
}

/* Of the file that an environment variable names. */
static inspire_str contents(const char *variable, char *buffer, size_t size)
{
    const char *path = getenv(variable);
    FILE *file = path == NULL ? NULL : fopen(path, "r");
    size_t length;
    NEEDS(file != NULL);
    length = fread(buffer, 1, size - 1, file);
    NEEDS(length > 0 && feof(file));
    fclose(file);
    buffer[length] = '\0';
    return inspire_str_from(buffer);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 201;
    NEEDS(rounds > 0 && rounds <= MOST_ROUNDS && sodium_init() >= 0);

    /* A vendor's key, and a license that is installed. */
    inspire_signing_key *signer = NULL;
    inspire_text *license = NULL;
    NEEDS(inspire_signing_key_generate(&signer, NULL) == INSPIRE_RESULT_OK);
    NEEDS(inspire_signing_key_sign(signer,
                                   INSPIRE_STR("{\"id\": \"5d1f0c2e-3a44-4c7e-9a57-0d6f5a3b9e01\", \"key\": \"KEY-1\","
                                               " \"limits\": {\"MAX_DISPLAYS\": 25}, \"entitlements\": [\"MFA\","
                                               " \"OFFLINE_LICENSING\", \"VIDEO_WALL_SYNC\", \"AI\"]}"),
                                   INSPIRE_FILE_LICENSE, 0, 0, &license, NULL) == INSPIRE_RESULT_OK);
    inspire_trusted_key trusted = {INSPIRE_STR("vendor"), inspire_signing_key_public(signer), 0};
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    options.store = INSPIRE_STR(":memory:");
    options.hash_memory_kib = 8;
    options.hash_iterations = 1;
    options.trusted_keys = &trusted;
    options.trusted_key_count = 1;
    options.flags = INSPIRE_AUTH_ALLOW_UNBOUND;
    NEEDS(inspire_auth_open(&options, &auth, NULL) == INSPIRE_RESULT_OK);

    inspire_caller system_ = INSPIRE_CALLER_INIT;
    inspire_license *installed = NULL;
    system_.actor = INSPIRE_ACTOR_SYSTEM;
    NEEDS(inspire_license_activate_offline(auth, INSPIRE_STR("KEY-1"), inspire_text_str(license), 0, &system_,
                                           &installed, NULL) == INSPIRE_RESULT_OK);
    inspire_license_free(installed);

    inspire_key_spec spec = INSPIRE_KEY_SPEC_INIT;
    inspire_str level = INSPIRE_STR("Authenticated/Ops/Write");
    inspire_created_key *key = NULL, *unused = NULL;
    inspire_requirement *requirement = NULL;
    spec.levels = &level;
    spec.level_count = 1;
    spec.name = INSPIRE_STR("gateway-client-7");
    NEEDS(inspire_key_create(auth, &spec, &system_, &key, NULL) == INSPIRE_RESULT_OK);
    spec.name = INSPIRE_STR("gateway-client-8");
    NEEDS(inspire_key_create(auth, &spec, &system_, &unused, NULL) == INSPIRE_RESULT_OK);
    NEEDS(inspire_requirement_parse(auth, INSPIRE_STR("any(Authenticated/Ops/Write)"), &requirement, NULL) ==
          INSPIRE_RESULT_OK);

    char values[4][256];
    static const char *const names[4] = {"gateway-client-7", "gateway-client-7", "gateway-client-8",
                                         "gateway-client-9"};
    static struct request asked[5];
    for (int i = 0; i < 4; i++) {
        /* The key of the other one is well made, and wrong. */
        inspire_str secret = inspire_created_key_secret(i == 1 || i == 3 ? unused : key);
        asked[i].request = (inspire_request)INSPIRE_REQUEST_INIT;
        asked[i].request.presented = INSPIRE_PRESENTED_AUTHORIZATION;
        asked[i].request.value = bearer(names[i], secret, values[i]);
        asked[i].request.channel = INSPIRE_CHANNEL_SECURE;
        asked[i].request.requirement = requirement;
        asked[i].granted = i == 0;
    }
    /* The same as all header lines of a request. */
    inspire_header lines[6] = {
        {INSPIRE_STR("Host"), INSPIRE_STR("gateway.example")},
        {INSPIRE_STR("User-Agent"), INSPIRE_STR("curl/8.5.0")},
        {INSPIRE_STR("Accept"), INSPIRE_STR("*/*")},
        {INSPIRE_STR("Authorization"), asked[0].request.value},
        {INSPIRE_STR("Content-Type"), INSPIRE_STR("application/json")},
        {INSPIRE_STR("Content-Length"), INSPIRE_STR("42")},
    };
    asked[4] = asked[0];
    asked[4].request.presented = INSPIRE_PRESENTED_HEADERS;
    asked[4].request.headers = lines;
    asked[4].request.header_count = 6;

    randombytes_buf(message, sizeof message);
    crypto_auth_keygen(mac_key);
    crypto_auth(mac, message, sizeof message, mac_key);
    jwt_t *jwt = NULL;
    NEEDS(jwt_new(&jwt) == 0 && jwt_add_grant(jwt, "sub", "gateway-client-7") == 0 &&
          jwt_add_grant_int(jwt, "exp", 4000000000) == 0 &&
          jwt_set_alg(jwt, JWT_ALG_HS256, jwt_key, sizeof jwt_key) == 0);
    char *token = jwt_encode_str(jwt);
    NEEDS(token != NULL);

    static struct candidate warm[] = {
        {.who = "ours", .call = authenticate, .argument = &asked[0]},
        {.who = "ours, six header lines", .call = authenticate, .argument = &asked[4]},
        {.who = "libsodium crypto_auth_verify", .call = sodium_verify},
        {.who = "libjwt HS256", .call = jwt_verify},
    };
    warm[3].argument = token;
    interleaved("warm", warm, sizeof warm / sizeof *warm, rounds);

    static struct candidate refused[] = {
        {.who = "ours, wrong secret, key in use", .call = authenticate, .argument = &asked[1]},
        {.who = "ours, wrong secret, key not used yet", .call = authenticate, .argument = &asked[2]},
        {.who = "ours, unknown name", .call = authenticate, .argument = &asked[3]},
    };
    interleaved("refused", refused, sizeof refused / sizeof *refused, rounds);

    static struct candidate entitled[] = {
        {.who = "ours, has_entitlement", .call = has_entitlement},
        {.who = "ours, not entitled", .call = not_entitled},
        {.who = "ours, limit", .call = limit},
    };
    interleaved("entitled", entitled, sizeof entitled / sizeof *entitled, rounds);

    static char file[8192], public_key[128];
    inspire_trusted_key vendor = {INSPIRE_STR("vendor"), contents("PEER_PUBLIC_KEY", public_key, sizeof public_key), 0};
    struct inspected inspected = {contents("PEER_FILE", file, sizeof file), INSPIRE_INSPECT_OPTIONS_INIT};
    inspected.options.trusted_keys = &vendor;
    inspected.options.trusted_key_count = 1;
    inspected.options.license_key = INSPIRE_STR("C1B6DE-39A6E3-DE1529-8559A0-4AF593-V3");
    static struct candidate read[] = {{.who = "ours", .call = inspect}};
    read[0].argument = &inspected;
    interleaved("file", read, 1, rounds);

    free(token);
    jwt_free(jwt);
    inspire_requirement_free(requirement);
    inspire_created_key_free(key);
    inspire_created_key_free(unused);
    inspire_auth_free(auth);
    inspire_text_free(license);
    inspire_signing_key_free(signer);
    return 0;
}
