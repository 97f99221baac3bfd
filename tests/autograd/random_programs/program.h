// Programs: inputs and ops on earlier values, written at random, run, and made smaller.
#pragma once

#include <gradus/core/random.h>
#include <gradus/tests/autograd/random_programs/op_table.h>

#include <string>

namespace gradus::programs {

/// An input, or an op on values before it.
struct Value {
  const Entry* op = nullptr;  ///< null: an input
  std::vector<std::size_t> from;
  unsigned p = 0;
  Array numbers;  ///< at the point
};

struct Program {
  std::vector<Value> values;

  std::size_t steps() const {
    return static_cast<std::size_t>(std::count_if(values.begin(), values.end(), [](const Value& v) { return v.op; }));
  }
  std::vector<Tensor> inputs() const {
    std::vector<Tensor> x;
    for (const Value& v : values)
      if (!v.op) x.push_back(Tensor(v.numbers));
    return x;
  }
  /// The values that no op reads.
  std::vector<Tensor> run(X inputs) const {
    std::vector<Tensor> all, outputs;
    std::vector<bool> read(values.size());
    std::size_t next = 0;
    for (const Value& v : values) {
      std::vector<Tensor> x;
      for (const std::size_t k : v.from) x.push_back(all[k]), read[k] = true;
      all.push_back(v.op ? v.op->call(x, v.p) : inputs[next++]);
    }
    for (std::size_t k = 0; k < all.size(); ++k)
      if (!read[k] && values[k].op) outputs.push_back(all[k]);
    return outputs;
  }
  std::string text() const {
    std::string s;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const Value& v = values[k];
      s += join("  v", k, " = ");
      if (!v.op) s += join("input ", v.numbers.shape(), v.numbers.size() <= 12 ? " " + to_string(v.numbers) : "");
      else {
        s += join(v.op->name, "(");
        for (std::size_t i = 0; i < v.from.size(); ++i) s += join(i ? ", v" : "v", v.from[i]);
        s += join("), p = ", v.p, " -> ", v.numbers.shape());
      }
      s += "\n";
    }
    return s;
  }
  /// Without values that nothing needs; `last` is what is needed.
  Program up_to(std::size_t last) const {
    std::vector<bool> needed(values.size());
    needed[last] = true;
    for (std::size_t k = last + 1; k-- > 0;)
      if (needed[k])
        for (const std::size_t from : values[k].from) needed[from] = true;
    Program small;
    std::vector<std::size_t> place(values.size());
    for (std::size_t k = 0; k <= last; ++k) {
      if (!needed[k]) continue;
      place[k] = small.values.size();
      small.values.push_back(values[k]);
      for (std::size_t& from : small.values.back().from) from = place[from];
    }
    return small;
  }
};

struct Size {
  std::vector<int64_t> lengths = {1, 2, 3, 4, 5};
  int ranks = 5;          ///< 0 to 4
  int64_t largest = 300;  ///< elements of a value
  unsigned shortest = 5, longest = 50;
};
inline Size large() { return {{1, 40, 150, 230}, 3, 70000, 5, 12}; }

constexpr double range = 6;  ///< of all values

/// Program number `seed`: the same one every time.
inline Program write_program(std::uint64_t seed, const std::vector<Entry>& table, const Size& size = {}) {
  const Philox random{seed, 11};
  std::uint64_t drawn = 0;
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.below(drawn++, n)); };
  Program program;
  for (std::size_t k = 0, inputs = 1 + below(4); k < inputs; ++k) {
    Shape shape;
    for (std::size_t i = 0, rank = below(static_cast<std::size_t>(size.ranks)); i < rank; ++i)
      shape.push_back(size.lengths[below(size.lengths.size())]);
    const bool positive = below(3) == 0;
    if (shape.size() > size.largest) shape = Shape{size.lengths.back()};
    const auto which = static_cast<unsigned>(1 + below(1000));
    program.values.push_back({nullptr, {}, 0, sample_values(shape, positive ? 0.3 : -2, 2, which)});
  }
  const std::size_t wanted = program.values.size() + size.shortest + below(size.longest - size.shortest + 1);
  const struct Look {
    Look() { looking = true; }
    ~Look() { looking = false; }
  } look;
  for (int attempt = 0; program.values.size() < wanted && attempt < 4000; ++attempt) {
    const std::size_t n = program.values.size();
    Value v{&table[below(table.size())], {}, static_cast<unsigned>(below(60)), {}};
    std::vector<Tensor> x;
    for (int i = 0; i < v.op->inputs; ++i) {
      v.from.push_back(below(5) < 3 ? n - 1 - below(std::min<std::size_t>(n, 4)) : below(n));
      x.push_back(Tensor(program.values[v.from.back()].numbers));
    }
    try {
      const Tensor y = v.op->call(x, v.p);
      if (y.size() == 0 || y.size() > size.largest || y.rank() > 4) continue;
      if (!(lowest(y) >= -range && highest(y) <= range)) continue;
      v.numbers = y.array().copy();
      program.values.push_back(v);
    } catch (const Refused&) {
    } catch (const Error&) {  // shapes that do not go together
    }
  }
  return program;
}

/// The smallest program found that still has a fault: it ends earlier, and values become inputs. `faulty` says which do.
template <class Faulty> Program shrink(Program program, Faulty faulty) {
  for (std::size_t last = 0; last < program.values.size(); ++last)
    if (program.values[last].op)
      if (const Program early = program.up_to(last); faulty(early)) {
        program = early;
        break;
      }
  for (std::size_t k = 0; k + 1 < program.values.size();) {
    Program less = program;
    if (!less.values[k].op) {
      ++k;
      continue;
    }
    less.values[k].op = nullptr, less.values[k].from.clear();
    less = less.up_to(less.values.size() - 1);
    if (faulty(less)) program = less, k = 0;
    else ++k;
  }
  return program;
}

}  // namespace gradus::programs
