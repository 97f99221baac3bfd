#include <gradus/autograd/ops.h>
#include <gradus/train/internal/answers.h>
#include <gradus/train/internal/event_format.h>
#include <gradus/train/metrics.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gradus::training {
namespace {

constexpr std::size_t worst_shown = 24;
constexpr std::int64_t most_classes = 40;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

std::string base64(const std::string& bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string s;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = i; k < i + 3; ++k)
      group = group << 8 | (k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0u);
    for (int k = 3; k >= 0; --k) s += digits[group >> 6 * k & 63];
  }
  for (std::size_t k = bytes.size(); k % 3 != 0; ++k) s[s.size() - (3 - bytes.size() % 3) + (k - bytes.size())] = '=';
  return s;
}

/// The item as u8 pixels, from its least number, black, to its largest; absent if it is no image.
Array picture(const Array& item) {
  constexpr std::int64_t least = 4, most = 256;
  if (item.rank() != 3 || (item.dim(0) != 1 && item.dim(0) != 3) || !is_real(item.dtype())) return {};
  for (const int axis : {1, 2})
    if (item.dim(axis) < least || item.dim(axis) > most) return {};
  const Array x = item.to(f64).contiguous();
  const double* p = x.data<double>();
  const auto [low, high] = std::minmax_element(p, p + x.size());
  Array pixels(x.shape(), u8);
  auto* to = pixels.uninitialized<std::uint8_t>();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double share = (p[i] - *low) / (*high - *low);
    to[i] = static_cast<std::uint8_t>(share > 0 ? std::min(255.0, 255 * share + 0.5) : 0);  // of NaN, too
  }
  return item.dim(0) == 1 ? pixels.select(0, 0) : pixels;
}

}  // namespace

void Answers::add(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items) {
  if (!output.defined() || !batch.y.defined() || output.rank() < 1 || output.dim(0) != batch.x.dim(0)) return;
  const NoGrad unrecorded;
  const bool classes = output.rank() == 2 && batch.y.rank() == 1 && !is_real(batch.y.dtype());
  if (classes) add_classes(batch, output, items);
  else if (is_real(batch.y.dtype()) && output.shape() == batch.y.shape()) add_numbers(batch, output, items);
}

void Answers::add_classes(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items) {
  const std::int64_t n = output.dim(0), classes = output.dim(1);
  const Array targets = batch.y.to(i64).contiguous();
  const std::int64_t* target = targets.data<std::int64_t>();
  if (std::any_of(target, target + n, [&](std::int64_t t) { return t < 0 || t >= classes; })) return;
  if (classes <= most_classes) {
    const std::vector<double> counts = confusion_matrix(output, Tensor(batch.y));
    confusion_.resize(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) confusion_[i] += counts[i];
  }
  const Array scores = log_softmax(output.detach().to(f64), 1).array().contiguous();
  const Array named = argmax(output.detach(), 1).array().contiguous();
  for (std::int64_t i = 0; i < n; ++i) {
    const double* row = scores.data<double>() + i * classes;
    const std::int64_t answer = named.data<std::int64_t>()[i];
    keep({items[static_cast<std::size_t>(i)],
          -row[target[i]],
          static_cast<double>(target[i]),
          static_cast<double>(answer),
          std::exp(row[answer]),
          {}},
         batch.x, i);
  }
}

void Answers::add_numbers(const data::Batch& batch, const Tensor& output, const std::vector<std::int64_t>& items) {
  const Array said = output.array().to(f64).contiguous(), right = batch.y.to(f64).contiguous();
  const std::int64_t n = output.dim(0), each = n > 0 ? said.size() / n : 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double *a = said.data<double>() + i * each, *b = right.data<double>() + i * each;
    double loss = 0;
    for (std::int64_t k = 0; k < each; ++k) loss += (a[k] - b[k]) * (a[k] - b[k]) / static_cast<double>(each);
    keep({items[static_cast<std::size_t>(i)], loss, each == 1 ? *b : no_number, each == 1 ? *a : no_number, no_number, {}},
         batch.x, i);
  }
}

/// NaN is the largest loss.
void Answers::keep(Item item, const Array& x, std::int64_t row) {
  const auto size = [](double loss) { return std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss; };
  const auto larger = [&](const Item& a, const Item& b) { return size(a.loss) > size(b.loss); };
  const auto at = std::upper_bound(worst_.begin(), worst_.end(), item, larger);
  if (at == worst_.end() && worst_.size() == worst_shown) return;
  item.x = x.select(0, row).contiguous();
  worst_.insert(at, std::move(item));
  if (worst_.size() > worst_shown) worst_.pop_back();
}

void Answers::put(JsonValue& page) const {
  if (!confusion_.empty()) {
    page["confusion"]["classes"] = std::sqrt(static_cast<double>(confusion_.size()));
    page["confusion"]["counts"] = JsonValue::List(confusion_.begin(), confusion_.end());
  }
  for (const Item& w : worst_) {
    JsonValue v;
    v["item"] = w.index, v["loss"] = w.loss, v["target"] = w.target, v["answer"] = w.answer, v["confidence"] = w.confidence;
    if (const Array pixels = picture(w.x); pixels.defined()) v["image"] = "data:image/png;base64," + base64(png_of(pixels));
    page["worst"].push_back(v);
  }
}

}  // namespace gradus::training
