# The choice of the instruction set when a program starts. A libgradus.so for any x86-64-v3 machine comes with a second one,
# compiled for AVX-512 (x86-64-v4), in the folder in which the dynamic linker looks first on a machine that has it (ld.so(8),
# glibc-hwcaps; glibc 2.33 and newer). Both have the same functions: no instruction set is part of what the library exports.
set(avx512_dir glibc-hwcaps/x86-64-v4)
add_library(gradus_avx512 SHARED core/cpu_check.cpp ${CMAKE_CURRENT_BINARY_DIR}/builtin_rules.cpp)
set_target_properties(gradus_avx512 PROPERTIES GRADUS_AVX512 ON OUTPUT_NAME gradus
  LIBRARY_OUTPUT_DIRECTORY $<IF:$<BOOL:${CMAKE_LIBRARY_OUTPUT_DIRECTORY}>,${CMAKE_LIBRARY_OUTPUT_DIRECTORY},${CMAKE_CURRENT_BINARY_DIR}>/${avx512_dir})
add_dependencies(gradus gradus_avx512)
list(APPEND libraries gradus_avx512)
