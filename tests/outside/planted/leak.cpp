// Planted: an Array that nobody gives back. LeakSanitizer must say so.
#include <gradus/core/array.h>

int main() {
  [[maybe_unused]] gradus::Array* volatile forgotten = new gradus::Array(gradus::Shape{1000});
  forgotten = nullptr;
}
