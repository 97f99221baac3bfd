// The parts of a drawing of a tape: the texts of a box, and the files around a drawing (cmake/embed.cmake).
#pragma once

#include <gradus/autograd/inspect/draw_tape.h>

#include <string_view>

namespace gradus::drawing {

std::string short_number(double x);     ///< three digits
std::string duration(double seconds);   ///< "12 µs"; "?" for NaN
std::string title(const DrawnNode& d);  ///< the op, or the leaf's name
std::string times(const DrawnNode& d);  ///< "forward 3.1 µs · back 12 µs", as far as known

extern const std::string_view tape_html;      ///< the page, with {{style}}, {{summary}}, {{drawing}} and {{times}}
extern const std::string_view tape_css;       ///< style of the drawing, which may stand alone
extern const std::string_view tape_page_css;  ///< style of the page around it

}  // namespace gradus::drawing
