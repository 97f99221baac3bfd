// Trajectories of the element and layer rules and of all dialects against libraries and papers: what each reference is says
// tests/vectors/make_element_vectors.py, its version in the vectors' metadata.
#include <gradus/tests/helpers/optim.h>

#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>

using namespace optim_testing;

namespace {

const std::vector<int> kept_steps{1, 2, 3, 10, 100};

/// One entry of the vectors: "SPEC|KIND|DTYPE", where SPEC may end in "#average".
struct Case {
  std::string spec, kind, state;
  Dtype dtype;
  Shape shape;
  Array expected;
};

/// The first numbers of a vector of numbers, in another shape.
Array first_numbers(const Array& a, const Shape& shape, Dtype dtype) {
  return a.slice(0, 0, shape.size()).contiguous().reshape(shape).to(dtype);
}

Case read(const std::string& key, const Array& expected) {
  const auto bar = key.find('|'), second = key.find('|', bar + 1), mark = key.find('#');
  Case c{key.substr(0, std::min(bar, mark)),
         key.substr(bar + 1, second - bar - 1),
         "",
         key.substr(second + 1) == "f64" ? f64 : f32,
         expected.shape().erase(0),
         expected};
  if (mark < bar) c.state = key.substr(mark + 1, bar - mark - 1);
  return c;
}

/// The parameter, or the state named in the case, after each of kept_steps.
std::vector<Array> run(const Case& c, const std::map<std::string, Array>& all) {
  const bool from_zero = c.kind == "tiny";
  const Tensor w = leaf(from_zero ? Array::zeros(c.shape, c.dtype) : first_numbers(all.at("start"), c.shape, c.dtype));
  const Array& grads = all.at("gradients/" + (c.kind == "scheduled" ? "random" : c.kind));
  auto opt = optim::make(c.spec, std::vector<Tensor>{w});
  const double lr = opt.lr();
  if (c.kind == "scheduled") opt.schedule("lr", [lr](int64_t t) { return lr / std::sqrt(static_cast<double>(t + 1)); });
  std::vector<Array> kept;
  for (int t = 1; t <= kept_steps.back(); ++t) {
    w.set_grad(first_numbers(grads.select(0, t - 1), c.shape, c.dtype));
    opt.step();
    if (std::find(kept_steps.begin(), kept_steps.end(), t) == kept_steps.end()) continue;
    if (c.state.empty()) kept.push_back(w.array().copy());
    for (const auto& [name, a] : opt.state_dict())
      if (!c.state.empty() && name == opt.rule().name() + "/" + c.state + "/0") kept.push_back(a);
  }
  return kept;
}

/// A cell in which a rounding grows beyond 1e-11 or 1e-5: what it stays below, and why it grows. The first three steps must
/// be as near as anywhere else.
struct Loose {
  double bound;
  const char* why;
};
constexpr const char* feedback = "gradients below eps: decay and step feed on each other from rounding upwards";
const std::map<std::string, Loose> ill_conditioned{
    {"rmsprop(lr=0.02, alpha=0.9, eps=0.01, centered=true, dialect=optax)|constant|f32",
     {1e-4, "a constant gradient: v and mean^2 meet, and their difference is all rounding"}},
    {"adamax|huge|f32", {2e-5, "a single number that passes through 0: the error is relative to what is left of it"}},
    {"nadamw|tiny|f32", {2e-5, "a single number that passes through 0"}},
    {"adopt(lr=0.01, beta2=0.99, weight_decay=0.1)|tiny|f64", {1e-7, feedback}},
    {"adopt(lr=0.01, beta2=0.99, weight_decay=0.1)|tiny|f32", {0.5, feedback}},
    {"amsgrad(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-6, weight_decay=0.1)|tiny|f32", {1e-4, feedback}},
    {"madgrad(lr=0.05, momentum=0.5, weight_decay=0.1, eps=1e-4)|tiny|f32", {2e-5, feedback}},
    {"radam(lr=0.01, weight_decay=0.1)|tiny|f32", {2e-4, feedback}},
};

/// FTRL with l1 above all that gradients of 1e-12 add up to: exactly 0, and that is what is checked.
bool stays_at_zero(const Case& c) {
  return c.kind == "tiny" && c.spec.starts_with("ftrl") && c.spec.find("l1=") != c.spec.npos;
}

}  // namespace

TEST_CASE("element and layer rules and dialects follow their references") {
  std::map<std::string, Array> all;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/elements.safetensors").tensors) all[name] = a;
  std::map<std::string, std::array<double, 2>> worst;
  int cases = 0;
  for (const auto& entry : all) {
    const std::string& key = entry.first;
    const Array& expected = entry.second;
    if (key.find('|') == key.npos) continue;
    const Case c = read(key, expected);
    const auto got = run(c, all);
    REQUIRE(got.size() == kept_steps.size());
    if (stays_at_zero(c)) {
      for (const Array& w : got) CHECK(same_bits(w, Array::zeros(c.shape, c.dtype)));
      continue;
    }
    CHECK_MESSAGE(error(got.back(), got.front()) > 0, key, " does not move: nothing is compared");
    const double usual = c.dtype == f64 ? 1e-11 : 1e-5;
    const auto loose = ill_conditioned.find(key);
    double largest = 0;
    for (std::size_t k = 0; k < got.size(); ++k) {
      const double e = error(got[k], expected.select(0, static_cast<int64_t>(k)));
      const double bound = loose != ill_conditioned.end() && kept_steps[k] > 3 ? loose->second.bound : usual;
      CHECK_MESSAGE(e <= bound, key, " after step ", kept_steps[k], " error ", e);
      largest = std::max(largest, e);
    }
    if (loose != ill_conditioned.end()) {
      CHECK_MESSAGE(largest > usual / 10, key, " is listed without need");
    } else {
      auto& w = worst[c.spec.substr(0, c.spec.find('('))][c.dtype == f32];
      w = std::max(w, largest);
    }
    ++cases;
  }
  std::string table;
  for (const auto& [name, e] : worst) table += join("\n  ", name, " ", text(e[0]), " ", text(e[1]));
  CHECK(cases > 1400);
  MESSAGE(cases << " trajectories; worst error per rule, f64 and f32:" << table);
}
