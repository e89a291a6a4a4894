// The C++ header, through CMake's target.
#include <inspire_auth.hpp>

#include <cstdio>

int main()
{
    std::printf("libinspire_auth %d.%d.%d\n", INSPIRE_AUTH_VERSION_MAJOR, INSPIRE_AUTH_VERSION_MINOR,
                INSPIRE_AUTH_VERSION_PATCH);
    return 0;
}
