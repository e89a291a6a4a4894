/* The least that a host does: open, close, and say with which version. */
#include <inspire_auth.h>

#include <stdio.h>

int main(void)
{
    inspire_auth_options options = INSPIRE_AUTH_OPTIONS_INIT;
    inspire_auth *auth = NULL;
    inspire_error *err = NULL;

    options.store = INSPIRE_STR("hello.db");
    if (inspire_auth_open(&options, &auth, &err) != INSPIRE_RESULT_OK) {
        inspire_error_free(err);
        return 1;
    }
    inspire_auth_free(auth);
    printf("libinspire_auth %d.%d.%d\n", INSPIRE_AUTH_VERSION_MAJOR, INSPIRE_AUTH_VERSION_MINOR,
           INSPIRE_AUTH_VERSION_PATCH);
    return 0;
}
