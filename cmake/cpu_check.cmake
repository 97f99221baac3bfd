# A program that was built for a newer machine says so instead of dying of an illegal instruction. The check itself must
# run anywhere, so it is compiled for the oldest x86-64; what it asks for is what the compiler was allowed to use elsewhere.
separate_arguments(flags NATIVE_COMMAND "${CMAKE_CXX_FLAGS}")
execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} ${machine} -dM -E -x c++ /dev/null
  OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)

set(needs "")
foreach(feature IN ITEMS sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma bmi bmi2 avx512f avx512cd avx512dq avx512bw avx512vl
                         avx512ifma avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512vpopcntdq avx512bf16)
  string(TOUPPER ${feature} macro)
  string(REPLACE . _ macro ${macro})
  if(macros MATCHES "#define __${macro}__ 1")
    string(APPEND needs "GRADUS_NEEDS(\"${feature}\")\n")
  endif()
endforeach()
set(needs_dir ${CMAKE_CURRENT_BINARY_DIR}/cpu_check)
file(CONFIGURE OUTPUT ${needs_dir}/cpu_needs.inc CONTENT "${needs}")
file(CONFIGURE OUTPUT ${needs_dir}/macros.txt CONTENT "${macros}" @ONLY)

set_source_files_properties(core/cpu_check.cpp PROPERTIES
  COMPILE_OPTIONS "-march=x86-64;-mtune=generic;-fno-sanitize=all"
  INCLUDE_DIRECTORIES ${needs_dir}
  COMPILE_DEFINITIONS GRADUS_BUILT_NATIVE=$<BOOL:${GRADUS_NATIVE}>
  OBJECT_DEPENDS ${needs_dir}/cpu_needs.inc)
