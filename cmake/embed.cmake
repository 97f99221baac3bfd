# gradus_embed(TARGET NAMESPACE FILE ...): each text file (HTML, CSS, JavaScript) becomes a constant of the program:
# room/page.css is `extern const std::string_view page_css`, which a header of that room declares.
function(gradus_embed target namespace)
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} name)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded/${file}.cpp)
    file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"// Written by CMake from ${file}.
#include <string_view>
namespace ${namespace} {
extern const std::string_view ${name};
const std::string_view ${name} = R\"embedded(${text})embedded\";
}  // namespace ${namespace}
")
    target_sources(${target} PRIVATE ${source})
    set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
endfunction()
