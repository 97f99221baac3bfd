// The texts that pages of figures are made of: files of this folder, embedded when the library is built (cmake/embed.cmake).
#pragma once

#include <string>
#include <string_view>

namespace gradus::training {

extern const std::string_view page_css;
extern const std::string_view scales_js, charts_js, figures_js;  ///< one script with the page's own behind it, in this order

/// JSON that can stand in a script element, and means the same: nothing in it ends the element or a line of JavaScript.
std::string for_script_element(std::string_view json);

}  // namespace gradus::training
