/* A warm, granted inspire_auth_authenticate allocates nothing and frees nothing. The program replaces the allocator.
 *
 * xtask: no-sanitizers, no-valgrind
 */
#include "check.h"

#include <errno.h>

/* glibc's own allocator, under the names that a replacement may call. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

/* Of this thread: the library's own threads write last uses to the store when they please. */
static __thread unsigned long calls;

void *malloc(size_t size)
{
    calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    calls++;
    return __libc_realloc(old, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    calls++;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    calls++;
    return __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    calls++;
    return __libc_memalign(alignment, size);
}

void free(void *memory)
{
    calls++;
    __libc_free(memory);
}

/* Some time in 2027: last use is noted once a minute, and not in the middle of the count. */
static const int64_t now = 1800000000;

static void count(const char *store, uint32_t presented)
{
    inspire_auth *auth = open_at(store);
    inspire_requirement *requirement = require(auth, "any(Plant/Line, Plant/Office)");
    inspire_created_key *created = create_key(auth, "warm", "Plant/Line/3");
    inspire_header headers[4];
    inspire_request request = request_with(bearer(created), requirement);
    inspire_principal principal = INSPIRE_PRINCIPAL_INIT;
    inspire_routes *routes = NULL;
    unsigned long before;
    int round;

    headers[0].name = INSPIRE_STR("Host");
    headers[0].value = INSPIRE_STR("gateway.example");
    headers[1].name = INSPIRE_STR("User-Agent");
    headers[1].value = INSPIRE_STR("curl/8");
    headers[2].name = INSPIRE_STR("authorization");
    headers[2].value = request.value;
    headers[3].name = INSPIRE_STR("Accept");
    headers[3].value = INSPIRE_STR("*/*");
    if (presented == INSPIRE_PRESENTED_LEGACY)
        request.value = inspire_created_key_credential(created);
    request.presented = presented;
    request.headers = headers;
    request.header_count = 4;
    request.now = now;
    GIVES(OK, inspire_routes_parse(INSPIRE_STR("{\"routes\": [{\"prefix\": \"/plant\", \"methods\": [\"GET\"], "
                                               "\"require\": {\"any\": [\"Plant/Line\"]}}]}"),
                                   &routes, NULL));

    before = calls;
    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));
    CHECK(calls > before); /* the cold one: so the counter counts */
    GIVES(OK, inspire_auth_authenticate(auth, &request, &principal, NULL));

    before = calls;
    for (round = 0; round < 100000; round++)
        if (inspire_auth_authenticate(auth, &request, &principal, NULL) != INSPIRE_RESULT_OK)
            break;
    CHECK(round == 100000);
    CHECK(calls == before);
    IS(inspire_key_name(inspire_created_key_record(created)), principal.name);

    /* The same behind a route table. */
    request.requirement = NULL;
    request.routes = routes;
    request.method = INSPIRE_STR("GET");
    request.path = INSPIRE_STR("/plant/line/3?from=0");
    before = calls;
    for (round = 0; round < 100000; round++)
        if (inspire_auth_authenticate(auth, &request, &principal, NULL) != INSPIRE_RESULT_OK)
            break;
    CHECK(round == 100000);
    CHECK(calls == before);

    inspire_created_key_free(created);
    inspire_requirement_free(requirement);
    inspire_routes_free(routes);
    inspire_auth_free(auth);
}

int main(void)
{
    count(":memory:", INSPIRE_PRESENTED_HEADERS);
    count(":memory:", INSPIRE_PRESENTED_LEGACY);
    remove("alloc_free.db");
    count("alloc_free.db", INSPIRE_PRESENTED_HEADERS);
    return 0;
}
