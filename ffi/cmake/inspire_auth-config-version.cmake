# Says whether the installed version suits find_package(inspire_auth VERSION). The number is read from the installed
# header, so that it stands in one place. A new minor version before 1.0, and a new major version after, is a break.

set(_inspire_auth_header "${CMAKE_CURRENT_LIST_DIR}/../../../include/inspire_auth.h")
set(PACKAGE_VERSION "")
if(EXISTS "${_inspire_auth_header}")
  foreach(_inspire_auth_part MAJOR MINOR PATCH)
    file(STRINGS "${_inspire_auth_header}" _inspire_auth_line
      REGEX "^#define[ \t]+INSPIRE_AUTH_VERSION_${_inspire_auth_part}[ \t]+[0-9]+" LIMIT_COUNT 1)
    string(REGEX REPLACE "^.*[ \t]([0-9]+).*$" "\\1" _inspire_auth_${_inspire_auth_part} "${_inspire_auth_line}")
  endforeach()
  set(PACKAGE_VERSION "${_inspire_auth_MAJOR}.${_inspire_auth_MINOR}.${_inspire_auth_PATCH}")
endif()

if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION)
    if(NOT "${PACKAGE_FIND_VERSION_MAJOR}" STREQUAL "${_inspire_auth_MAJOR}")
      set(PACKAGE_VERSION_COMPATIBLE FALSE)
    elseif("${_inspire_auth_MAJOR}" STREQUAL "0" AND NOT "${PACKAGE_FIND_VERSION_MINOR}" STREQUAL "${_inspire_auth_MINOR}")
      set(PACKAGE_VERSION_COMPATIBLE FALSE)
    endif()
  endif()
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
