#include <gradus/core/io/files.h>
#include <gradus/train/event_file.h>
#include <gradus/train/internal/event_format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>
#include <vector>

namespace gradus::training {
namespace {

double wall_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// Field 1 of a Summary is a Value, whose field 1 is its tag.
Message tagged(const std::string& tag) { return Message().bytes(1, tag); }

}  // namespace

EventFile::EventFile(const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) bad_file(folder, "the folder cannot be made: ", failed.message());
  const std::string stem =
      (std::filesystem::path(folder) / join("events.out.tfevents.", static_cast<std::int64_t>(wall_time()))).string();
  for (int n = 0; descriptor_ < 0; ++n) {  // a name that is free: two runs may begin in one second
    path_ = join(stem, ".gradus.", n);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) system_refused(path_, "cannot be made", errno);
  }
  record(Message().real(1, wall_time()).bytes(3, "brain.Event:2").encoded());
}

EventFile::EventFile(EventFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

EventFile::~EventFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void EventFile::record(const std::string& event) {
  const std::string all = framed(event);
  for (std::size_t done = 0; done < all.size();) {
    const ssize_t n = ::write(descriptor_, all.data() + done, all.size() - done);
    if (n < 0 && errno != EINTR) system_refused(path_, "cannot be written", errno);
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

void EventFile::summary(std::int64_t step, const std::string& value) {
  record(Message().real(1, wall_time()).count(2, step).bytes(5, Message().bytes(1, value).encoded()).encoded());
}

void EventFile::scalar(const std::string& tag, std::int64_t step, double value) {
  summary(step, tagged(tag).single(2, static_cast<float>(value)).encoded());
}

void EventFile::text(const std::string& tag, std::int64_t step, const std::string& markdown) {
  const std::string shape = Message().bytes(2, Message().count(1, 1).encoded()).encoded();
  const std::string tensor = Message().count(1, 7).bytes(2, shape).bytes(8, markdown).encoded();  // 7: strings
  const std::string plugin = Message().bytes(1, Message().bytes(1, "text").encoded()).encoded();
  summary(step, tagged(tag).bytes(8, tensor).bytes(9, plugin).encoded());
}

void EventFile::histogram(const std::string& tag, std::int64_t step, const Array& a, int buckets) {
  if (!a.defined() || !is_real(a.dtype())) throw DtypeError("histogram", "numbers must be f32 or f64, got " + describe(a));
  if (buckets < 1) throw ShapeError("histogram", join("there must be a bucket, got ", buckets));
  const Array dense = a.to(f64).contiguous();
  std::vector<double> x(dense.data<double>(), dense.data<double>() + dense.size());
  x.erase(std::remove_if(x.begin(), x.end(), [](double v) { return !std::isfinite(v); }), x.end());
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest(), sum = 0, squares = 0;
  for (const double v : x) low = std::min(low, v), high = std::max(high, v), sum += v, squares += v * v;
  if (x.empty()) low = high = 0;
  const auto n = static_cast<std::size_t>(buckets);
  const double width = std::max(high - low, 1e-12) / buckets;
  std::vector<double> limits(n), counts(n);
  for (std::size_t k = 0; k < n; ++k) limits[k] = low + width * static_cast<double>(k + 1);
  for (const double v : x) ++counts[std::min(n - 1, static_cast<std::size_t>((v - low) / width))];
  Message h;
  h.real(1, low).real(2, high).real(3, static_cast<double>(x.size())).real(4, sum).real(5, squares);
  h.reals(6, limits.data(), n).reals(7, counts.data(), n);
  summary(step, tagged(tag).bytes(5, h.encoded()).encoded());
}

void EventFile::image(const std::string& tag, std::int64_t step, const Array& pixels) {
  const std::string png = png_of(pixels);
  Message image;
  image.count(1, pixels.dim(-2)).count(2, pixels.dim(-1)).count(3, pixels.rank() == 2 ? 1 : 3).bytes(4, png);
  summary(step, tagged(tag).bytes(4, image.encoded()).encoded());
}

}  // namespace gradus::training
