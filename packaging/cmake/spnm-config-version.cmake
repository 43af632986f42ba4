# The version that the installed header has. find_package asks for sources that compile: before 1.0 another minor version
# may break them. Which programs still run is said by SPNM_ABI_VERSION, the N of the soname.

file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/../../../include/spnm.h" _spnm_defines
  REGEX "^#define SPNM_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
foreach(_spnm_part MAJOR MINOR PATCH)
  string(REGEX MATCH "SPNM_VERSION_${_spnm_part} ([0-9]+)" _spnm_match "${_spnm_defines}")
  set(_spnm_${_spnm_part} "${CMAKE_MATCH_1}")
endforeach()
set(PACKAGE_VERSION "${_spnm_MAJOR}.${_spnm_MINOR}.${_spnm_PATCH}")

# Of a range, such as 0.1.0...<0.1.5, the upper end, too. (CMake before 3.19 knows none.)
set(_spnm_above FALSE)
if(PACKAGE_FIND_VERSION_RANGE)
  if(PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE")
    if(PACKAGE_VERSION VERSION_GREATER PACKAGE_FIND_VERSION_MAX)
      set(_spnm_above TRUE)
    endif()
  elseif(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX)
    set(_spnm_above TRUE)
  endif()
endif()

set(PACKAGE_VERSION_COMPATIBLE FALSE)
if(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION
    AND NOT _spnm_above
    AND PACKAGE_FIND_VERSION_MAJOR STREQUAL _spnm_MAJOR
    AND (_spnm_MAJOR GREATER 0 OR PACKAGE_FIND_VERSION_MINOR STREQUAL _spnm_MINOR))
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
