// The printed equations are the rule: read back as a program they follow the references, and with one operator, constant,
// order or name in them changed they do not. So the vectors see every part of a rule's text, and the equations are true.
//
// Which mutants there are follows from the equations: one is a change of one place in one line of a rule, and it is caught
// if some spec that prints this line catches it. All stand in tests/optim/mutants/rules.txt, as GRADUS_MUTANTS=FILE writes
// them; those that no trajectory can tell from the rule in tests/optim/mutants/equivalent.txt, each with its reason.
#include <gradus/tests/helpers/optim.h>
#include <gradus/tests/helpers/printed_equations.h>
#include <gradus/tests/helpers/sanitized.h>

#include <gradus/core/io/safetensors.h>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

using namespace optim_testing;
using namespace printed_equations;

namespace {

// ---- mutants -----------------------------------------------------------------------------------------------------

struct Mutant {
  std::string what;  // the line, the place in it, the change
  std::size_t node;
  Term becomes;
};

std::string name_at(const Program& p, std::size_t place) {
  for (const auto& [name, at] : p.places)
    if (at == place) return name;
  return "?";
}

/// Lines whose value reaches what is compared.
std::vector<const Line*> live_lines(const Program& p, const std::string& watched) {
  std::set<std::size_t> wanted{p.places.at(watched), p.places.at(watched + "_old")};
  std::set<const Line*> live;
  auto want = [&](auto&& self, std::size_t n) -> void {
    if (p.nodes[n].op == "name") wanted.insert(p.nodes[n].place);
    for (const std::size_t in : p.nodes[n].in) self(self, in);
  };
  for (std::size_t before = 1; before != live.size() + wanted.size();) {
    before = live.size() + wanted.size();
    for (const Section& section : p.sections)
      for (const Line& line : section.lines)
        if (wanted.count(line.target) || wanted.count(line.old)) live.insert(&line), want(want, line.value);
    for (const char* name : {"w", "g", "measured", "direction"}) {  // a norm needs the numbers
      const auto norm = p.places.find("|" + std::string(name) + "|");
      if (norm != p.places.end() && wanted.count(norm->second)) wanted.insert(p.places.at(name));
    }
  }
  std::vector<const Line*> all;
  for (const Section& section : p.sections)
    for (const Line& line : section.lines)
      if (live.count(&line)) all.push_back(&line);
  return all;
}

/// Changes of one node by operator: sign (+ and -, a lost minus), operator (* and /, max and min, a lost function, <), order
/// (of what does not commute), constant, index (the name before it in the alphabet, its value before this line).
void add_mutants(const Program& p, const std::set<std::string>& atoms, const Line& line, std::size_t n, int& index,
                 std::vector<Mutant>& all) {
  static const std::map<std::string, std::string> swap{{"+", "-"},      {"-", "+"},      {"*", "/"},
                                                       {"/", "*"},      {"max", "min"},  {"min", "max"},
                                                       {" < ", " >= "}, {" > ", " <= "}, {" = ", " > "}};
  static const std::set<std::string> lost{"sqrt", "cbrt", "abs", "sign", "exp", "log", "negate"}, ordered{"-", "/", "^"};
  const Term e = p.nodes[n];
  const int here = index++;
  auto add = [&](const std::string& what, Term becomes) {
    all.push_back({join(line.text, "  #", here, " ", what), n, std::move(becomes)});
  };
  auto with = [&](auto change) {
    Term m = e;
    change(m);
    return m;
  };
  if (const auto s = swap.find(e.op); s != swap.end())
    add("'" + e.op + "' -> '" + s->second + "'", with([&](Term& m) { m.op = s->second; }));
  if (lost.count(e.op)) add(e.op + " lost", with([&](Term& m) { m.op = "same"; }));
  if (ordered.count(e.op) || e.op == "select")
    add("operands of '" + e.op + "' swapped", with([&](Term& m) { std::swap(m.in[m.in.size() - 2], m.in.back()); }));
  if (e.op == "number") {
    const double other = e.number == 0 ? 1 : e.number * 1.5;
    add(join(text(e.number), " -> ", text(other)), with([&](Term& m) { m.number = other; }));
  }
  if (e.op == "name") {
    const std::string name = name_at(p, e.place);
    if (auto other = atoms.find(name); other != atoms.end() && atoms.size() > 1) {
      other = std::prev(other == atoms.begin() ? atoms.end() : other);
      add(name + " -> " + *other, with([&](Term& m) { m.place = p.places.at(*other); }));
    }
    if (const auto old = p.places.find(name + "_old"); old != p.places.end() && !name.ends_with("_old"))
      add(name + " -> its value before", with([&](Term& m) { m.place = old->second; }));
  }
  for (const std::size_t in : e.in) add_mutants(p, atoms, line, in, index, all);
}

std::vector<Mutant> mutants_of(const Program& p, const std::set<std::string>& atoms, const std::string& watched) {
  std::vector<Mutant> all;
  for (const Line* line : live_lines(p, watched)) {
    int index = 0;
    add_mutants(p, atoms, *line, line->value, index, all);
  }
  return all;
}

// ---- trajectories ------------------------------------------------------------------------------------------------

struct Run {
  std::string kind, watched;
  bool from_zero;
  Array gradients, start, expected;
  std::size_t size() const { return static_cast<std::size_t>(expected.size() / 5); }
};

/// The largest distance to the reference, relative; stops at the first that is above `enough`.
double distance(const Program& p, const Optimizer& opt, const std::vector<Run>& runs, double enough) {
  double worst = 0;
  for (const Run& run : runs) {
    Machine m(p, run.size());
    for (const auto& o : opt.rule().options()) m.set(o.name, o.value);
    for (const auto& v : opt.rule().first_step()) m.set(v.name, v.value);
    for (const auto& s : opt.rule().slots()) m.set(s.name, s.initial);
    Column w;
    for (std::size_t i = 0; i < run.size(); ++i) w.push_back(run.from_zero ? 0 : run.start.element(static_cast<int64_t>(i)));
    m.set("w", w);
    std::size_t kept = 0;
    for (int t = 1; t <= 100; ++t) {
      Column g;
      for (std::size_t i = 0; i < run.size(); ++i) g.push_back(run.gradients.at({t - 1, static_cast<int64_t>(i)}));
      m.set("g", g);
      m.set("t", t);
      if (run.kind == "scheduled") m.set("lr", opt.lr() / std::sqrt(static_cast<double>(t)));
      m.step();
      if (t > 3 && t != 10 && t != 100) continue;
      const Array expected = run.expected.select(0, static_cast<int64_t>(kept++)).contiguous();
      const double e = error(Array::of<double>(expected.shape(), m.get(run.watched)), expected);
      worst = std::max(worst, std::isfinite(e) ? e : 1.0);
      if (worst > enough) return worst;
    }
  }
  return worst;
}

std::map<std::string, std::string> equivalents() {
  std::map<std::string, std::string> all;
  std::ifstream file(GRADUS_SOURCE_DIR "/tests/optim/mutants/equivalent.txt");
  for (std::string line; std::getline(file, line);)
    if (const auto bar = line.find(" | "); !line.empty() && line[0] != '#' && bar != line.npos)
      all[line.substr(0, bar)] = line.substr(bar + 3);
  return all;
}

/// The trajectories in f64 of one file of vectors, by spec.
void add_runs(const char* file, bool tiny_from_zero, std::map<std::string, std::vector<Run>>& specs) {
  std::map<std::string, Array> all;
  for (auto& [name, a] : load_safetensors(GRADUS_SOURCE_DIR "/tests/vectors/" + std::string(file)).tensors) all[name] = a;
  for (const auto& [name, expected] : all) {
    const auto bar = name.find('|'), mark = name.find('#');
    if (bar == name.npos || !name.ends_with("|f64") || name.starts_with("muon") || name.starts_with("lbfgs")) continue;
    if (name == "adopt(lr=0.01, beta2=0.99, weight_decay=0.1)|tiny|f64") continue;  // all rounding: optim_elements_test.cpp
    const std::string kind = name.substr(bar + 1, name.size() - bar - 5);
    const std::string watched = mark < bar ? name.substr(mark + 1, bar - mark - 1) : "w";
    specs[name.substr(0, std::min(bar, mark))].push_back({kind, watched, tiny_from_zero && kind == "tiny",
                                                          all.at("gradients/" + (kind == "scheduled" ? "random" : kind)),
                                                          all.at("start"), expected});
  }
}

struct Fate {
  bool caught = false;
  std::string survived_in;
};

}  // namespace

TEST_CASE("printed equations are the rule, and no mutant of them is") {
  std::map<std::string, std::vector<Run>> specs;
  add_runs("optim.safetensors", false, specs);
  add_runs("elements.safetensors", true, specs);
  std::map<std::string, Fate> fates;
  int nth = 0;
  for (const auto& entry : specs) {
    if (nth++ % gradus::testing::sampled_every != 0) continue;
    const std::string& spec = entry.first;
    const std::vector<Run>& runs = entry.second;
    CAPTURE(spec);
    const auto opt = optim::make(spec, std::vector<Tensor>{leaf(Array::zeros({1}, f64))});
    const std::string watched = runs.back().watched;
    Program p;
    Reader(p).read(opt.equations());
    const double plain = distance(p, opt, runs, 1);
    CHECK_MESSAGE(plain <= 1e-10, "the equations are ", plain, " from the reference:\n", opt.equations());
    std::set<std::string> atoms{"g", "w"};
    for (const auto& o : opt.rule().options())
      if (p.places.count(o.name)) atoms.insert(o.name);
    for (const auto& s : opt.rule().slots())
      if (s.kept && p.places.count(s.name)) atoms.insert(s.name);
    for (const Mutant& mutant : mutants_of(p, atoms, watched)) {
      Fate& fate = fates[opt.rule().name() + ": " + mutant.what];
      if (fate.caught) continue;
      Program changed = p;
      changed.nodes[mutant.node] = mutant.becomes;
      fate.caught = distance(changed, opt, runs, 1e-9) > 1e-9;
      fate.survived_in = spec;
    }
  }

  if (gradus::testing::sanitized) return;  // the list is that of all specs
  const auto known = equivalents();
  std::map<std::string, std::string> lines;
  int caught = 0, equivalent = 0, survived = 0;
  for (const auto& entry : fates) {
    const std::string& key = entry.first;
    const Fate& fate = entry.second;
    const bool is_known = known.count(key) > 0;
    CHECK_MESSAGE(!(fate.caught && is_known), key, " is listed as equivalent and was caught");
    ++(fate.caught ? caught : is_known ? equivalent : survived);
    if (!fate.caught && !is_known) MESSAGE("survived in " << fate.survived_in << ":  " << key);
    lines[key.substr(0, key.find("  #"))] += (fate.caught ? "  "
                                              : is_known  ? "  EQUIVALENT "
                                                          : "  SURVIVED ") +
                                             key.substr(key.find("  #") + 2);
  }
  std::string list;
  for (const auto& [line, changes] : lines) list += line + "\n " + changes + "\n";
  if (const char* file = std::getenv("GRADUS_MUTANTS")) std::ofstream(file) << list;
  std::ifstream committed(GRADUS_SOURCE_DIR "/tests/optim/mutants/rules.txt");
  CHECK_MESSAGE(
      list == std::string(std::istreambuf_iterator<char>(committed), {}),
      "tests/optim/mutants/rules.txt is another list; write it anew with GRADUS_MUTANTS=tests/optim/mutants/rules.txt");
  for (const auto& entry : known) CHECK_MESSAGE(fates.count(entry.first), "no such mutant: ", entry.first);
  MESSAGE(caught << " mutants caught, " << equivalent << " equivalent, " << survived << " survived, in " << specs.size()
                 << " specs");
  CHECK(caught >= 0.95 * (caught + survived));
  CHECK(caught > 1000);
}
