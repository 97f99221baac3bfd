#include <gradus/core/error.h>
#include <gradus/core/io/fill_template.h>

#include <algorithm>

namespace gradus {

std::string fill_template(std::string_view text,
                          std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string filled;
  for (;;) {
    const std::size_t open = text.find("{{");
    filled += text.substr(0, open);
    if (open == text.npos) return filled;
    const std::size_t close = text.find("}}", open);
    const std::string_view name = text.substr(open + 2, close == text.npos ? close : close - open - 2);
    const auto value = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == name; });
    if (close == text.npos || value == values.end())
      throw DataError("fill_template", join("the text has a gap {{", name.substr(0, 40), "}} for which there is no value"));
    filled += value->second;
    text.remove_prefix(close + 2);
  }
}

}  // namespace gradus
