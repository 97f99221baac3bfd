#include <gradus/data/augment.h>
#include <gradus/data/cifar.h>
#include <gradus/data/mel.h>
#include <gradus/data/text.h>
#include <gradus/data/wav.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>
#include <cstring>

using namespace gradus;
using namespace gradus::data;

namespace {

std::string little(std::uint32_t x, int bytes) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(x >> 8 * i & 255);
  return s;
}

std::string wav(std::uint32_t tag, std::uint32_t channels, std::uint32_t bits, const std::string& data, std::uint32_t says) {
  const std::string format = little(tag, 2) + little(channels, 2) + little(8000, 4) + little(8000 * channels * bits / 8, 4) +
                             little(channels * bits / 8, 2) + little(bits, 2);
  return "RIFF" + little(0, 4) + "WAVE" + "LIST" + little(3, 4) + "abc" + '\0' + "fmt " + little(16, 4) + format + "data" +
         little(says, 4) + data;
}
std::string wav(std::uint32_t tag, std::uint32_t channels, std::uint32_t bits, const std::string& data) {
  return wav(tag, channels, bits, data, static_cast<std::uint32_t>(data.size()));
}

template <class T> std::string raw(std::initializer_list<T> values) {
  std::string s;
  for (const T v : values) s.append(reinterpret_cast<const char*>(&v), sizeof v);
  return s;
}

std::vector<double> numbers(const Array& a) {
  std::vector<double> v;
  for (int64_t i = 0; i < a.size(); ++i) v.push_back(a.element(i));
  return v;
}

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("WAV of every width is read, full scale is 1") {
  const testing::TempDir dir;
  const auto read = [&](const std::string& bytes) { return read_wav(dir.put("a.wav", bytes)); };
  CHECK(numbers(read(wav(1, 1, 8, raw<std::uint8_t>({0, 128, 192}))).samples) == Numbers{-1, 0, 0.5});
  CHECK(numbers(read(wav(1, 1, 16, raw<std::int16_t>({-32768, 0, 16384}))).samples) == Numbers{-1, 0, 0.5});
  CHECK(numbers(read(wav(1, 1, 24, little(0x800000, 3) + little(0x400000, 3))).samples) == Numbers{-1, 0.5});
  CHECK(numbers(read(wav(1, 1, 32, raw<std::int32_t>({INT32_MIN, 1 << 30}))).samples) == Numbers{-1, 0.5});
  CHECK(numbers(read(wav(3, 1, 32, raw<float>({0.25f, -2}))).samples) == Numbers{0.25, -2});
  CHECK(numbers(read(wav(3, 1, 64, raw<double>({0.25}))).samples) == Numbers{0.25});
  const Sound stereo = read(wav(1, 2, 16, raw<std::int16_t>({0, 16384, -16384, 0})));
  CHECK(stereo.samples.shape() == Shape{2, 2});
  CHECK(numbers(stereo.samples) == Numbers{0, -0.5, 0.5, 0});
  CHECK(stereo.rate == 8000);
}

TEST_CASE("a file that is no sound, or not all of one, is refused") {
  const testing::TempDir dir;
  const auto refused = [&](const std::string& bytes) {
    return thrown<DataError>([&] { read_wav(dir.put("a.wav", bytes)); });
  };
  CHECK(says(refused(wav(1, 1, 16, "abcd", 6)), {"a.wav", "chunk \"data\" says 6 bytes, 4 are left; it is cut short"}));
  CHECK(says(refused(wav(1, 1, 16, "abcd", 0xFFFFFFFF)), {"4294967295", "cut short"}));
  CHECK(says(refused(wav(1, 1, 16, "abc")), {"has 3 bytes of sound", "whole frames of 2"}));
  CHECK(says(refused(wav(1, 1, 16, "")), {"has 0 bytes of sound"}));
  CHECK(says(refused(wav(1, 0, 16, "ab")), {"0 channels"}));
  CHECK(says(refused(wav(1, 1, 12, "ab")), {"format 1 of 12 bits"}));
  CHECK(says(refused(wav(85, 1, 16, "ab")), {"format 85"}));
  CHECK(says(refused("RIFF"), {"has 4 bytes"}));
  CHECK(says(refused("hello world, hello"), {"not a WAV file (it begins with \"hello world,"}));
  CHECK(says(refused("RIFF" + little(0, 4) + "WAVE"), {"has no format chunk"}));
  CHECK(says(refused("RIFF" + little(0, 4) + "WAVEdata" + little(2, 4) + "ab"), {"its sound stands before its format"}));
}

TEST_CASE("CIFAR-10 is records of a label and three planes") {
  const testing::TempDir dir;
  std::string record(3073, '\x05');
  record[0] = 7, record[1 + 1024] = 9;
  dir.put("data_batch_1.bin", record + record);
  dir.put("data_batch_3.bin", record);
  const ImageSet set = load_cifar10(dir.path(), true);
  CHECK(set.images.shape() == Shape{3, 3, 32, 32});
  CHECK(set.images.at({2, 1, 0, 0}) == 9);
  CHECK(set.labels.element(2) == 7);
  CHECK(TensorDataset(set).get(0).x.shape() == Shape{3, 32, 32});
  CHECK(says(thrown<DataError>([&] { load_cifar10(dir.path(), false); }), {"test_batch.bin"}));
  CHECK(says(thrown<DataError>([&] { read_cifar10(dir.put("cut.bin", record + "abc")); }), {"cut.bin", "3 are left over"}));
  record[0] = 10;
  CHECK(says(thrown<DataError>([&] { read_cifar10(dir.put("label.bin", record)); }), {"label 10 of image 0"}));
  CHECK(says(thrown<DataError>([&] { load_cifar10("/none", true); }), {"/none", "has none of data_batch_1.bin"}));
}

TEST_CASE("flips and shifts move pixels and nothing else, item by item") {
  Array x({40, 1, 3, 4});
  for (int64_t i = 0; i < x.size(); ++i) x.uninitialized<float>()[i] = static_cast<float>(i + 1);
  const Array flipped = random_flip(x, {1, 2}), shifted = random_shift(x, 2, {1, 2});
  int mirrored = 0, kept = 0;
  for (int64_t n = 0; n < 40; ++n) {
    const bool is = flipped.at({n, 0, 0, 0}) == x.at({n, 0, 0, 3});
    (is ? mirrored : kept)++;
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < 4; ++c) CHECK(flipped.at({n, 0, r, c}) == x.at({n, 0, r, is ? 3 - c : c}));
    bool found = false;
    for (int64_t down = -2; down <= 2; ++down)
      for (int64_t right = -2; right <= 2; ++right) {
        bool same = true;
        for (int64_t r = 0; r < 3; ++r)
          for (int64_t c = 0; c < 4; ++c) {
            const bool inside = r - down >= 0 && r - down < 3 && c - right >= 0 && c - right < 4;
            same &= shifted.at({n, 0, r, c}) == (inside ? x.at({n, 0, r - down, c - right}) : 0);
          }
        found |= same;
      }
    CHECK(found);
  }
  CHECK(mirrored > 8);
  CHECK(kept > 8);
  CHECK(numbers(random_shift(x, 0, {1, 2})) == numbers(x));
  CHECK(says(thrown<ShapeError>([&] { random_flip(Array({3, 4}), {}); }), {"[N, C, H, W]", "f32[3,4]"}));
  CHECK(says(thrown<DtypeError>([&] { random_shift(Array({1, 1, 2, 2}, u8), 1, {}); }), {"must be f32"}));
}

TEST_CASE("a tone is loudest in the band of its frequency") {
  constexpr double pi = 3.14159265358979;
  Array tone({800});
  for (int i = 0; i < 800; ++i) tone.uninitialized<float>()[i] = static_cast<float>(std::sin(2 * pi * 1000 * i / 8000));
  const Array m = LogMel()(tone);
  CHECK(m.shape() == Shape{5, 40});
  const auto mel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  const auto band = std::lround((mel(1000) - mel(50)) / ((mel(4000) - mel(50)) / 41) - 1);
  for (int64_t f = 0; f < 5; ++f)
    for (int64_t k = 0; k < 40; ++k) CHECK(m.at({f, k}) <= m.at({f, band}));
  // The energy of sin under Hann's window: a bin k away from the tone by 0 or 1 has (N / 4)^2 or (N / 8)^2.
  CHECK(std::exp(m.at({0, band})) > 64 * 64 * 0.5);
  CHECK(LogMel()(Array::ones({3})).shape() == Shape{1, 40});
  CHECK(says(thrown<DataError>([&] { LogMel({.high = 5000}); }), {"rate / 2 = 4000"}));
  CHECK(says(thrown<ShapeError>([&] { LogMel()(Array({0})); }), {"samples must be [n]"}));
}

TEST_CASE("texts become symbols, windows and streams that go on") {
  const std::string text = "abcabdabcd";
  const Characters c(text);
  CHECK(c.alphabet() == "abcd");
  const Array s = c.encode(text);
  CHECK(c.decode(s) == text);
  const TextWindows windows(s, 3, 2);
  CHECK(windows.size() == 4);
  CHECK(c.decode(windows.get(3).x) == "abc");
  CHECK(c.decode(windows.get(3).y) == "bcd");
  const TextStreams streams(s, 2, 2);  // abcab | dabcd
  CHECK(streams.size() == 4);
  CHECK(c.decode(streams.get(0).x) == "ab");
  CHECK(c.decode(streams.get(1).x) == "da");
  CHECK(c.decode(streams.get(2).x) == "ca");
  CHECK(c.decode(streams.get(3).y) == "cd");
  CHECK(says(thrown<DataError>([&] { c.encode("abx"); }), {"byte 120 at 2 is not in the alphabet of 4 bytes"}));
  CHECK(says(thrown<DataError>([&] { TextWindows(s, 10); }), {"has 10 symbols", "take 11"}));
  CHECK(says(thrown<DataError>([&] { TextStreams(s, 5, 2); }), {"has 10 symbols; 2 streams need 12"}));
  CHECK(says(thrown<DataError>([&] { Characters(""); }), {"the text is empty"}));
  CHECK(generate_rhyme(3, 1) == generate_rhyme(3, 1));
  CHECK(generate_rhyme(3, 1) != generate_rhyme(3, 2));
}
