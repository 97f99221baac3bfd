// Optimizer states that were changed after they were saved, or never were one: refused by name, with nothing changed.
#include <doctest/doctest.h>
#include <gradus/core/warning.h>
#include <gradus/optim/averaged.h>
#include <gradus/tests/helpers/optim.h>

#include <functional>

using namespace optim_testing;

namespace {

Optimizer trained(const std::string& spec, Dtype dtype = f64) {
  auto opt = optim::make(spec, leaves({{3, 2}, {4}}, dtype));
  for (int t = 1; t <= 5; ++t) step_with(opt, t);
  return opt;
}

Array& entry(NamedArrays& state, const std::string& name) {
  for (auto& [n, a] : state)
    if (n == name) return a = a.copy();
  FAIL("no ", name);
  return state[0].second;
}

NamedArrays without(NamedArrays state, const std::string& name) {
  std::erase_if(state, [&](const auto& e) { return e.first == name; });
  return state;
}

template <class T> void put(NamedArrays& state, const std::string& name, int64_t place, T value) {
  entry(state, name).template write<T>("test")[place] = value;
}

/// The JSON value of a state, changed in one place; without checksums, or it would be refused for the change alone.
NamedArrays with_json(NamedArrays state, const std::string& part, const std::string& other) {
  std::erase_if(state, [](const auto& e) { return e.first == "optimizer/checksums"; });
  std::string json;
  Array& a = entry(state, "optimizer/state");
  for (int64_t i = 0; i < a.size(); ++i) json += static_cast<char>(a.element(i));
  const auto at = json.find(part);
  REQUIRE_MESSAGE(at != json.npos, json);
  json.replace(at, part.size(), other);
  a = Array::of<std::uint8_t>({static_cast<int64_t>(json.size())}, {json.begin(), json.end()});
  return state;
}

/// Refused with both parts in the message, and nothing changed.
void refused(const std::string& spec, const NamedArrays& state, const std::string& a, const std::string& b = {}) {
  auto opt = trained(spec);
  const auto before = opt.state_dict();
  const auto load = [&] { opt.load_state_dict(state); };
  CHECK_MESSAGE(refuses<OptimError>(load, a), spec);
  CHECK_MESSAGE(refuses<OptimError>(load, b), spec);
  CHECK(same_bits(opt.state_dict(), before));
}

}  // namespace

TEST_CASE("numbers that have changed since a state was saved are refused by name") {
  const std::string spec = "adam(lr=0.01)";
  const auto saved = trained(spec).state_dict();
  const auto changed = [&](const std::string& name, auto change) {
    NamedArrays state = saved;
    change(state);
    refused(spec, state, "not as it was saved", name);
  };
  changed("adam/v/a", [](auto& s) { put(s, "adam/v/a", 3, -1.0); });
  changed("adam/m/b", [](auto& s) { put(s, "adam/m/b", 0, std::nan("")); });
  changed("adam/step/a", [](auto& s) { put(s, "adam/step/a", 1, 2.0); });
  for (int bit = 0; bit < 8; ++bit)
    for (int64_t place : {0, 5, 11, 20})
      changed("optimizer/state", [&](auto& s) {
        const auto was = static_cast<std::uint8_t>(entry(s, "optimizer/state").element(place));
        put(s, "optimizer/state", place, static_cast<std::uint8_t>(was ^ 1 << bit));
      });
}

TEST_CASE("counts that count nothing are refused by name, also without checksums") {
  const std::string spec = "accumulate(2) | adam(lr=0.01)";
  const auto saved = trained(spec).state_dict();
  struct Count {
    std::string name, key, value;
  };
  for (const auto& [name, key, value] : {Count{"steps", "\"steps\":", "2"},
                                         {"parameter_steps/a", "\"a\":", "2"},
                                         {"parameter_steps/b", "\"b\":", "2"},
                                         {"stages/accumulate/count", "\"count\":", "1"}})
    for (const std::string n : {"-7", "-0.5", "2.5", "1e+300", "\"2\"", "true", "[2]"})
      refused(spec, with_json(saved, key + value, key + n), join(name, " is ", n, ", which counts nothing"));
  refused(spec, with_json(saved, "\"count\":1", "\"count\":2"), "accumulate/count is 2 of 2 calls");
  const auto prodigy = trained("prodigy").state_dict();
  refused("prodigy", with_json(prodigy, "\"prodigy\":5", "\"prodigy\":-1"), "rule_steps/prodigy is -1");
  auto opt = trained(spec);
  CHECK_NOTHROW(opt.load_state_dict(without(saved, "optimizer/checksums")));  // a state without checksums is believed
}

TEST_CASE("a state of another version, and a JSON value that cannot be read, are refused by name") {
  const std::string spec = "clip_norm(1) | adam(lr=linear(0.01, total=9))";
  auto opt = trained(spec);
  opt.group("b", "lr=0.5");
  const auto saved = opt.state_dict();
  CHECK_NOTHROW(opt.load_state_dict(saved));
  const auto refuses_change = [&](const std::string& part, const std::string& other, const std::string& message) {
    CHECK(refuses<OptimError>([&] { opt.load_state_dict(with_json(saved, part, other)); }, message));
    CHECK(same_bits(opt.state_dict(), saved));
  };
  refuses_change("\"version\":2", "\"version\":3", "the state is of version 3, this library reads version 2");
  refuses_change("\"version\":2", "\"version\":-1", "version is -1, which counts nothing");
  refuses_change("{", "[", "optimizer/state cannot be read: not valid JSON");
  refuses_change("\"own\":[\"lr\"]", "\"own\":1", "the state's groups cannot be read");
  refuses_change("\"spec\":\"clip", "\"spec\":7,\"x\":\"clip", "the state's spec cannot be read");
  refuses_change("\"steps\":5", "\"steps\":5,\"more\":{\"of\":1}", "unexpected: more/of");
  refuses_change("\"parameter_steps\":{\"a\":5", "\"parameter_steps\":{\"z\":5", "missing: parameter_steps/a");
  const NamedArrays old{{"optimizer/options", Array::of<std::uint8_t>({1}, {'a'})}};
  CHECK(refuses<OptimError>([&] { opt.load_state_dict(old); }, "the state is of version 1"));
}

TEST_CASE("names given twice, no options, unreadable ones, an array lost") {
  const std::string spec = "adam(lr=0.01)";
  const auto saved = trained(spec).state_dict();
  for (const std::string name : {"adam/m/a", "adam/step/b", "optimizer/state", "optimizer/checksums"}) {
    NamedArrays state = saved;
    state.emplace_back(name, entry(state, name));
    refused(spec, state, "given twice", name);
  }
  NamedArrays state = without(saved, "optimizer/checksums");
  entry(state, "optimizer/state") = Array::of<std::uint8_t>({0}, {});
  refused(spec, state, "optimizer/state cannot be read: not valid JSON: a value was expected");
  refused(spec, without(saved, "adam/m/a"), "missing: adam/m/a");
  state = saved;
  state.emplace_back("adam/m/z", Array::ones({2}));
  refused(spec, state, "unexpected: adam/m/z");
}

TEST_CASE("a file with one bit flipped anywhere in the numbers is refused") {
  auto opt = trained("sgd(lr=0.01, momentum=0.9)");
  const auto saved = opt.state_dict();
  for (const auto& item : saved) {
    const std::string& name = item.first;
    const Array& a = item.second;
    const auto bytes = a.size() * static_cast<int64_t>(bytes_of(a.dtype()));
    for (int64_t byte = 0; byte < bytes; byte += 7) {
      NamedArrays state = saved;
      const_cast<char*>(entry(state, name).bytes())[byte] ^= 4;
      CHECK_MESSAGE(refuses<OptimError>([&] { opt.load_state_dict(state); }, ""), name, " ", byte);
    }
  }
  CHECK(same_bits(opt.state_dict(), saved));
}

TEST_CASE("what is saved can be loaded: odd patterns, NaN moments, every rule") {
  for (const std::string pattern : {"a\tb*", "a\nb*", "a\\tb*", "a\\*", "*\t*\n*"}) {
    NamedTensors parameters;
    for (const std::string name : {"a\tb", "a\nb", "a\\tb", "a\\", "x\ty\nz"})
      parameters.emplace_back(name, leaf(numbers({2}, 1)));
    auto opt = optim::make("adam(lr=0.01)", parameters), other = optim::make("adam(lr=0.01)", parameters);
    opt.group(pattern, "lr=0.5"), other.group(pattern, "lr=0.5");
    step_with(opt, 1);
    const auto state = opt.state_dict();
    CHECK_NOTHROW_MESSAGE(other.load_state_dict(state), pattern);
    CHECK(same_bits(other.state_dict(), state));
  }
  auto opt = trained("adam(lr=0.01)");
  opt.parameters()[0].second.set_grad(Array::full({3, 2}, std::nan(""), f64));
  {
    const NoWarnings on_purpose;
    opt.step();
  }
  auto other = trained("adam(lr=0.01)");
  CHECK_NOTHROW(other.load_state_dict(opt.state_dict()));
  CHECK(same_bits(other.state_dict(), opt.state_dict()));
}

TEST_CASE("an average's counts are checked, too") {
  auto parameters = leaves({{2}});
  auto average = optim::Averaged::equal(parameters);
  average.update();
  const auto saved = average.state_dict();
  for (const double n : {-1.0, 1e18}) {
    NamedArrays state = saved;
    entry(state, "average/updates") = Array::full({}, n, i64);
    CHECK(refuses<OptimError>([&] { average.load_state_dict(state); }, "\"average/updates\" is i64[]"));
  }
  NamedArrays state = saved;
  entry(state, "average/swapped") = Array::full({}, 2, i64);
  CHECK(refuses<OptimError>([&] { average.load_state_dict(state); }, "which it cannot be"));
  state = saved;
  state.push_back(state[0]);
  CHECK(refuses<OptimError>([&] { average.load_state_dict(state); }, "twice"));
  CHECK(same_bits(average.state_dict(), saved));
}

TEST_CASE("a hostile spec is shown around its mistake, not as a whole") {
  const std::string million(1000000, 'a');
  for (const std::string& spec :
       {"adam(lr=0.1, " + million + "=3)", million, "adam(" + std::string(1000000, ' ') + "lr=)", "sgd(lr=" + million + ")",
        million + " | sgd", "sgd(lr=0.1) " + million, std::string(1000000, '(')})
    try {
      optim::make(spec, leaves({{2}}));
      FAIL("accepted");
    } catch (const Error& e) {
      CHECK(std::string(e.what()).size() < 2000);
      CHECK(std::string(e.what()).find('^') != std::string::npos);
    }
}
