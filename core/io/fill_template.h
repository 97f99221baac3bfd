// Templates: texts with named gaps, from which a program makes its pages.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace gradus {

/// The text with each {{name}} replaced by the value of that name, inserted as it is. Errors: DataError for a name in the
/// text that has no value.
std::string fill_template(std::string_view text,
                          std::initializer_list<std::pair<std::string_view, std::string_view>> values);

}  // namespace gradus
