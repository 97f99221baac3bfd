# ctest: one entry a test file, each example, and what is tested from outside (rooms, packaging, old processors, sanitizers).
# Label `nightly`: longer than a person waits; scripts/nightly runs them.
set(test_environment "")
if(GRADUS_SANITIZE)
  list(APPEND test_environment UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1)
endif()

# ---- doctest --------------------------------------------------------------------------------------------------------
file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} tests/*_test.cpp)
add_executable(gradus_tests tests/main.cpp ${test_sources})
target_link_libraries(gradus_tests PRIVATE gradus_tools doctest::doctest)
# Tests and examples take longer to compile than to run, with sanitizers and clang twice as long at -O1; but tests of core
# have loops.
if(GRADUS_SANITIZE OR CMAKE_CXX_COMPILER_ID MATCHES Clang)
  set(quick_to_compile -O0)
  file(GLOB core_tests tests/core/*_test.cpp)
  set_source_files_properties(${core_tests} PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
else()
  set(quick_to_compile $<$<CONFIG:Release>:-O1>)
endif()
target_compile_options(gradus_tests PRIVATE ${quick_to_compile})
if(GRADUS_SANITIZE)  # the other builds see to it that a test includes what it uses
  target_precompile_headers(gradus_tests PRIVATE <gradus/gradus.h> <doctest/doctest.h>)
  set_source_files_properties(tests/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)  # which has doctest itself
endif()
target_compile_definitions(gradus_tests PRIVATE
  GRADUS_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" GRADUS_BINARY_DIR="${CMAKE_CURRENT_BINARY_DIR}")
if(GRADUS_SANITIZE)
  target_compile_definitions(gradus_tests PRIVATE DOCTEST_CONFIG_NO_POSIX_SIGNALS)  # a crash is the sanitizer's to report
endif()
foreach(source IN LISTS test_sources)
  string(REGEX REPLACE "^tests/(.*)\\.cpp$" "\\1" name ${source})
  string(REPLACE / _ name ${name})  # tests/core/array_test.cpp: core_array_test
  add_test(NAME ${name} COMMAND gradus_tests --source-file=*/${source})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${test_environment}" TIMEOUT 900
    FAIL_REGULAR_EXPRESSION "test cases: +0 ")  # a filter that matches nothing succeeds
endforeach()

file(GLOB_RECURSE nightly_sources CONFIGURE_DEPENDS tests/*_nightly.cpp)
if(nightly_sources)
  add_executable(gradus_nightly tests/main.cpp ${nightly_sources})
  target_link_libraries(gradus_nightly PRIVATE gradus_tools doctest::doctest)
  target_compile_definitions(gradus_nightly PRIVATE GRADUS_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}")
  add_test(NAME nightly COMMAND gradus_nightly)
  set_tests_properties(nightly PROPERTIES ENVIRONMENT "${test_environment}" TIMEOUT 14400 LABELS nightly)
endif()

# ---- examples -------------------------------------------------------------------------------------------------------
file(GLOB example_parts CONFIGURE_DEPENDS examples/*.cpp)
add_library(example_flags STATIC ${example_parts})
target_link_libraries(example_flags PUBLIC gradus gradus_fast gradus_developer CLI11::CLI11)
target_compile_options(example_flags PRIVATE ${quick_to_compile})
if(GRADUS_SANITIZE)
  target_precompile_headers(example_flags PRIVATE <gradus/gradus.h>)
endif()
file(GLOB examples CONFIGURE_DEPENDS examples/*/*.cpp)
foreach(example IN LISTS examples)
  get_filename_component(name ${example} NAME_WE)
  add_executable(${name} ${example})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY examples)
  target_link_libraries(${name} PRIVATE example_flags)
  if(GRADUS_SANITIZE)
    target_compile_options(${name} PRIVATE ${quick_to_compile})
    target_precompile_headers(${name} REUSE_FROM example_flags)
  endif()
  add_test(NAME example_${name} COMMAND ${name} --quick)
  set_tests_properties(example_${name} PROPERTIES ENVIRONMENT "${test_environment}" TIMEOUT 600 LABELS example
    FAIL_REGULAR_EXPRESSION "gradus: warning")  # docs/warnings.md: no false alarm in what runs well
endforeach()

# ---- documentation --------------------------------------------------------------------------------------------------
# The first C++ block of each of these pages is a program: it is compiled and run.
foreach(page IN ITEMS README docs/training docs/tokenizer docs/images_of_your_own)
  set_property(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page}.md)
  file(READ ${page}.md code)
  string(FIND "${code}" "```cpp\n" begin)
  math(EXPR begin "${begin} + 7")
  string(SUBSTRING "${code}" ${begin} -1 code)
  string(FIND "${code}" "```" end)
  string(SUBSTRING "${code}" 0 ${end} code)
  get_filename_component(name ${page} NAME)
  string(TOLOWER ${name}_example name)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp CONTENT "${code}" @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE gradus gradus_fast gradus_developer)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${test_environment}" TIMEOUT 600 LABELS example
    FAIL_REGULAR_EXPRESSION "gradus: warning")
endforeach()

# The folders that docs/images_of_your_own.md begins with.
add_executable(draw_photos tests/outside/draw_photos.cpp)
target_compile_features(draw_photos PRIVATE cxx_std_20)
add_test(NAME photos_drawn COMMAND draw_photos ${CMAKE_CURRENT_BINARY_DIR}/photos)
set_tests_properties(photos_drawn PROPERTIES FIXTURES_SETUP photos)
set_tests_properties(images_of_your_own_example PROPERTIES FIXTURES_REQUIRED photos
  PASS_REGULAR_EXPRESSION "photos/circles/0.ppm shows circles")

# ---- readers of files and texts that may lie -------------------------------------------------------------------------
# The replay of what is known needs no libFuzzer: every seed, its mutations, and every finding that there was.
set(readers tests/robustness/fuzz/readers.cpp tests/robustness/fuzz/readers_data.cpp)
add_executable(replay_readers tests/robustness/fuzz/replay.cpp ${readers})
target_link_libraries(replay_readers PRIVATE gradus gradus_fast gradus_developer ZLIB::ZLIB)
add_test(NAME replay_readers COMMAND replay_readers ${CMAKE_CURRENT_SOURCE_DIR}/tests/robustness/fuzz/regressions)
set_tests_properties(replay_readers PROPERTIES ENVIRONMENT "${test_environment}" TIMEOUT 900)
if(GRADUS_FUZZ)
  add_executable(fuzz_readers ${readers})
  target_compile_definitions(fuzz_readers PRIVATE GRADUS_FUZZ)
  target_link_libraries(fuzz_readers PRIVATE gradus gradus_fast gradus_developer ZLIB::ZLIB)
  target_link_options(fuzz_readers PRIVATE -fsanitize=fuzzer)
endif()

# ---- from outside ---------------------------------------------------------------------------------------------------
function(add_script_test name script)
  add_test(NAME ${name} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/tests/outside/${script} ${ARGN})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 2400 LABELS outside)
endfunction()

if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND NOT GRADUS_SANITIZE)  # of the text alone: one build asks
  add_script_test(rooms rooms_test.sh)
  add_script_test(find find_test.sh)
  add_script_test(lint lint_test.sh)
endif()

add_script_test(example_flags example_flags_test.sh $<TARGET_FILE:cnn_mnist>)
add_script_test(run_page run_page_test.sh $<TARGET_FILE:cnn_mnist>)
add_script_test(example_resume example_resume_test.sh $<TARGET_FILE:cnn_mnist>)
foreach(example IN LISTS examples)
  file(READ ${example} code)
  if(NOT GRADUS_SANITIZE AND code MATCHES "flags[.]fit[(]")  # it goes on with --resume
    get_filename_component(name ${example} NAME_WE)
    add_script_test(example_resume_${name} example_resume_test.sh $<TARGET_FILE:${name}> 2)
    set_tests_properties(example_resume_${name} PROPERTIES LABELS example)
  endif()
endforeach()

set(planted "")
if(GRADUS_SANITIZE MATCHES address)
  list(APPEND planted leak overflow use_after_free)
elseif(GRADUS_SANITIZE MATCHES thread)
  list(APPEND planted race)
endif()
foreach(name IN LISTS planted)
  add_executable(planted_${name} tests/outside/planted/${name}.cpp)
  target_link_libraries(planted_${name} PRIVATE gradus gradus_fast gradus_developer)
  add_script_test(planted_${name} planted_test.sh $<TARGET_FILE:planted_${name}>)
endforeach()

if(TARGET gradus_cli AND EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/tests/tools/report_figures.cpp)
  add_executable(report_figures tests/tools/report_figures.cpp)
  target_link_libraries(report_figures PRIVATE gradus_developer nlohmann_json::nlohmann_json)
  target_compile_features(report_figures PRIVATE cxx_std_20)
  set(report_dir ${CMAKE_CURRENT_BINARY_DIR}/report_test)
  add_test(NAME report_written COMMAND gradus_cli compare --synthetic --model mlp --limit 640 --epochs 2 --seed 1
    --optimizers "sgd(lr=0.05, momentum=0.9); adam(lr=1e-3)" --out ${report_dir})
  set_tests_properties(report_written PROPERTIES FIXTURES_SETUP report LABELS outside ENVIRONMENT "${test_environment}")
  add_script_test(report_browser report_browser_test.sh ${report_dir} $<TARGET_FILE:report_figures>)
  set_tests_properties(report_browser PROPERTIES FIXTURES_REQUIRED report)
endif()

if(TARGET gradus_cli AND TARGET gradus_bench)
  add_script_test(command_line command_line_test.sh $<TARGET_FILE:gradus_cli> $<TARGET_FILE:gradus_bench>)
endif()

if(NOT GRADUS_SANITIZE)  # it takes the place of calls that sanitizers take the place of
  add_executable(interrupted_saves tests/robustness/interrupted_saves.cpp)
  target_link_libraries(interrupted_saves PRIVATE gradus gradus_fast gradus_developer)
  add_test(NAME interrupted_saves COMMAND interrupted_saves 30)
  add_test(NAME interrupted_saves_500 COMMAND interrupted_saves 500)
  set_tests_properties(interrupted_saves_500 PROPERTIES TIMEOUT 3600 LABELS nightly)

  add_executable(killed_training tests/robustness/killed_training.cpp)
  target_link_libraries(killed_training PRIVATE gradus gradus_fast gradus_developer)
  add_test(NAME killed_training COMMAND killed_training 30)
  add_test(NAME killed_training_500 COMMAND killed_training 500)
  set_tests_properties(killed_training_500 PROPERTIES TIMEOUT 3600 LABELS nightly)

  add_executable(old_cpu tests/outside/planted/old_cpu.cpp)
  target_link_libraries(old_cpu PRIVATE gradus gradus_fast gradus_developer)
  add_script_test(old_cpu old_cpu_test.sh ${needs_dir}/cpu_needs.inc $<TARGET_FILE:old_cpu>)
  if(TARGET gradus_cli)
    add_script_test(old_cpu_tool old_cpu_test.sh ${needs_dir}/cpu_needs.inc $<TARGET_FILE:gradus_cli> --version)
  endif()
endif()
if(GRADUS_INSTALL AND NOT GRADUS_SANITIZE AND CMAKE_BUILD_TYPE STREQUAL Release)
  set(ways find_package)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # these build the library again: once is enough
    list(APPEND ways add_subdirectory FetchContent)
  endif()
  foreach(way IN LISTS ways)
    add_script_test(packaging_${way} packaging_test.sh ${way} ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_BINARY_DIR}
      ${CMAKE_CXX_COMPILER} ${CMAKE_COMMAND})
    set_tests_properties(packaging_${way} PROPERTIES LABELS packaging)
    if(way STREQUAL add_subdirectory)  # what FetchContent does, too
      set_tests_properties(packaging_${way} PROPERTIES LABELS nightly)
    endif()
  endforeach()
endif()
