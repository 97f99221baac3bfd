// CSV: tables of numbers and categories (RFC 4180, with the spaces and the missing values that real files have).
#pragma once

#include <gradus/core/array.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::data {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;         ///< the first line names the columns; false: they are "0", "1", ...
  std::string missing = "?";  ///< a cell that is this, or empty, has no value
};

/// Columns of texts, read when they are asked for. Spaces around a cell are no part of it, unless quotes hold them; in quotes
/// a delimiter and the end of a line are text, and "" is one quote. Lines end as on Unix or Windows; empty ones are left out.
class Table {
 public:
  std::int64_t rows() const { return rows_; }
  const std::vector<std::string>& names() const { return names_; }

  /// f32 [rows]; numbers have decimal points and no thousands' separators. Errors: DataError naming file, line, column and
  /// cell, for one that is no finite number; for a missing one too, unless `missing` is given; for a column that is not there.
  Array numbers(const std::string& column) const;
  Array numbers(const std::string& column, double missing) const;
  /// One text a row; missing ones are "".
  std::vector<std::string> texts(const std::string& column) const;

 private:
  friend Table parse_csv(std::string text, const CsvOptions& options, const std::string& name);
  using OnCell = std::function<void(std::string_view cell, std::int64_t line)>;
  void each_cell(const std::string& column, const OnCell& f) const;
  Array read_numbers(const std::string& column, const double* missing) const;
  bool is_missing(std::string_view cell) const { return cell.empty() || cell == options_.missing; }

  std::string path_, text_;
  CsvOptions options_;
  std::vector<std::string> names_;
  std::int64_t rows_ = 0;
};

/// The whole file is checked at once. Errors: DataError naming file and line: a row with more or fewer cells than the first,
/// a quote that is not closed or has text behind it, no row at all, two columns of one name.
Table read_csv(const std::string& path, const CsvOptions& options = {});
/// The same of a text; `name` stands for the file in messages.
Table parse_csv(std::string text, const CsvOptions& options = {}, const std::string& name = "the text");

/// The values of a category, each known by its place in alphabetical order, counted from 1; 0 is what is missing or unknown.
class Categories {
 public:
  explicit Categories(const std::vector<std::string>& values);
  std::int64_t size() const { return static_cast<std::int64_t>(names_.size()) + 1; }  ///< rows of an embedding
  const std::vector<std::string>& names() const { return names_; }
  Array encode(const std::vector<std::string>& values) const;  ///< i64 [N]

 private:
  std::vector<std::string> names_;
};

}  // namespace gradus::data
