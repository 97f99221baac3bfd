// What the drawings of a tape write into a box.
#pragma once

#include <gradus/autograd/inspect/draw_tape.h>

namespace gradus::drawing {

std::string short_number(double x);        ///< three digits
std::string duration(double seconds);      ///< "12 µs"; "?" for NaN
std::string title(const DrawnLine& d);     ///< the op, or the leaf's name
std::string times(const DrawnLine& d);     ///< "forward 3.1 µs · back 12 µs", as far as known

}  // namespace gradus::drawing
