// The texts of report.html that are its own: files of this folder, embedded when the tool is built (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace gradus::tools {

extern const std::string_view page_html;  ///< the frame, with {{style}}, {{metrics}} and {{script}}
extern const std::string_view page_js;    ///< behind the script that it shares with other pages (train/report/texts.h)

}  // namespace gradus::tools
