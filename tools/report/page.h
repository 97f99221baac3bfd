// The texts that report.html is made of: files of this folder, embedded when the tool is built (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace gradus::tools {

extern const std::string_view page_html;  ///< the frame, with {{style}}, {{metrics}} and {{script}}
extern const std::string_view page_css;
extern const std::string_view scales_js, charts_js, page_js;  ///< one script in three parts, in this order

}  // namespace gradus::tools
