#include <gradus/core/io/files.h>
#include <gradus/core/io/npy.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/commands.h>
#include <gradus/tools/replay/replay.h>
#include <gradus/tools/terminal/command_line.h>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include <memory>

namespace gradus::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* parameter = "p";

struct Inputs {
  Array start, gradients;
};

Inputs read_inputs(const ReplayOptions& o) {
  Inputs in{load_npy(o.params), load_npy(o.grads)};
  if (!is_real(in.start.dtype()))
    throw DataError(o.params, join("parameters must be f32 or f64, these are ", describe(in.start)));
  if (in.gradients.dtype() != in.start.dtype())
    throw DataError(o.grads, join("gradients must have the parameters' dtype: ", describe(in.gradients), " against ",
                                  describe(in.start)));
  if (in.gradients.rank() != in.start.rank() + 1 || !(in.gradients.shape().erase(0) == in.start.shape()))
    throw DataError(o.grads, join("gradients must be [T, *shape] of the parameters ", in.start.shape(), ", these are ",
                                  in.gradients.shape()));
  return in;
}

void append(Json& object, const std::vector<optim::NamedValue>& values, std::size_t element, std::size_t elements) {
  for (const auto& [name, value] : values) {
    Json& column = object[name];
    if (column.is_null()) column = std::vector<double>(elements);
    column[element] = value;
  }
}

/// Every named value of every element through the step that is about to be taken; elements in row-major order.
Json values_of_step(const optim::Optimizer& optimizer, std::int64_t elements) {
  Json once = Json::object(), before = Json::object(), shown = Json::object(), after = Json::object();
  std::int64_t t = optimizer.steps() + 1;
  for (std::int64_t i = 0; i < elements; ++i) {
    const auto e = optimizer.explain(parameter, i);
    if (i == 0) {
      t = e.t;
      for (const auto& [name, value] : e.once) once[name] = value;
    }
    const auto k = static_cast<std::size_t>(i), n = static_cast<std::size_t>(elements);
    append(before, e.values.before, k, n);
    append(shown, e.values.shown, k, n);
    append(after, e.values.after, k, n);
  }
  return {{"t", t}, {"once", once}, {"before", before}, {"shown", shown}, {"after", after}};
}

/// A call that stages hold back (they gather, or skip it) has no values, but a reason.
Json trace_step(const optim::Optimizer& optimizer, std::int64_t elements) {
  try {
    return values_of_step(optimizer, elements);
  } catch (const OptimError& e) {
    return {{"t", optimizer.steps() + 1}, {"held_back", e.what()}};
  }
}

void check_traceable(const optim::AnyRule& rule) {
  if (!rule.explains_elements())
    throw OptimError(rule.name(), "moves all numbers of a parameter together; no element has values to trace",
                     "leave out --trace");
}

/// Without links and dots, so that two spellings of one file are seen to be one.
std::string resolved(const std::string& path) {
  std::error_code failed;
  const auto p = std::filesystem::weakly_canonical(std::filesystem::absolute(path), failed);
  return failed ? path : p.string();
}

}  // namespace

int replay_command(const ReplayOptions& o) {
  if (!o.trace.empty() && resolved(o.trace) == resolved(o.out))
    throw SpecError("--trace", join("names the same file as --out, ", o.out, "; each needs its own"));
  const Inputs in = read_inputs(o);
  const Tensor p = leaf(in.start, parameter);
  optim::Optimizer optimizer = optim::make(o.optimizer, std::vector<Tensor>{p});
  if (optimizer.rule().needs_closure())
    throw OptimError(optimizer.rule().name(),
                     "needs a closure that computes the loss again; recorded gradients cannot serve it");
  if (!o.trace.empty()) check_traceable(optimizer.rule().moving());
  check_writable(o.out);
  if (!o.trace.empty()) check_writable(o.trace);
  Array trajectory(in.gradients.shape(), in.start.dtype());
  Json steps = Json::array();
  for (std::int64_t t = 0; t < in.gradients.shape()[0]; ++t) {
    p.set_grad(in.gradients.select(0, t).copy());
    if (!o.trace.empty()) steps.push_back(trace_step(optimizer, p.size()));
    optimizer.step();
    trajectory.select(0, t).assign(p.array(), "replay");
  }
  if (!o.trace.empty())
    write_atomically(o.trace, Json({{"optimizer", optimizer.spec()},
                                    {"shape", std::vector<std::int64_t>(p.shape().begin(), p.shape().end())},
                                    {"steps", steps}})
                                      .dump() +
                                  "\n");
  save_npy(o.out, trajectory);
  fmt::print("{}: {} steps of {}\n", o.out, in.gradients.shape()[0], optimizer.spec());
  return 0;
}

void add_replay_command(CLI::App& app, CommandLine& line) {
  auto* c = app.add_subcommand("replay", "Run an optimizer on given gradients and write the trajectory");
  const auto o = std::make_shared<ReplayOptions>();
  c->add_option("--optimizer", o->optimizer, "Spec, e.g. \"adam(lr=0.01)\"")->required();
  c->add_option("--params", o->params, ".npy, any shape, f32 or f64")->required();
  c->add_option("--grads", o->grads, ".npy, [T, *shape]")->required();
  c->add_option("--out", o->out, ".npy to write: parameters after each step, [T, *shape]")->required();
  c->add_option("--trace", o->trace, ".json to write: every named intermediate of every step");
  c->callback([o, &line] { line.result = replay_command(*o); });
}

}  // namespace gradus::tools
