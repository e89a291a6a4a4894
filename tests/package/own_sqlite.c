/*
 * A host that has an SQLite of its own, linked with the static library. The host's functions have SQLite's names and
 * do nothing good: if the library's store were bound to them, it would not open; if both were visible, the link would
 * fail.
 */
#include <inspire_auth.h>

#include <stdio.h>

int sqlite3_open_v2(const char *name, void **db, int flags, const char *vfs);
int sqlite3_prepare_v3(void *db, const char *sql, int length, unsigned flags, void **statement, const char **tail);
const char *sqlite3_libversion(void);
int sqlite3_libversion_number(void);

static int calls;

int sqlite3_open_v2(const char *name, void **db, int flags, const char *vfs)
{
    (void)name, (void)db, (void)flags, (void)vfs;
    calls++;
    return 14;
}

int sqlite3_prepare_v3(void *db, const char *sql, int length, unsigned flags, void **statement, const char **tail)
{
    (void)db, (void)sql, (void)length, (void)flags, (void)statement, (void)tail;
    calls++;
    return 1;
}

const char *sqlite3_libversion(void)
{
    return "the host's own";
}

int sqlite3_libversion_number(void)
{
    calls++;
    return 0;
}

int main(void)
{
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    inspire_auth *auth = NULL;

    options.store = INSPIRE_STR("own.db");
    if (inspire_auth_open(&options, &auth, NULL) != INSPIRE_RESULT_OK)
        return 1;
    inspire_auth_free(auth);
    if (calls != 0) {
        fprintf(stderr, "the library called the host's SQLite %d times\n", calls);
        return 1;
    }
    printf("libinspire_auth %d.%d.%d\n", INSPIRE_AUTH_VERSION_MAJOR, INSPIRE_AUTH_VERSION_MINOR,
           INSPIRE_AUTH_VERSION_PATCH);
    return sqlite3_libversion()[0] == 't' ? 0 : 1;
}
