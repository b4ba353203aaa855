# The guest agent for development: pure answers, and the server that gives them.
foreach(item "quote;quote.hex;1" "eventlog;eventlog.json;")
  list(GET item 0 what)
  list(GET item 1 file)
  list(GET item 2 hex)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/simulator_data/${file})
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/simulator_${what}.c)
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DIN=${source} -DOUT=${generated} -DNAME=node_simulator_${what}
            -DHEADER=node/simulator_data.h -DHEX=${hex} -P ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake
    DEPENDS ${source} ${CMAKE_CURRENT_SOURCE_DIR}/embed.cmake)
  list(APPEND simulator_data ${generated})
endforeach()

nftmesh_library(node_agent_sim SOURCES agent_sim.c ${simulator_data} DEPS attest base)
nftmesh_library(node_simulator SOURCES simulator.c
  DEPS node_agent_sim node_surface PkgConfig::MICROHTTPD Threads::Threads)
target_compile_definitions(node_simulator PRIVATE _GNU_SOURCE)
include(simulator_tests.cmake OPTIONAL)
