#include <gradus/nn/layers/internal/check_input.h>

namespace gradus::nn {
namespace {

/// The middle of what(): without the op before it, the module path and the hint behind it.
std::string problem_of(const Error& e) {
  std::string s = e.what();
  const auto cut = [&s](const std::string& tail) {
    if (s.ends_with(tail)) s.resize(s.size() - tail.size());
  };
  if (!e.hint().empty()) cut("\n  try: " + e.hint());
  if (!e.module().empty()) cut(" [in module \"" + e.module() + "\"]");
  return s.substr(e.op().size() + 2);
}

}  // namespace

void throw_input(const ModuleBase& layer, const std::string& problem, const std::string& hint) {
  const std::string trail = ModuleCall::trail();
  throw ShapeError(layer.description(), trail.empty() ? problem : join(problem, "; the input came through ", trail), hint);
}

void throw_input(const ModuleBase& layer, const ShapeError& e, const std::string& hint) {
  throw_input(layer, problem_of(e), e.hint().empty() ? hint : e.hint());
}

void check_dtype(const ModuleBase& layer, const Tensor& x, Dtype wanted) {
  if (x.dtype() == wanted) [[likely]]
    return;
  if (is_real(x.dtype()))
    throw DtypeError(layer.description(),
                     join("the input is ", describe(x), ", the layer's numbers are ", wanted, "; they must agree"),
                     join("x.to(", wanted, ")"));
  throw DtypeError(layer.description(), join("the input is ", describe(x), "; this layer computes in ", wanted),
                   join("x.to(", wanted, ")", x.dtype() == u8 ? " / 255" : ""));
}

void check_positive(const char* layer, const char* name, int64_t value) {
  if (value < 1) throw ShapeError(layer, join(name, " must be at least 1, got ", value));
}

std::string by(Pair p) { return join(p.h, "x", p.w); }
std::string code(Pair p) { return p.h == p.w ? join(p.h) : join("{", p.h, ", ", p.w, "}"); }

}  // namespace gradus::nn
