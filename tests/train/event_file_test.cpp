// Here the bytes are taken apart; tests/outside/tensorboard_reader.py asks TensorBoard's own reader for every value.
#include <gradus/core/io/files.h>
#include <gradus/train/event_file.h>
#include <gradus/train/internal/event_format.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace gradus;
using namespace gradus::training;

namespace {

/// The records of a file, each with its checksums right.
std::vector<std::string> records_of(const std::string& bytes) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    const std::string event = bytes.substr(at + 12, length);
    REQUIRE(bytes.substr(at, 16 + length) == framed(event));
    all.push_back(event);
    at += 16 + length;
  }
  return all;
}

}  // namespace

TEST_CASE("checksums are those of RFC 3720, appendix B.4") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  CHECK(crc32c("123456789") == 0xE3069283u);
}

TEST_CASE("an event file holds what was written, record by record") {
  const testing::TempDir dir;
  std::string path;
  {
    EventFile events(dir / "run");
    path = events.path();
    events.scalar("loss", 300, 0.5);
    events.histogram("w", 1, Array::of<float>({4}, {0, 1, 1, 3}), 3);
    events.text("note", 2, "**so**");
    events.image("digit", 3, Array::full({2, 3}, 7, u8));
    EventFile second(dir / "run");
    CHECK(second.path() != path);
  }
  const auto records = records_of(read_file(path));
  REQUIRE(records.size() == 5);
  CHECK(records[0].substr(9) ==
        "\x1A\x0D"
        "brain.Event:2");
  CHECK(records[1].substr(9) == std::string("\x10\xAC\x02\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\0\x3F", 18));
  double numbers[5];  // smallest, largest, how many, sum, sum of squares
  const auto at = records[2].find("\x0A\x01w\x2A");
  REQUIRE(at != std::string::npos);
  for (int k = 0; k < 5; ++k) std::memcpy(&numbers[k], records[2].data() + at + 6 + 9 * k, 8);
  CHECK((numbers[0] == 0 && numbers[1] == 3 && numbers[2] == 4 && numbers[3] == 5 && numbers[4] == 11));
  CHECK(records[3].find("**so**") != std::string::npos);
  CHECK(records[4].find("\x89PNG\r\n\x1A\n") != std::string::npos);
}

TEST_CASE("an event file for TensorBoard's reader" * doctest::skip()) {
  EventFile events(std::getenv("GRADUS_TEST_FOLDER"));
  for (int i = 0; i < 100; ++i) {
    events.scalar("loss", i, 1.0 / (i + 1));
    events.scalar("accuracy", 1000000007LL * i, i == 99 ? std::nan("") : i);
    events.text("note", i, join("**", i, "** \xC3\xBC"));
    events.histogram("weights", i, Array::of<double>({5}, {-1.0 * i, 0, 0.5, 1, 2.0 * i}), 1 + i % 40);
    std::vector<std::uint8_t> pixels(3 * 5 * 4);
    for (std::size_t k = 0; k < pixels.size(); ++k)
      pixels[k] = static_cast<std::uint8_t>(k * 7 + static_cast<std::size_t>(i));
    const Array colours = Array::of<std::uint8_t>({3, 5, 4}, pixels);
    events.image("picture", i, i % 2 ? colours : colours.select(0, 0));
  }
}

TEST_CASE("what cannot be shown is refused") {
  const testing::TempDir dir;
  EventFile events(dir.path());
  CHECK(says(thrown<DtypeError>([&] { events.image("x", 0, Array({2, 2})); }), {"pixels must be u8"}));
  CHECK(says(thrown<ShapeError>([&] { events.image("x", 0, Array({4, 2, 2}, u8)); }), {"[H, W] or [3, H, W]"}));
  CHECK(says(thrown<DtypeError>([&] { events.histogram("x", 0, Array({2}, i64)); }), {"must be f32 or f64"}));
  CHECK(says(thrown<DataError>([] { EventFile("/proc/none"); }), {"/proc/none"}));
  CHECK(records_of(read_file(events.path())).size() == 1);
}
