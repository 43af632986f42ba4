# find_package(spnm CONFIG) -> spnm::spnm (shared) and spnm::spnm_static.
# The prefix is found from where this file lies, so an installation may be moved.

get_filename_component(_spnm_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(_spnm_where PATHS "${_spnm_prefix}" PATH_SUFFIXES lib lib64 "lib/${CMAKE_LIBRARY_ARCHITECTURE}"
    NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
find_library(_spnm_shared NAMES libspnm.so libspnm.dylib ${_spnm_where})
find_library(_spnm_archive NAMES libspnm.a ${_spnm_where})
set(_spnm_include "${_spnm_prefix}/include")

if(NOT EXISTS "${_spnm_include}/spnm.h" OR NOT (_spnm_shared OR _spnm_archive))
  set(spnm_FOUND FALSE)
  set(spnm_NOT_FOUND_MESSAGE "no header or no library of spnm under ${_spnm_prefix}")
endif()

if(_spnm_shared AND NOT TARGET spnm::spnm)
  add_library(spnm::spnm SHARED IMPORTED)
  set_target_properties(spnm::spnm PROPERTIES
    IMPORTED_LOCATION "${_spnm_shared}"
    INTERFACE_INCLUDE_DIRECTORIES "${_spnm_include}")
endif()

if(_spnm_archive AND NOT TARGET spnm::spnm_static)
  # What Rust's standard library needs, which rustc has told to spnm.pc.
  get_filename_component(_spnm_libdir "${_spnm_archive}" DIRECTORY)
  file(STRINGS "${_spnm_libdir}/pkgconfig/spnm.pc" _spnm_libs REGEX "^Libs.private:")
  string(REGEX REPLACE "^Libs.private: *" "" _spnm_libs "${_spnm_libs}")
  separate_arguments(_spnm_libs)
  add_library(spnm::spnm_static STATIC IMPORTED)
  set_target_properties(spnm::spnm_static PROPERTIES
    IMPORTED_LOCATION "${_spnm_archive}"
    INTERFACE_INCLUDE_DIRECTORIES "${_spnm_include}"
    INTERFACE_LINK_LIBRARIES "${_spnm_libs}")
  unset(_spnm_libdir)
  unset(_spnm_libs)
endif()

unset(_spnm_shared CACHE)
unset(_spnm_archive CACHE)
unset(_spnm_where)
unset(_spnm_include)
unset(_spnm_prefix)
