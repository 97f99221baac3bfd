# ccache, where there is one. It does not know what -march=native means on which machine, so it is told; and a
# precompiled header is compared by what it was made of.
find_program(CCACHE ccache)
if(PROJECT_IS_TOP_LEVEL AND CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_EXTRAFILES=${needs_dir}/macros.txt
    CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
