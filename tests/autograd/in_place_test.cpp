// Every way in which numbers can be overwritten, against every op whose backward pass looks at them: the backward must
// refuse, and name the op and the writer. Which op looks at what is not taken from a list but found out: numbers are changed
// behind the version's back, and if the gradient changes, they were needed.
#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/ops.h>
#include <gradus/nn/init.h>
#include <gradus/nn/module.h>
#include <gradus/optim/averaged.h>
#include <gradus/optim/optimizer.h>
#include <gradus/tools/gradcheck/run_sample.h>

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <set>

using namespace gradus;
using tools::Arrays;

namespace {

struct Holder : nn::Module<Holder> {
  nn::Parameter w;
  GRADUS_FIELDS(w)
  Tensor forward(const Tensor& x) { return x; }
};

/// A sample, run forward and waiting for its backward. Every real input is a module's parameter.
struct Waiting {
  std::vector<Holder> holders;
  std::vector<Tensor> x, y;

  explicit Waiting(const Sample& s) : holders(s.inputs.size()) {
    for (std::size_t k = 0; k < s.inputs.size(); ++k)
      if (is_real(s.inputs[k].dtype())) {
        holders[k].w = nn::Parameter(Tensor(s.inputs[k]));
        x.push_back(holders[k].named_parameters().at(0).second);
      } else {
        x.push_back(Tensor(s.inputs[k].copy()));
      }
    y = s.call(x);
  }
  Arrays backward() const {
    std::vector<Tensor> roots, seeds, leaves;
    for (const Tensor& t : y)
      if (t.requires_grad()) roots.push_back(t), seeds.push_back(Tensor(sample_values(t.shape(), -1, 1, 77)));
    for (const Tensor& t : x)
      if (t.is_leaf()) leaves.push_back(t);
    Arrays g;
    if (roots.empty()) return g;
    for (const Tensor& t : grad(roots, leaves, {.allow_unused = true}, seeds)) g.push_back(t.array());
    return g;
  }
  std::size_t targets() const { return x.size() + y.size(); }
  Tensor& target(std::size_t i) { return i < x.size() ? x[i] : y[i - x.size()]; }
};

/// Other numbers of the same kind: all of them changed, or NaN.
Array changed(const Array& a, bool nan) {
  Array b = a.copy();
  for (int64_t i = 0; i < b.size(); ++i) switch (b.dtype()) {
      case Dtype::f64: b.uninitialized<double>()[i] = nan ? std::nan("") : 1.7 - 0.6 * a.element(i); break;
      case Dtype::boolean: b.uninitialized<bool>()[i] = a.element(i) == 0; break;
      case Dtype::u8: b.uninitialized<std::uint8_t>()[i] = static_cast<std::uint8_t>(a.element(a.size() - 1 - i)); break;
      case Dtype::i64: b.uninitialized<int64_t>()[i] = static_cast<int64_t>(a.element(a.size() - 1 - i)); break;
      default: break;
    }
  return b;
}

/// Overwrites numbers as no API can: the version stays.
void overwrite_silently(const Array& a, const Array& with) {
  const auto bytes = bytes_of(a.dtype());
  for (int64_t i = 0; i < a.size(); ++i) {
    int64_t at = 0, rest = i;
    for (int k = a.rank(); k-- > 0; rest /= a.shape()[k]) at += rest % a.shape()[k] * a.stride(k);
    std::memcpy(const_cast<char*>(a.bytes()) + at * static_cast<int64_t>(bytes),
                with.bytes() + i * static_cast<int64_t>(bytes), bytes);
  }
}

bool needed(const Sample& s, std::size_t target) {
  const Arrays right = Waiting(s).backward();
  for (const bool nan : {false, true}) {
    Waiting w(s);
    overwrite_silently(w.target(target).array(), changed(w.target(target).array(), nan));
    try {
      if (!same_bits(right, w.backward())) return true;
    } catch (const GraphError&) {  // checkpoint compares the numbers themselves
      return true;
    }
  }
  return false;
}

template <class T> void write_first(Array& a, const char* writer) { *a.write<T>(writer) = T(1); }

struct Writer {
  const char* name;  ///< what the message must call it
  bool of_parameters;
  void (*write)(Waiting& w, std::size_t target);
};

void step(Waiting& w, std::size_t k, const char* rule) {
  w.x[k].set_grad(Array::ones(w.x[k].shape(), w.x[k].dtype()));
  optim::make(rule, w.holders[k].named_parameters()).step();
}

const Writer writers[] = {
    {"write through writable()", false,
     [](Waiting& w, std::size_t i) {
       Array& a = w.target(i).writable();
       switch (a.dtype()) {
         case Dtype::f64: return write_first<double>(a, "write through writable()");
         case Dtype::i64: return write_first<int64_t>(a, "write through writable()");
         case Dtype::u8: return write_first<std::uint8_t>(a, "write through writable()");
         default: return write_first<bool>(a, "write through writable()");
       }
     }},
    {"assign to writable()", false,
     [](Waiting& w, std::size_t i) {
       Array& a = w.target(i).writable();
       a.assign(changed(a, false), "assign to writable()");
     }},
    {"assign to a copy of the Array", false,
     [](Waiting& w, std::size_t i) {
       Array same = w.target(i).array();
       same.assign(changed(same, false), "assign to a copy of the Array");
     }},
    {"assign to a view", false,
     [](Waiting& w, std::size_t i) {
       Array flat = w.target(i).array().unsqueeze(0);
       flat.slice(0, 0, 1).assign(changed(flat, false), "assign to a view");
     }},
    {"assign to detach()", false,
     [](Waiting& w, std::size_t i) {
       Tensor same = w.target(i).detach();
       same.writable().assign(changed(same.array(), false), "assign to detach()");
     }},
    {"sgd", true, [](Waiting& w, std::size_t k) { step(w, k, "sgd(lr=0.1)"); }},
    {"adam", true, [](Waiting& w, std::size_t k) { step(w, k, "adam(lr=0.1)"); }},
    {"assignment of a module", true,
     [](Waiting& w, std::size_t k) {
       Holder other;
       other.w = nn::Parameter(Tensor(changed(w.x[k].array(), false)));
       w.holders[k].w = other.w;
     }},
    {"load_state_dict", true,
     [](Waiting& w, std::size_t k) {
       w.holders[k].load_state_dict({{"w", changed(w.x[k].array(), false)}});
     }},
    {"uniform_", true, [](Waiting& w, std::size_t k) { nn::init::uniform_(w.x[k]); }},
    {"constant_", true, [](Waiting& w, std::size_t k) { nn::init::constant_(w.x[k], 3); }},
    {"Averaged", true,
     [](Waiting& w, std::size_t k) {
       auto average = optim::Averaged::equal(w.holders[k].named_parameters());
       average.update();
       average.swap();
     }},
    {"Averaged", true,
     [](Waiting& w, std::size_t k) {  // the other one of its two
       auto average = optim::Averaged::equal(w.holders[k].named_parameters());
       average.update();
       average.copy_to(w.holders[k].named_parameters());
     }},
    {"gradcheck", true,
     [](Waiting& w, std::size_t k) {
       gradcheck_leaves([&] { return std::vector<Tensor>{sum(w.x[k] * w.x[k])}; }, {w.x[k]});
     }},
};

/// Op and writer named by the refusal; empty if nobody refuses.
std::string thrown(const Waiting& w) {
  try {
    w.backward();
  } catch (const GraphError& e) {
    return e.what();
  }
  return {};
}

bool same_gradient(const Sample& s, std::size_t target, const Writer& writer) {
  Waiting w(s);
  writer.write(w, target);
  return same_bits(Waiting(s).backward(), w.backward());
}

/// The op whose line the refusal must name: the sample's own, if its results come straight from the inputs.
std::string line_named(const Waiting& w) {
  for (const Tensor& y : w.y) {
    if (!y.requires_grad() || y.is_leaf()) continue;
    for (int k = 0; k < y.node()->inputs; ++k)
      if (const Node* from = y.node()->edges()[k].node; from && from->op) return "backward of ";
    return std::string("backward of ") + y.node()->op->name + ":";
  }
  return "backward of ";
}

}  // namespace

TEST_CASE("every writer against every op that needs what was written: all are detected") {
  int needed_places = 0, pairs = 0, detected = 0, harmless = 0, alarms = 0, captured = 0;
  std::set<std::string> ops;
  std::map<std::string, int> by_writer;
  for (const OpInfo* op : all_ops()) {
    if (std::string_view(op->name).starts_with("planted")) continue;
    for (const Sample& s : op->samples()) {
      const std::size_t targets = Waiting(s).targets();
      for (std::size_t i = 0; i < targets; ++i) {
        if (Waiting(s).target(i).size() == 0) continue;
        const bool needs = needed(s, i);
        needed_places += needs;
        if (needs) ops.insert(op->name);
        for (const Writer& writer : writers) {
          Waiting w(s);
          if (writer.of_parameters && (i >= w.x.size() || !w.x[i].is_leaf())) continue;
          const std::string line = line_named(w);
          writer.write(w, i);
          const std::string said = thrown(w);
          if (!needs) {
            ++harmless, alarms += !said.empty();
            continue;
          }
          INFO(std::string(op->name) << " / " << s.label << ", place " << i << ": " << std::string(writer.name) << ": "
                                     << said);
          if (said.find("backward of checkpoint: the function gives other numbers") == 0) {  // what it captured: by its bits
            ++captured;
            continue;
          }
          if (said.empty() && same_gradient(s, i, writer)) {  // the numbers it had: no harm
            ++captured;
            continue;
          }
          const bool good =
              said.find(line) == 0 && said.find(std::string(writer.name) + " has overwritten it since") != std::string::npos;
          CHECK(good);
          ++pairs, detected += good;
          ++by_writer[writer.name];
        }
      }
    }
  }
  MESSAGE(ops.size() << " ops need " << needed_places << " inputs or results in their samples; " << detected << " of "
                     << pairs << " writes detected, by " << std::size(writers) << " writers; of " << harmless
                     << " writes that change no gradient, " << alarms << " raise an alarm");
  CHECK(detected == pairs);
  CHECK(captured < 50);  // only what functions under a checkpoint capture, which has no line to be named
  CHECK(ops.size() > 80);
  for (const Writer& writer : writers) CHECK(by_writer[writer.name] > 100);
}

TEST_CASE("a write that an op does not need is no alarm") {
  Tensor a = leaf(Array::of<double>({2}, {1, 2})), b = leaf(Array::of<double>({2}, {3, 4}));
  const Tensor y = sum(a + b);
  a.writable().assign(Array::of<double>({2}, {5, 6}), "test");
  CHECK_NOTHROW(y.backward());
}

TEST_CASE("versions are counted for a whole block of numbers: a write beside a kept view is an alarm, a copy is none") {
  const Array block = Array::of<double>({2, 2}, {1, 2, 3, 4});
  const auto square_of_row = [](const Array& row) {
    Tensor x(row);
    x.requires_grad_();
    return sum(x * x);
  };
  const Tensor of_view = square_of_row(block.slice(0, 0, 1)), of_copy = square_of_row(block.slice(0, 0, 1).copy());
  block.slice(0, 1, 2).assign(Array::of<double>({1, 2}, {9, 9}), "the other row");
  CHECK_THROWS_AS(of_view.backward(), GraphError);  // harmless, but told apart from harm only by comparing addresses
  CHECK_NOTHROW(of_copy.backward());
}
