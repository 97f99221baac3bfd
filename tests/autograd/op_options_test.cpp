// Every integer option of every op, at the edges of what an integer may be: refused with a typed error, or right; within 64
// MB and a second each, gradients included. An op that stands in neither list of op_options.h fails the test.
#include <doctest/doctest.h>
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>
#include <gradus/core/parallel.h>
#include <gradus/tests/autograd/op_options.h>
#include <gradus/tests/helpers/child.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>

using namespace gradus;
using namespace gradus::testing;

namespace {

constexpr int64_t values[] = {std::numeric_limits<int64_t>::min(), -1, 0, 1, int64_t(1) << 31, int64_t(1) << 62,
                              std::numeric_limits<int64_t>::max()};

/// "[2,3]": the shape of what came back; "no": a typed refusal; "memory": a ResourceError.
std::string outcome(const OptionRow& row, int64_t value) {
  try {
    const Tensor y = row.call(value);
    if (y.requires_grad()) sum(y).backward();
    return to_string(y.shape());
  } catch (const ResourceError&) {
    return "memory";
  } catch (const Error&) {
    return "no";
  } catch (const std::exception& e) {
    return std::string("untyped: ") + e.what();
  }
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

TEST_CASE("child: every integer option" * doctest::skip()) {
  (void)sum(ones({1 << 20}));  // the pool's threads exist before memory is short
  if (!sanitized) limit_memory(64 << 20);
  for (const OptionRow& row : option_rows()) {
    std::string line;
    for (const int64_t value : values) {
      const double before = processor_seconds();
      line += (line.empty() ? "" : " ") + outcome(row, value);
      if (const double took = processor_seconds() - before; took > 1)
        std::printf("slow: %s, %s took %g s\n", row.op, row.option, took);
    }
    if (line != row.wanted) std::printf("other: %s, %s: %s\n", row.op, row.option, line.c_str());
  }
  std::printf("all done\n");
}

TEST_CASE("every integer option of every op: refused, or right, within 64 MB and a second") {
  const std::string said =
      run_child("child: every integer option", "ASAN_OPTIONS=max_allocation_size_mb=64:allocator_may_return_null=1");
  INFO(said);
  CHECK(said.find("all done") != std::string::npos);
  CHECK(said.find("slow: ") == std::string::npos);
  CHECK(said.find("other: ") == std::string::npos);
}

TEST_CASE("every op has rows for its integer options, or is known to have none") {
  std::set<std::string> known;
  for (const OptionRow& row : option_rows()) known.insert(row.op);
  for (const std::string& op : words(ops_without_options)) {
    INFO(op << " stands in both lists");
    CHECK(known.insert(op).second);
  }
  for (const OpInfo* op : all_ops()) {
    if (std::string_view(op->name).starts_with("planted")) continue;  // by other tests, to be found wrong
    INFO(std::string(op->name) << " is in no list of tests/autograd/op_options.h");
    CHECK(known.contains(op->name));
  }
}
