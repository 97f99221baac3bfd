// Planted: a pointer kept past the Array's life. The block is not freed, it lies in the pool: only its poison can tell.
#include <gradus/core/array.h>

int main() {
  const float* volatile kept = nullptr;
  {
    gradus::Array a = gradus::Array::ones(gradus::Shape{10});
    kept = a.data<float>();
  }
  return kept[0] > 0 ? 0 : 1;
}
