// Planted: a write behind the padding of an Array. The block of the pool goes on there, so only its poison can tell.
#include <gradus/core/array.h>

int main() {
  gradus::Array a(gradus::Shape{10});
  float* volatile numbers = a.write<float>("planted");
  numbers[15] = 1;  // 40 bytes are padded to 64: still allowed
  numbers[16] = 1;
}
