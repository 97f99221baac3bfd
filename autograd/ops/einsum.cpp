// Products with named axes, made of matmul.
#include <gradus/autograd/op.h>
#include <gradus/autograd/ops.h>

#include <algorithm>
#include <map>

namespace gradus {
namespace {

struct Outer {
  static constexpr const char* name = "outer";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    return {
        sample("ordinary", {sample_values({3}), sample_values({4}, -2, 2, 2)}, [](auto& x) { return outer(x[0], x[1]); }),
        sample("with itself", {sample_values({3})}, [](auto& x) { return outer(x[0], x[0]); })};
  }
};

struct Dot {
  static constexpr const char* name = "dot";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    return {sample("ordinary", {sample_values({5}), sample_values({5}, -2, 2, 2)}, [](auto& x) { return dot(x[0], x[1]); }),
            sample("with itself", {sample_values({5})}, [](auto& x) { return dot(x[0], x[0]); }),
            sample("empty", {sample_values({0}), sample_values({0})}, [](auto& x) { return dot(x[0], x[1]); })};
  }
};

struct Einsum {
  static constexpr const char* name = "einsum";
  static constexpr OpKind kind = OpKind::product;
  static Samples samples() {
    const Array a = sample_values({3, 4}), b = sample_values({4, 2}, -2, 2, 2), square = sample_values({3, 3});
    const auto with = [](const char* text) { return [text](auto& x) { return einsum(text, x); }; };
    return {sample("matrix product", {a, b}, with("ij,jk->ik")),
            sample("no arrow", {a, b}, with("ij,jk")),
            sample("transposed result", {a, b}, with("ij,jk->ki")),
            sample("transpose", {a}, with("ij->ji")),
            sample("sum of rows", {a}, with("ij->i")),
            sample("sum of all", {a}, with("ij->")),
            sample("diagonal", {square}, with("ii->i")),
            sample("trace", {square}, with("ii")),
            sample("elementwise", {a, sample_values({3, 4}, -2, 2, 2)}, with("ij,ij->ij")),
            sample("inner", {a, sample_values({3, 4}, -2, 2, 2)}, with("ij,ij->")),
            sample("outer", {sample_values({2}), sample_values({3}, -2, 2, 2)}, with("i,j->ij")),
            sample("a length of 1 broadcasts", {sample_values({1}), sample_values({3}, -2, 2, 2)}, with("i,i->i")),
            sample("both ways", {sample_values({1, 3}), sample_values({2, 1}, -2, 2, 2)}, with("ij,ij->i")),
            sample("batches", {sample_values({2, 3, 2}), sample_values({2, 2, 3}, -2, 2, 2)}, with("bij,bjk->bik")),
            sample("an axis only one has, summed", {sample_values({2, 3, 2}), sample_values({3, 2}, -2, 2, 2)},
                   with("abc,bd->ad")),
            sample("three tensors", {a, b, sample_values({2, 3}, -2, 2, 3)}, with("ij,jk,kl->il")),
            sample("bilinear", {sample_values({2, 3}), sample_values({4, 3, 2}, -2, 2, 2), sample_values({2, 2}, -2, 2, 3)},
                   with("bi,oij,bj->bo")),
            sample("dots", {sample_values({2, 1, 3, 2}), sample_values({3, 2, 2}, -2, 2, 2)}, with("...ij,...jk->...ik")),
            sample("dots summed, no arrow", {sample_values({2, 3}), sample_values({3}, -2, 2, 2)}, with("i...,...")),
            sample("attention scores", {sample_values({2, 3, 2, 2}), sample_values({2, 2, 2, 2}, -2, 2, 2)},
                   with("bqhd,bkhd->bhqk"))};
  }
};

[[maybe_unused]] const bool einsum_composites = register_composites<Outer, Dot, Einsum>();

/// A tensor whose axes have names, each at most once.
struct Named {
  Tensor t;
  std::string axes;
};
bool has(const std::string& s, char c) { return s.find(c) != std::string::npos; }

Tensor with_axes(const Named& n, const std::string& wanted) {
  std::vector<int> order;
  for (char c : wanted) order.push_back(static_cast<int>(n.axes.find(c)));
  return wanted == n.axes ? n.t : permute(n.t, order);
}

/// Sums over axes that no other tensor has, and takes the diagonal of axes named twice.
Named simplified(Named n, const std::string& wanted) {
  for (std::size_t i = 0; i < n.axes.size(); ++i) {
    const std::size_t twin = n.axes.find(n.axes[i], i + 1);
    if (twin == std::string::npos) continue;
    n.t = diagonal(n.t, 0, static_cast<int>(i), static_cast<int>(twin));  // the diagonal becomes the last axis
    const char c = n.axes[i];
    n.axes.erase(twin, 1), n.axes.erase(i, 1), n.axes += c;
    --i;
  }
  std::vector<int> lone;
  std::string rest;
  for (std::size_t i = 0; i < n.axes.size(); ++i)
    if (has(wanted, n.axes[i])) rest += n.axes[i];
    else lone.push_back(static_cast<int>(i));
  if (!lone.empty()) n.t = sum(n.t, lone);
  n.axes = rest;
  return n;
}

int64_t length(const std::map<char, int64_t>& lengths, const std::string& axes) {
  int64_t n = 1;
  for (char c : axes) n *= lengths.at(c);
  return n;
}

/// Multiplies two tensors: axes in both are batch axes if they appear `later`, else summed over.
Named multiply(const Named& a, const Named& b, const std::string& later, const std::map<char, int64_t>& lengths) {
  std::string batch, inner, left, right;
  for (char c : a.axes) (!has(b.axes, c) ? left : has(later, c) ? batch : inner) += c;
  for (char c : b.axes)
    if (!has(a.axes, c)) right += c;
  const int64_t n = length(lengths, batch), k = length(lengths, inner), rows = length(lengths, left),
                columns = length(lengths, right);
  const Tensor x = reshape(with_axes(a, batch + left + inner), {n, rows, k});
  const Tensor y = reshape(with_axes(b, batch + inner + right), {n, k, columns});
  Shape shape;
  for (char c : batch + left + right) shape.push_back(lengths.at(c));
  return {reshape(matmul(x, y), shape), batch + left + right};
}

/// An equation "ij,jk->ik": the parts between commas, and the result's axes. The axes of "..." are digits, the last one '0'.
struct Equation {
  std::vector<std::string> parts{""};
  std::string result;
};

std::string dots(int count) {
  std::string s;
  while (count-- > 0) s += static_cast<char>('0' + count);
  return s;
}

/// The letters of a part, '.' for "...", and `between` unchanged.
std::string symbols(const std::string& equation, const std::string& text, char between) {
  std::string s;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == between || std::isalpha(static_cast<unsigned char>(c))) s += c;
    else if (text.compare(i, 3, "...") == 0) s += '.', i += 2;
    else if (c != ' ')
      throw SpecError("einsum", join("\"", equation, "\" has the character '", std::string(1, c),
                                     "'; axes are letters or \"...\", e.g. \"ij,jk->ik\""));
  }
  return s;
}

/// Replaces the '.' of a part by digits.
void spell_out(std::string& part, const Tensor& x, std::size_t k) {
  const std::size_t at = part.find('.');
  if (at == std::string::npos) return;
  const int letters = static_cast<int>(part.size()) - 1;
  if (x.rank() < letters)
    throw ShapeError(
        "einsum", join("tensor ", k, " is ", describe(x), ", its part of the equation names at least ", letters, " axes"));
  part.replace(at, 1, dots(x.rank() - letters));
}

Equation parsed(const std::string& text, const std::vector<Tensor>& x) {
  Equation e;
  const std::size_t arrow = text.find("->");
  int widest = -1;
  for (char c : symbols(text, text.substr(0, arrow), ',')) {
    if (c == ',') e.parts.emplace_back();
    else if (c == '.' && has(e.parts.back(), '.'))
      throw SpecError("einsum", join("\"", text, "\" has \"...\" twice for one tensor"));
    else e.parts.back() += c;
  }
  if (e.parts.size() != x.size())
    throw SpecError("einsum", join("\"", text, "\" names ", e.parts.size(), " tensors, ", x.size(), " were given"));
  std::map<char, int> count;
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (char c : e.parts[k]) ++count[c];
    if (has(e.parts[k], '.')) widest = std::max(widest, x[k].rank() - static_cast<int>(e.parts[k].size()) + 1);
    spell_out(e.parts[k], x[k], k);
  }
  if (arrow == std::string::npos) {  // PyTorch's rule: "...", and axes named once, in the order of the alphabet
    e.result = dots(widest);
    for (const auto& [c, n] : count)
      if (n == 1 && c != '.') e.result += c;
    return e;
  }
  for (char c : symbols(text, text.substr(arrow + 2), '\0')) {
    const std::string axis = c == '.' ? "\"...\"" : "axis '" + std::string(1, c) + "'";
    if (!count.contains(c)) throw SpecError("einsum", join("\"", text, "\" has ", axis, " in the result, but in no tensor"));
    if (has(e.result, c))
      throw SpecError("einsum", join("\"", text, "\" has ", axis, " twice in the result; once is allowed"));
    e.result += c;
  }
  if (const std::size_t at = e.result.find('.'); at != std::string::npos) e.result.replace(at, 1, dots(widest));
  return e;
}

std::string letter_name(char axis) {
  return std::isdigit(static_cast<unsigned char>(axis)) ? "an axis of \"...\"" : "axis '" + std::string(1, axis) + "'";
}

/// The length of every axis. An axis of length 1 in one tensor and longer in another broadcasts: the first tensor drops it.
std::map<char, int64_t> measured(Equation& e, std::vector<Tensor>& x) {
  std::map<char, int64_t> lengths;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const std::string& axes = e.parts[k];
    if (static_cast<int>(axes.size()) != x[k].rank())
      throw ShapeError("einsum",
                       join("tensor ", k, " is ", describe(x[k]), ", \"", axes, "\" names ", axes.size(), " axes"));
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto throw_error = [&](int64_t known, int64_t n, const char* rule) {
        throw ShapeError("einsum", join(letter_name(axes[i]), " has length ", known, " and, in tensor ", k, ", ",
                                        describe(x[k]), ", length ", n, "; ", rule));
      };
      const int64_t n = x[k].shape()[static_cast<int>(i)];
      if (const int64_t twin = x[k].shape()[static_cast<int>(axes.find(axes[i]))]; twin != n)
        throw_error(twin, n, "on a diagonal they must be equal");
      int64_t& known = lengths.emplace(axes[i], n).first->second;
      if (known == 1) known = n;
      if (known != n && n != 1) throw_error(known, n, "they must be equal, or one of them 1");
    }
  }
  for (std::size_t k = 0; k < x.size(); ++k)
    for (std::size_t i = e.parts[k].size(); i-- > 0;)
      if (x[k].shape()[static_cast<int>(i)] != lengths[e.parts[k][i]])
        x[k] = squeeze(x[k], static_cast<int>(i)), e.parts[k].erase(i, 1);
  return lengths;
}

}  // namespace

Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.rank() != 1 || b.rank() != 1)
    throw ShapeError("outer", join("both operands must have one axis, got ", describe(a), " and ", describe(b)));
  return unsqueeze(a, 1) * unsqueeze(b, 0);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  if (a.rank() != 1 || !(a.shape() == b.shape()))
    throw ShapeError("dot", join("both operands must have one axis of one length, got ", describe(a), " and ", describe(b)));
  return matmul(a, b);
}

Tensor einsum(const std::string& equation, const std::vector<Tensor>& tensors) {
  if (tensors.empty()) throw SpecError("einsum", join("\"", equation, "\" was given no tensors"));
  std::vector<Tensor> x = tensors;
  Equation e = parsed(equation, x);
  for (const Tensor& t : x) {
    if (!is_real(t.dtype())) throw_dtype("einsum", t);
    if (t.dtype() != x[0].dtype())
      throw DtypeError("einsum", join(describe(x[0]), " and ", describe(t), " do not mix"),
                       join("x.to(", x[0].dtype(), ")"));
  }
  const std::map<char, int64_t> lengths = measured(e, x);
  const auto later = [&](std::size_t k) {  // the axes needed after tensor k
    std::string s = e.result;
    for (std::size_t j = k + 1; j < x.size(); ++j) s += e.parts[j];
    return s;
  };
  Named y = simplified({x[0], e.parts[0]}, later(0));
  for (std::size_t k = 1; k < x.size(); ++k)
    y = multiply(y, simplified({x[k], e.parts[k]}, later(k) + y.axes), later(k), lengths);
  y = simplified(y, e.result);
  return with_axes(y, e.result);
}

}  // namespace gradus
