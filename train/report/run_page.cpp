#include <gradus/core/error.h>
#include <gradus/core/io/fill_template.h>
#include <gradus/train/internal/run_page.h>
#include <gradus/train/report/texts.h>

namespace gradus::training {

// In JSON these bytes occur only inside strings, where \uXXXX means the same. Without '<' the text can neither close the
// script element nor open a comment in it; U+2028 and U+2029 would end a line of JavaScript.
std::string for_script_element(std::string_view json) {
  std::string safe;
  safe.reserve(json.size() + 64);
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string_view three = json.substr(i, 3);
    if (json[i] == '<') safe += "\\u003c";
    else if (json[i] == '>') safe += "\\u003e";
    else if (json[i] == '&') safe += "\\u0026";
    else if (three == "\xE2\x80\xA8") safe += "\\u2028", i += 2;
    else if (three == "\xE2\x80\xA9") safe += "\\u2029", i += 2;
    else safe += json[i];
  }
  return safe;
}

std::string run_page(const JsonValue& run) {
  return fill_template(run_html, {{"style", page_css},
                                  {"run", for_script_element(to_string(run))},
                                  {"script", join(scales_js, charts_js, figures_js, run_js)}});
}

}  // namespace gradus::training
