// Every op in every layout, all samples, whole Jacobians: what tests/autograd/op_matrix_test.cpp does for some.
#include <gradus/tools/gradcheck/check_layouts.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <doctest/doctest.h>

using namespace gradus;
using namespace gradus::tools;

TEST_CASE("every op in every layout, thoroughly") {
  int samples = 0, undecided = 0;
  Figures all;
  for (const OpInfo* op : all_ops()) {
    const MatrixRow r = check_layouts(*op);
    CAPTURE(r.name);
    for (const auto& c : r.complaints) FAIL_CHECK(c);
    samples += r.samples(), undecided += r.undecided();
    all.add(r.figures);
  }
  MESSAGE(samples << " samples; first order " << all.first_order << ", second order " << all.second_order << ", f32 "
                  << all.f32 << "; " << undecided << " samples and " << all.inconclusive << " of " << all.draws
                  << " draws inconclusive");
  CHECK(100 * undecided <= samples);
  CHECK(100 * all.inconclusive <= all.draws);
}
