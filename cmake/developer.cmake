# What only a checkout of Gradus builds: tests, tool, examples, benchmarks. All of them see the whole library, also the
# ops that nothing refers to, because the tests and `gradus gradcheck` enumerate them.
find_package(doctest REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
enable_testing()

add_library(gradus_whole INTERFACE)
if(BUILD_SHARED_LIBS)
  target_link_libraries(gradus_whole INTERFACE gradus)
else()
  target_link_libraries(gradus_whole INTERFACE $<LINK_LIBRARY:WHOLE_ARCHIVE,gradus>)
endif()
target_link_libraries(gradus_whole INTERFACE
  gradus_fast gradus_developer fmt::fmt nlohmann_json::nlohmann_json ZLIB::ZLIB Threads::Threads)

# ---- the tool -------------------------------------------------------------------------------------------------------
file(GLOB_RECURSE tool_sources CONFIGURE_DEPENDS tools/*.cpp)
set(tool_main ${CMAKE_CURRENT_SOURCE_DIR}/tools/main.cpp)
list(REMOVE_ITEM tool_sources ${tool_main})
add_library(gradus_tools INTERFACE)
if(tool_sources)  # a library, because the tests call what the commands are made of
  add_library(gradus_tool_parts STATIC ${tool_sources})
  set_target_properties(gradus_tool_parts PROPERTIES UNITY_BUILD ${GRADUS_UNITY} UNITY_BUILD_BATCH_SIZE 9)
  target_compile_options(gradus_tool_parts PRIVATE $<$<CONFIG:Release>:-O1>  # what takes time is in the library
    $<$<AND:$<CXX_COMPILER_ID:Clang>,$<BOOL:${GRADUS_UNITY}>>:-Wno-shadow>)  # as in batches.cmake
  target_link_libraries(gradus_tool_parts PUBLIC gradus_whole CLI11::CLI11)
  gradus_embed(gradus_tool_parts gradus::tools tools/report/page.html tools/report/page.js)
  target_link_libraries(gradus_tools INTERFACE gradus_tool_parts)
endif()
target_link_libraries(gradus_tools INTERFACE gradus_whole CLI11::CLI11)
if(EXISTS ${tool_main})
  add_executable(gradus_cli ${tool_main})
  set_target_properties(gradus_cli PROPERTIES OUTPUT_NAME gradus)
  target_link_libraries(gradus_cli PRIVATE gradus_tools)
  target_compile_options(gradus_cli PRIVATE $<$<CONFIG:Release>:-O1>)  # it reads the command line, and nothing else
  if(GRADUS_INSTALL)
    install(TARGETS gradus_cli RUNTIME COMPONENT tool)
  endif()
endif()

# ---- benchmarks: a plain program, not run by the tests ---------------------------------------------------------------
file(GLOB bench_sources CONFIGURE_DEPENDS bench/*.cpp)
file(GLOB gates CONFIGURE_DEPENDS bench/gates/*.cpp)
if(bench_sources)
  add_executable(gradus_bench ${bench_sources})
  target_link_libraries(gradus_bench PRIVATE gradus_tools)
endif()

foreach(gate IN LISTS gates)  # one decision each, measured
  get_filename_component(name ${gate} NAME_WE)
  add_executable(${name} ${gate})
  target_link_libraries(${name} PRIVATE gradus_tools)
endforeach()

include(cmake/tests.cmake)
