#include <gradus/core/io/files.h>
#include <gradus/core/io/read_number.h>
#include <gradus/data/csv.h>

#include <algorithm>
#include <cmath>

namespace gradus::data {
namespace {

/// Reads cells one after the other.
class CsvScanner {
 public:
  CsvScanner(const std::string& path, const std::string& text, char delimiter)
      : path_(path), text_(text), delimiter_(delimiter) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // the mark with which some programs begin UTF-8
    skip_empty_lines();
  }

  bool at_end() const { return at_ >= text_.size(); }
  std::int64_t line() const { return line_; }  ///< of the cell that comes next
  bool row_ended() const { return row_ended_; }

  /// Lives until the next call.
  std::string_view cell() {
    while (at_ < text_.size() && text_[at_] == ' ' && delimiter_ != ' ') ++at_;
    const std::string_view found = at_ < text_.size() && text_[at_] == '"' ? quoted() : plain();
    row_ended_ = at_end() || text_[at_] != delimiter_;
    if (!at_end()) ++at_;
    if (row_ended_) ++line_, skip_empty_lines();
    return found;
  }

  [[noreturn]] void fail(std::int64_t line, const std::string& problem) const {
    throw DataError(join(path_, ":", line), problem);
  }

 private:
  std::string_view plain() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != delimiter_ && text_[at_] != '\n') ++at_;
    std::string_view s = std::string_view(text_).substr(begin, at_ - begin);
    while (!s.empty() && (s.back() == ' ' || s.back() == '\r')) s.remove_suffix(1);
    return s;
  }
  std::string_view quoted() {
    const std::int64_t begin = line_;
    held_.clear();
    for (++at_;; ++at_) {
      if (at_end()) fail(begin, "a quote that begins here is not closed");
      if (text_[at_] == '"' && (at_ + 1 >= text_.size() || text_[++at_] != '"')) break;
      line_ += text_[at_] == '\n';
      held_ += text_[at_];
    }
    if (at_ + 1 >= text_.size() && at_ < text_.size() && text_[at_] == '"') ++at_;
    if (const auto rest = plain(); !rest.empty())
      fail(line_, "\"" + excerpt(rest) + "\" stands behind a quote that was closed");
    return held_;
  }
  void skip_empty_lines() {
    for (std::size_t next = at_; next < text_.size(); ++next) {
      if (text_[next] == '\n') at_ = next + 1, ++line_;
      else if (text_[next] != ' ' && text_[next] != '\r') return;
      else if (next + 1 == text_.size()) at_ = text_.size();
    }
  }

  const std::string &path_, &text_;
  const char delimiter_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  bool row_ended_ = false;
  std::string held_;
};

}  // namespace

Table parse_csv(std::string text, const CsvOptions& options, const std::string& path) {
  if (options.delimiter == '"' || options.delimiter == '\n' || options.delimiter == '\r')
    throw DataError(path, "the delimiter cannot be a quote or the end of a line");
  Table table;
  table.path_ = path, table.text_ = std::move(text), table.options_ = options;
  CsvScanner scan(path, table.text_, options.delimiter);
  for (std::int64_t row = 0; !scan.at_end(); ++row) {
    const std::int64_t line = scan.line();
    std::size_t cells = 0;
    do {
      const std::string_view cell = scan.cell();
      ++cells;
      if (row == 0) table.names_.push_back(options.header ? std::string(cell) : std::to_string(cells - 1));
    } while (!scan.row_ended());
    if (cells != table.names_.size())
      scan.fail(line, join("has ", cells, " cells, the first row has ", table.names_.size()));
    table.rows_ += row > 0 || !options.header;
  }
  if (table.rows_ == 0) bad_file(path, options.header ? "has no row behind its header" : "has no row");
  auto sorted = table.names_;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    bad_file(path, "has two columns \"", *twice, "\"");
  return table;
}

Table read_csv(const std::string& path, const CsvOptions& options) { return parse_csv(read_file(path), options, path); }

void Table::each_cell(const std::string& column, const OnCell& f) const {
  const auto wanted = std::find(names_.begin(), names_.end(), column);
  if (wanted == names_.end()) {
    const std::string near = did_you_mean(column, names_);
    throw DataError(path_, "has no column \"" + column + "\"", near.empty() ? "" : "\"" + near + "\"");
  }
  const auto place = wanted - names_.begin();
  CsvScanner scan(path_, text_, options_.delimiter);
  for (bool head = options_.header; !scan.at_end(); head = false) {
    std::ptrdiff_t k = 0;
    do {
      const std::int64_t line = scan.line();
      const std::string_view cell = scan.cell();
      if (k++ == place && !head) f(cell, line);
    } while (!scan.row_ended());
  }
}

Array Table::read_numbers(const std::string& column, const double* missing) const {
  Array out({rows_});
  float* to = out.uninitialized<float>();
  each_cell(column, [&](std::string_view cell, std::int64_t line) {
    double x = missing ? *missing : 0;
    const auto throw_error = [&](const std::string& problem) {
      throw DataError(join(path_, ":", line), "column \"" + column + "\": " + problem);
    };
    if (is_missing(cell)) {
      if (!missing) throw_error("has no value here; numbers(column, missing) says what to take");
    } else {
      const char *begin = cell.data() + (cell.starts_with('+') ? 1 : 0), *end = cell.data() + cell.size();
      const auto [at, failed] = read_number(begin, end, x);
      if (failed != std::errc() || at != end || !std::isfinite(x)) throw_error("\"" + excerpt(cell) + "\" is no number");
    }
    *to++ = static_cast<float>(x);
  });
  return out;
}

Array Table::numbers(const std::string& column) const { return read_numbers(column, nullptr); }
Array Table::numbers(const std::string& column, double missing) const { return read_numbers(column, &missing); }

std::vector<std::string> Table::texts(const std::string& column) const {
  std::vector<std::string> all;
  each_cell(column, [&](std::string_view cell, std::int64_t) { all.emplace_back(is_missing(cell) ? "" : cell); });
  return all;
}

Categories::Categories(const std::vector<std::string>& values) : names_(values) {
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  if (!names_.empty() && names_[0].empty()) names_.erase(names_.begin());
}

Array Categories::encode(const std::vector<std::string>& values) const {
  Array out({static_cast<std::int64_t>(values.size())}, i64);
  auto* to = out.uninitialized<std::int64_t>();
  for (const auto& v : values) {
    const auto at = std::lower_bound(names_.begin(), names_.end(), v);
    *to++ = at != names_.end() && *at == v ? at - names_.begin() + 1 : 0;
  }
  return out;
}

}  // namespace gradus::data
