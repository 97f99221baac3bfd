#include <gradus/autograd/inspect/profile.h>
#include <gradus/core/io/files.h>
#include <gradus/core/io/json.h>
#include <gradus/core/kernels/multiply_adds.h>

#include <algorithm>

#include <fmt/format.h>

namespace gradus {
namespace {

std::int64_t bytes_in(const Tensor& t) {
  return t.defined() ? t.size() * static_cast<std::int64_t>(bytes_of(t.dtype())) : 0;
}

std::string quoted(const std::string& s) {
  std::string json;
  append_json(json, s);
  return json;
}

std::string span_name(const Profile::Row& r) { return r.backward ? r.op + " backward" : r.op; }

}  // namespace

Profile::Profile() : began_(Clock::now()), last_(began_), multiply_adds_(gradus::multiply_adds) {}

void Profile::add(const Key& key, std::int64_t bytes) {
  const auto now = Clock::now();
  const double begin = std::chrono::duration<double>(last_ - began_).count(),
               seconds = std::chrono::duration<double>(now - last_).count();
  Row& row = rows_[key];
  if (row.calls++ == 0) std::tie(row.op, row.module, row.backward) = key;
  row.seconds += seconds;
  row.bytes += bytes;
  row.multiply_adds += gradus::multiply_adds - multiply_adds_;
  multiply_adds_ = gradus::multiply_adds;
  seconds_ += seconds;
  if (spans_.size() < most_spans) spans_.push_back({&row, begin, seconds});
  last_ = Clock::now();  // the time of this function is not counted
}

void Profile::after(const char* op, std::span<const Tensor> results, std::span<const Tensor* const> inputs) {
  if (nodes_begun_ > 0) return;  // this node is a part of the other node's backward pass
  std::int64_t bytes = 0;
  for (const Tensor& t : results) bytes += bytes_in(t);
  for (const Tensor* t : inputs) bytes += bytes_in(*t);
  std::string module = InModule::path();
  if (!results.empty() && results[0].node()) forward_[results[0].node()] = {module, bytes};
  add({op, std::move(module), false}, bytes);
}

void Profile::backward_begins(const Node&) { ++nodes_begun_; }

void Profile::backward_ends(const Node& node) {
  if (--nodes_begun_ > 0) return;
  const auto at = forward_.find(&node);
  const Forward of = at == forward_.end() ? Forward{} : at->second;
  add({node.op->name, of.module, true}, of.bytes);
}

void Profile::passed(const char* what) { add({what, "", false}, 0); }

std::vector<Profile::Row> Profile::rows() const {
  std::vector<Row> all;
  for (const auto& [key, row] : rows_) all.push_back(row);
  std::stable_sort(all.begin(), all.end(), [](const Row& a, const Row& b) { return a.seconds > b.seconds; });
  return all;
}

void Profile::save(const std::string& path) const {
  write_atomically(path, [&](OutputFile& file) {
    std::string text = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      const Span& s = spans_[i];
      text += fmt::format(
          "{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":{:.3f},\"dur\":{:.3f},\"name\":{},\"cat\":\"{}\","
          "\"args\":{{\"module\":{}}}}}{}\n",
          1e6 * s.begin, 1e6 * s.seconds, quoted(span_name(*s.row)), s.row->backward ? "backward" : "forward",
          quoted(s.row->module), i + 1 < spans_.size() ? "," : "");
      if (text.size() < 1 << 16) continue;
      file.write(text);
      text.clear();
    }
    file.write(text + "]}\n");
  });
}

std::string to_string(const Profile& profile, int most) {
  const auto rows = profile.rows();
  const double peak = most_multiply_adds_per_second(), all = std::max(profile.seconds(), 1e-300);
  std::string s = fmt::format("{:<28} {:<28} {:>8} {:>10} {:>7} {:>9} {:>8} {:>8}\n", "op", "module", "calls", "ms", "share",
                              "GFLOP/s", "of peak", "GB/s");
  double left = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Profile::Row& r = rows[i];
    if (static_cast<int>(i) >= most) {
      left += r.seconds;
      continue;
    }
    const double rate = static_cast<double>(r.multiply_adds) / std::max(r.seconds, 1e-300);
    const bool counted = r.multiply_adds > 0;
    s +=
        fmt::format("{:<28} {:<28} {:>8} {:>10.3f} {:>6.1f}% {:>9} {:>8} {:>8}\n", span_name(r), r.module, r.calls,
                    1e3 * r.seconds, 100 * r.seconds / all, counted ? fmt::format("{:.1f}", 2e-9 * rate) : "",
                    counted ? fmt::format("{:.0f}%", 100 * rate / peak) : "",
                    r.bytes ? fmt::format("{:.1f}", 1e-9 * static_cast<double>(r.bytes) / std::max(r.seconds, 1e-300)) : "");
  }
  if (static_cast<int>(rows.size()) > most)
    s += fmt::format("{:<66} {:>10.3f} {:>6.1f}%\n", fmt::format("{} more", static_cast<int>(rows.size()) - most),
                     1e3 * left, 100 * left / all);
  return s + fmt::format("{:<66} {:>10.3f}\n", "all", 1e3 * profile.seconds());
}

}  // namespace gradus
