# A build from cold costs what reading the headers costs, and what optimising costs. So the files of a room are compiled
# some at a time (GRADUS_UNITY; a "unity build"), and where it makes no difference with less effort than -O3: -O1 with what
# the loops of the rules need (docs/building.md has the figures). CMake's own unity builds leave out files with flags.
set(lightly "$<$<CONFIG:Release>:-O1>")
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  foreach(pass IN ITEMS inline-functions inline-small-functions unswitch-loops gcse tree-pre)
    list(APPEND lightly "$<$<CONFIG:Release>:-f${pass}>")
  endforeach()
endif()

# gradus_compile(NAME SIZE FLAGS FILE ...): the files, SIZE at a time, with these flags, as sources of the `libraries`.
function(gradus_compile name size flags)
  set(units ${ARGN})
  if(GRADUS_UNITY)
    set(units "")
    set(text "")
    set(taken 0)
    list(LENGTH ARGN all)
    foreach(file IN LISTS ARGN)
      string(APPEND text "#include <gradus/${file}>\n")
      math(EXPR taken "${taken} + 1")
      math(EXPR left "${taken} % ${size}")
      if(left EQUAL 0 OR taken EQUAL all)
        set(unit ${CMAKE_CURRENT_BINARY_DIR}/batches/${name}_${taken}.cpp)
        file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
        list(APPEND units ${unit})
        set(text "")
      endif()
    endforeach()
    # g++ warns of an unnamed namespace in any file that is included, clang takes names of two files of a batch for shadows
    # (scripts/lint --files asks clang of each file by itself).
    list(APPEND flags $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage> $<$<CXX_COMPILER_ID:Clang>:-Wno-shadow>)
  endif()
  set_source_files_properties(${units} PROPERTIES COMPILE_OPTIONS "${flags}")
  foreach(library IN LISTS libraries)
    target_sources(${library} PRIVATE ${units})
  endforeach()
endfunction()
