# What only a checkout of Gradus builds: tests, tools, examples, benchmarks. All of them see the whole library, also the
# ops that nothing refers to, because the tests and `gradus gradcheck` enumerate them.
find_package(doctest REQUIRED)
find_package(CLI11 REQUIRED)
enable_testing()

add_library(gradus_whole INTERFACE)
target_link_libraries(gradus_whole INTERFACE
  $<LINK_LIBRARY:WHOLE_ARCHIVE,gradus> gradus_fast gradus_developer fmt::fmt nlohmann_json::nlohmann_json)

file(GLOB test_sources CONFIGURE_DEPENDS tests/*_test.cpp)
file(GLOB tool_sources CONFIGURE_DEPENDS tools/*.cpp)
list(REMOVE_ITEM tool_sources ${CMAKE_CURRENT_SOURCE_DIR}/tools/main.cpp)

add_library(gradus_tools STATIC ${tool_sources})
target_link_libraries(gradus_tools PUBLIC gradus_whole CLI11::CLI11)
add_executable(gradus_cli tools/main.cpp)
set_target_properties(gradus_cli PROPERTIES OUTPUT_NAME gradus)
target_link_libraries(gradus_cli PRIVATE gradus_tools)

add_executable(gradus_tests tests/main.cpp ${test_sources})
target_link_libraries(gradus_tests PRIVATE gradus_tools doctest::doctest)
target_compile_definitions(gradus_tests PRIVATE GRADUS_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" GRADUS_BINARY_DIR="${CMAKE_CURRENT_BINARY_DIR}")
add_test(NAME gradus_tests COMMAND gradus_tests)

file(GLOB examples CONFIGURE_DEPENDS examples/*.cpp)
foreach(example IN LISTS examples)
  get_filename_component(name ${example} NAME_WE)
  add_executable(${name} ${example})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY examples)
  target_link_libraries(${name} PRIVATE gradus gradus_fast gradus_developer CLI11::CLI11)
  add_test(NAME example_${name} COMMAND ${name} --quick)
endforeach()
