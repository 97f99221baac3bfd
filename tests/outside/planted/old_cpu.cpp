// For old_cpu_test.sh. The initialiser below uses the widest registers of the build; it must not run before the check.
#include <gradus/core/array.h>

#include <cstdio>

namespace {

double early() {
  gradus::Array a = gradus::Array::ones(gradus::Shape{4096});
  const float* x = a.data<float>();
  float sum = 0;
  for (int i = 0; i < 4096; i += 8)
    for (int k = 0; k < 8; ++k) sum += x[i + k] * x[i + k];
  return static_cast<double>(sum);
}
const double sum_of_squares = early();

}  // namespace

int main() {
  std::printf("sum of squares: %g\n", sum_of_squares);
  return sum_of_squares > 4095 && sum_of_squares < 4097 ? 0 : 1;
}
