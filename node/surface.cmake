# Settings, disk, snapshots, metrics and the HTTP surfaces: files, pthreads and microhttpd; no uv,
# no nng. node/mesh writes views and takes commands.
foreach(item "page;page.html" "openapi;openapi.json")
  list(GET item 0 what)
  list(GET item 1 file)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/http_docs/${file})
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/http_docs_${what}.c)
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DIN=${source} -DOUT=${generated} -DNAME=node_http_docs_${what}
            -DHEADER=node/http_docs.h -P ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake
    DEPENDS ${source} ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake)
  list(APPEND http_docs ${generated})
endforeach()

nftmesh_library(node_surface
  SOURCES url.c options.c options_file.c options_help.c config.c config_table.c handler_spec.c store.c logsink.c
          view.c view_json.c expiry.c metrics.c metrics_process.c http.c http_route.c http_command.c
          http_event.c http_docs.c ${http_docs}
  DEPS base PkgConfig::CONFUSE PkgConfig::MICROHTTPD Threads::Threads)
target_compile_definitions(node_surface PRIVATE _GNU_SOURCE)

foreach(test test_node_expiry test_node_handler_spec test_node_config test_node_store test_node_metrics test_node_http)
  nftmesh_test(${test} LABELS unit DEPS node_surface)
  target_compile_definitions(${test} PRIVATE _GNU_SOURCE)
endforeach()
set_tests_properties(test_node_http PROPERTIES LABELS net)
nftmesh_fuzz(fuzz_handler_spec DEPS node_surface CORPUS tests/fuzz/corpus/handler_spec)
nftmesh_fuzz(fuzz_config DEPS node_surface CORPUS tests/fuzz/corpus/config)
