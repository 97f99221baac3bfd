// EventFile: what TensorBoard shows.
//
//   training::EventFile events("runs/digits");
//   events.scalar("loss/train", step, loss);
//
// then: tensorboard --logdir runs
#pragma once

#include <gradus/core/array.h>

#include <string>

namespace gradus::training {

/// A new file in `folder` (which is made), written as TensorBoard reads it: records with checksums (CRC-32C) of Event messages.
/// Each call appends one whole record: a killed run loses none that was written. Errors: DataError, if the file cannot be made
/// or written.
class EventFile {
 public:
  explicit EventFile(const std::string& folder);
  ~EventFile();
  EventFile(EventFile&& other) noexcept;
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::string& path() const { return path_; }
  void scalar(const std::string& tag, std::int64_t step, double value);
  void text(const std::string& tag, std::int64_t step, const std::string& markdown);
  /// How the numbers of `a` (f32 or f64; NaN are left out) are spread, in `buckets` of equal width.
  void histogram(const std::string& tag, std::int64_t step, const Array& a, int buckets = 30);
  /// u8 [H, W] grey or [3, H, W] red, green, blue. Errors: ShapeError, DtypeError.
  void image(const std::string& tag, std::int64_t step, const Array& pixels);

 private:
  void summary(std::int64_t step, const std::string& value);
  void record(const std::string& event);

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace gradus::training
