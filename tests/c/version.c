/* The macros of the header and the library that runs say the same, the packed number included. */
#include "check.h"

int main(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", INSPIRE_AUTH_VERSION_MAJOR, INSPIRE_AUTH_VERSION_MINOR,
             INSPIRE_AUTH_VERSION_PATCH);
    IS(inspire_auth_version(), INSPIRE_AUTH_VERSION);
    IS(inspire_auth_version(), text);
    CHECK(inspire_auth_version_number() == (uint32_t)INSPIRE_AUTH_VERSION_NUMBER);
    CHECK(inspire_auth_version_number() >> 16 == INSPIRE_AUTH_VERSION_MAJOR);
    CHECK((inspire_auth_version_number() >> 8 & 0xff) == INSPIRE_AUTH_VERSION_MINOR);
    CHECK((inspire_auth_version_number() & 0xff) == INSPIRE_AUTH_VERSION_PATCH);
    CHECK(inspire_auth_abi_version() == INSPIRE_AUTH_ABI_VERSION);
    return 0;
}
