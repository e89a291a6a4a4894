# find_package(inspire_auth CONFIG) defines two imported targets:
#
#   inspire::auth          the shared library, or the static one where only that is installed
#   inspire::auth_static   the static library
#
# Everything is found relative to this file, so that the installation may be moved.

get_filename_component(_inspire_auth_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

find_path(inspire_auth_INCLUDE_DIR NAMES inspire_auth.h
  PATHS "${_inspire_auth_prefix}/include" NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)

set(_inspire_auth_lib_dirs "${_inspire_auth_prefix}/lib" "${_inspire_auth_prefix}/lib64")
if(CMAKE_LIBRARY_ARCHITECTURE)
  list(APPEND _inspire_auth_lib_dirs "${_inspire_auth_prefix}/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
endif()

find_library(inspire_auth_SHARED_LIBRARY
  NAMES "${CMAKE_SHARED_LIBRARY_PREFIX}inspire_auth${CMAKE_SHARED_LIBRARY_SUFFIX}"
  PATHS ${_inspire_auth_lib_dirs} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
find_library(inspire_auth_STATIC_LIBRARY
  NAMES "${CMAKE_STATIC_LIBRARY_PREFIX}inspire_auth${CMAKE_STATIC_LIBRARY_SUFFIX}"
  PATHS ${_inspire_auth_lib_dirs} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
mark_as_advanced(inspire_auth_INCLUDE_DIR inspire_auth_SHARED_LIBRARY inspire_auth_STATIC_LIBRARY)

if(NOT inspire_auth_INCLUDE_DIR OR NOT (inspire_auth_SHARED_LIBRARY OR inspire_auth_STATIC_LIBRARY))
  set(inspire_auth_FOUND FALSE)
  set(inspire_auth_NOT_FOUND_MESSAGE "inspire_auth.h or its library is missing under ${_inspire_auth_prefix}")
  return()
endif()

if(inspire_auth_STATIC_LIBRARY AND NOT TARGET inspire::auth_static)
  add_library(inspire::auth_static STATIC IMPORTED)
  set_target_properties(inspire::auth_static PROPERTIES
    IMPORTED_LOCATION "${inspire_auth_STATIC_LIBRARY}"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    INTERFACE_INCLUDE_DIRECTORIES "${inspire_auth_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS INSPIRE_STATIC)
  if(WIN32)
    set_property(TARGET inspire::auth_static PROPERTY
      INTERFACE_LINK_LIBRARIES bcrypt advapi32 kernel32 ntdll userenv ws2_32)
  elseif(APPLE)
    set_property(TARGET inspire::auth_static PROPERTY INTERFACE_LINK_LIBRARIES m)
  else()
    # What rustc names as native static libraries; those that glibc has merged into libc are still there as stubs.
    include(CMakeFindDependencyMacro)
    find_dependency(Threads)
    set_property(TARGET inspire::auth_static PROPERTY
      INTERFACE_LINK_LIBRARIES gcc_s util rt Threads::Threads m ${CMAKE_DL_LIBS})
  endif()
endif()

if(NOT TARGET inspire::auth)
  if(inspire_auth_SHARED_LIBRARY)
    add_library(inspire::auth SHARED IMPORTED)
    set_target_properties(inspire::auth PROPERTIES
      IMPORTED_LOCATION "${inspire_auth_SHARED_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${inspire_auth_INCLUDE_DIR}")
    if(WIN32)
      set_property(TARGET inspire::auth PROPERTY IMPORTED_IMPLIB "${inspire_auth_SHARED_LIBRARY}.lib")
    endif()
  else()
    add_library(inspire::auth INTERFACE IMPORTED)
    set_property(TARGET inspire::auth PROPERTY INTERFACE_LINK_LIBRARIES inspire::auth_static)
  endif()
endif()

set(inspire_auth_FOUND TRUE)
unset(_inspire_auth_prefix)
unset(_inspire_auth_lib_dirs)
