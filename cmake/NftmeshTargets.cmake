# Three helpers, so that each room's CMakeLists.txt reads as a table of contents.
#
#   nftmesh_library(NAME SOURCES .. [DEPS ..])        one static library a room
#   nftmesh_test(NAME LABELS .. [SOURCES ..] [DEPS ..])  tests/NAME.c (or SOURCES) with CMocka
#   nftmesh_fuzz(NAME [SOURCES ..] DEPS .. CORPUS DIR)   tests/fuzz/NAME.c; without libFuzzer a
#                                                      driver replays CORPUS as an ordinary test
include(FindPkgConfig)

option(NFTMESH_WERROR "Treat warnings as errors" OFF)
option(NFTMESH_LIBFUZZER "Build the fuzz targets with clang's libFuzzer" OFF)
set(NFTMESH_SANITIZE "" CACHE STRING "address (with undefined), thread, or nothing")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# Asserts guard our own mistakes and stay on in release.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -fno-common -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Lines for people are cut where they are too long, on purpose.
  add_compile_options(-Wno-format-truncation)
endif()
if(NFTMESH_WERROR)
  add_compile_options(-Werror)
endif()
if(NFTMESH_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(NFTMESH_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
if(NFTMESH_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# nftmesh_pkg(NAME PACKAGE): an imported target pkg::NAME for a pkg-config package.
function(nftmesh_pkg NAME PACKAGE)
  if(NOT TARGET PkgConfig::${NAME})
    pkg_check_modules(${NAME} REQUIRED IMPORTED_TARGET GLOBAL ${PACKAGE})
  endif()
endfunction()

function(nftmesh_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_include_directories(${NAME} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${NAME} PUBLIC ${ARG_DEPS})
endfunction()

function(nftmesh_test NAME)
  cmake_parse_arguments(ARG "" "" "LABELS;SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${CMAKE_SOURCE_DIR}/tests/${NAME}.c)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  nftmesh_pkg(CMOCKA cmocka)
  target_include_directories(${NAME} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${NAME} PRIVATE NFTMESH_TESTS_DIR="${CMAKE_SOURCE_DIR}/tests")
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS} PkgConfig::CMOCKA)
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
  if(NFTMESH_SANITIZE STREQUAL "thread")
    set_tests_properties(${NAME} PROPERTIES
      ENVIRONMENT "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")
  endif()
endfunction()

function(nftmesh_fuzz NAME)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${CMAKE_SOURCE_DIR}/tests/fuzz/${NAME}.c)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${NAME} PRIVATE ${ARG_DEPS})
  if(NFTMESH_LIBFUZZER)
    target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${NAME} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
  endif()
  add_test(NAME ${NAME} COMMAND ${NAME} ${CMAKE_SOURCE_DIR}/${ARG_CORPUS})
  set_tests_properties(${NAME} PROPERTIES LABELS corpus TIMEOUT 300)
  if(NFTMESH_LIBFUZZER)
    set_tests_properties(${NAME} PROPERTIES DISABLED TRUE)
  endif()
endfunction()
