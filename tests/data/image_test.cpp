#include <gradus/core/io/files.h>
#include <gradus/data/image.h>
#include <gradus/data/image_folder.h>
#include <gradus/data/loader.h>

#include <doctest/doctest.h>

#include <gradus/tests/helpers/same_arrays.h>
#include <gradus/tests/helpers/temp_dir.h>
#include <gradus/tests/helpers/throws.h>

#include <cmath>

using namespace gradus;
using namespace gradus::data;
using testing::same_array;

namespace {

const std::string vectors = GRADUS_SOURCE_DIR "/tests/vectors/";

Array expected(const std::string& name) {
  for (const auto& [key, a] : load_safetensors(vectors + "images.safetensors").tensors)
    if (key == name) return a;
  FAIL("no vector " << name);
  return {};
}

std::string image_file(const std::string& name) { return vectors + "images/" + name; }

double largest_difference(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a.element(i) - b.element(i)));
  return most;
}

bool reads(const std::string& kind) { return image_formats().find(kind) != std::string::npos; }

std::vector<double> numbers(const Array& a) {
  std::vector<double> all;
  for (std::int64_t i = 0; i < a.size(); ++i) all.push_back(a.element(i));
  return all;
}
using Numbers = std::vector<double>;

struct Files {
  testing::TempDir dir;
  Array of(const std::string& bytes) const { return read_image(dir.put("t.pgm", bytes)); }
  std::string refused(const std::string& bytes) const {
    const std::string path = dir.put("t.pgm", bytes);
    const std::string what = thrown<DataError>([&] { read_image(path); });
    return what.starts_with(path + ": ") ? what.substr(path.size() + 2) : what;
  }
  void put(const std::string& folder, const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(dir / folder);
    dir.put(folder + "/" + name, bytes);
  }
};

/// A grey image of one value.
std::string grey(int height, int width, int value) {
  return join("P5 ", width, " ", height, " 255\n") +
         std::string(static_cast<std::size_t>(height * width), static_cast<char>(value));
}

}  // namespace

TEST_CASE("PGM and PPM, as bytes and as text, of 8 and of 16 bits") {
  const Files files;
  CHECK(same_array(read_image(image_file("colour.ppm")), expected("colour.ppm")));
  CHECK(same_array(read_image(image_file("grey.pgm")), expected("grey.pgm")));
  CHECK(numbers(files.of("P2 # a comment\n2 # two\n2\n255\n0 7\n\n255 9")) == Numbers{0, 7, 255, 9});
  CHECK(numbers(files.of("P3\n1 2\n255\n1 2 3 4 5 6\n")) == Numbers{1, 4, 2, 5, 3, 6});
  CHECK(numbers(files.of("P5 2 1 3\n\1\3")) == Numbers{85, 255});
  CHECK(numbers(files.of(std::string("P5 2 1 65535\n\xFF\xFF\x80\0", 17))) == Numbers{255, 128});
  CHECK(describe(files.of("P6 1 1 255\nabc")) == "u8[3,1,1]");
}

TEST_CASE("PNG of every kind is what Pillow reads") {
  if (!reads("PNG")) {
    CHECK(thrown<DataError>([] { read_image(image_file("grey.png")); }).find("libpng-dev") != std::string::npos);
    return;
  }
  for (const char* name : {"colour.png", "grey.png", "alpha.png", "palette.png", "bits.png"})
    CHECK_MESSAGE(same_array(read_image(image_file(name)), expected(name)), name);
  const Files files;
  const std::string whole = read_file(image_file("colour.png"));
  for (std::size_t n = 8; n < whole.size() - 12; n += 7)  // behind are only marks of the end
    CHECK(files.refused(whole.substr(0, n)).find("is a damaged PNG: ") == 0);
}

TEST_CASE("JPEG is what Pillow reads, to a rounding") {
  if (!reads("JPEG")) {
    CHECK(thrown<DataError>([] { read_image(image_file("grey.jpg")); }).find("libjpeg-dev") != std::string::npos);
    return;
  }
  for (const char* name : {"colour.jpg", "progressive.jpg", "grey.jpg"})
    CHECK_MESSAGE(largest_difference(read_image(image_file(name)), expected(name)) <= 2, name);
  const Files files;
  const std::string whole = read_file(image_file("colour.jpg"));
  for (std::size_t n = 3; n < whole.size() - 2; n += 7)
    CHECK(files.refused(whole.substr(0, n)).find("is a damaged JPEG: ") == 0);
  CHECK(thrown<DataError>([] { read_image(image_file("cmyk.jpg")); }).find("is a damaged JPEG: ") != std::string::npos);
}

TEST_CASE("files that are no images, or damaged ones, are refused") {
  const Files files;
  CHECK(files.refused("hello") ==
        "is no image that can be read (it begins with \"hello\"); this build reads " + image_formats());
  CHECK(files.refused("").find("is no image that can be read") == 0);
  CHECK(files.refused("P5 2 2 255\nabc") == "has 3 bytes behind its header; 2 x 2 pixels take 4; it is cut short");
  CHECK(files.refused("P2 2 2 255\n1 2 3").find("pixels take at least 7") != std::string::npos);
  CHECK(files.refused("P2 2 2 255\n1 2 30000 4") == "has a pixel of 30000 in row 1; its largest value is 255");
  CHECK(files.refused("P2 2 2 255\n100 200 300").find("has a pixel of 300 in row 1") == 0);
  CHECK(files.refused("P2 2 2 255\n100 200   ").find("has no number at byte 21, where its next pixel should stand") == 0);
  CHECK(files.refused("P4 2 2\nab").find("is P4; of its kin") == 0);
  CHECK(files.refused("P5 2 2 70000\nabcd").find("largest value is 70000") != std::string::npos);
  CHECK(files.refused("P5 2 x 255\nabcd").find("has no number at byte 5, where its height should stand") == 0);
  CHECK(files.refused("P5 0 2 255\n").find("says it has 2 x 0 pixels") == 0);
  CHECK(files.refused("P5 99999999 99999999 255\nabc").find("cut short") != std::string::npos);
  CHECK(files.refused("P5 99999999999999999999 1 255\nabc").find("is too large") != std::string::npos);
  CHECK(files.refused("P5 2 2 255").find("has no space behind its header") == 0);
  CHECK(files.refused("P5 #").find("has no number") == 0);
}

TEST_CASE("resizing is PyTorch's antialiased bilinear interpolation, rounded") {
  const Array image = expected("colour.ppm");
  for (const auto& [h, w] : {std::pair{4, 5}, {20, 30}, {9, 3}, {1, 1}, {13, 12}})
    CHECK(largest_difference(resize_image(image, h, w), expected(join("resized_", h, "x", w))) <= 0.5 + 1e-9);
  CHECK(same_array(resize_image(image, 9, 12), image));
  CHECK_THROWS_AS(resize_image(image, 0, 3), ShapeError);
  CHECK_THROWS_AS(resize_image(Array::zeros({3, 0, 2}, u8), 2, 2), ShapeError);
  CHECK_THROWS_AS(resize_image(Array::zeros({3, 2, 2}), 2, 2), ShapeError);
}

TEST_CASE("grey of colours and colours of grey") {
  CHECK(same_array(with_channels(expected("colour.ppm"), 1), expected("luma")));
  const Array three = with_channels(expected("grey.pgm"), 3);
  for (std::int64_t c = 0; c < 3; ++c) CHECK(same_array(three.select(0, c), expected("grey.pgm").select(0, 0)));
  CHECK_THROWS_AS(with_channels(Array::zeros({2, 3, 3}, u8), 1), ShapeError);
  CHECK_THROWS_AS(with_channels(Array::zeros({1, 3, 3}, u8), 2), ShapeError);
}

TEST_CASE("ImageFolder: classes are folders, images lie below them in the order of their names") {
  const Files files;
  files.put("dogs", "b.PGM", grey(2, 3, 20));
  files.put("dogs/more", "a.pgm", grey(2, 3, 30));
  files.put("cats", "2.pgm", grey(2, 3, 51));
  files.put("cats", "10.pgm", grey(2, 3, 255));
  files.put("cats", "notes.txt", "no image");
  files.put("cats", ".3.pgm", "no image");
  files.put(".cache", "x.pgm", "no image");
  files.dir.put("readme.pgm", "of no class");
  const ImageFolder set(files.dir.path());
  CHECK(set.classes() == std::vector<std::string>{"cats", "dogs"});
  REQUIRE(set.size() == 4);
  CHECK(set.path(0) == files.dir / "cats/10.pgm");
  CHECK(set.path(3) == files.dir / "dogs/more/a.pgm");
  CHECK(numbers(set.labels()) == Numbers{0, 0, 1, 1});
  const Example e = set.get(1);
  CHECK(describe(e.x) == "f32[3,2,3]");
  CHECK(e.x.element(17) == static_cast<double>(51 / 255.0f));
  CHECK(describe(e.y) == "i64[]");
  CHECK(set.get(2).y.item() == 1);
  CHECK_THROWS_AS(set.get(4), IndexError);
  CHECK(describe(ImageFolder(files.dir.path(), {.resize = {4, 5}, .channels = 1}).get(0).x) == "f32[1,4,5]");
  const DataLoader loader(set, {.batch_size = 4, .shuffle = false, .num_workers = 2});
  CHECK(describe(loader.batch(0, 0).x) == "f32[4,3,2,3]");
}

TEST_CASE("ImageFolder refuses unequal sizes with both files, an empty class, and what is no folder of folders") {
  const Files files;
  CHECK(thrown<DataError>([&] { ImageFolder(files.dir.path()); }) ==
        files.dir.path() + ": has no folder in it; there must be one for each class, with its images");
  CHECK_THROWS_AS(ImageFolder(files.dir / "none"), DataError);
  files.put("a", "1.pgm", grey(2, 3, 20));
  files.put("a", "2.pgm", grey(4, 3, 20));
  const ImageFolder set(files.dir.path());
  CHECK(thrown<DataError>([&] { set.get(1); }) == files.dir / "a/2.pgm" + ": has 4 x 3 pixels, " + (files.dir / "a/1.pgm") +
                                                      " has 2 x 3; all must be of one size\n  try: {.resize = {2, 3}}");
  CHECK(thrown<DataError>([&] {
          for (auto& b : DataLoader(set).epoch(0)) (void)b;
        }).find("DataLoader: while loading item 1: ") == 0);
  files.put("b", "notes.txt", "no image");
  CHECK(thrown<DataError>([&] { ImageFolder(files.dir.path()); }) ==
        files.dir / "b" + ": is an empty class: it has no image (.png .jpg .jpeg .ppm .pgm .pnm)");
  files.put("b", "1.png", "no image");
  CHECK(thrown<DataError>([&] { ImageFolder(files.dir.path()).get(2); }).find("1.png: is no image that can be read") !=
        std::string::npos);
  CHECK_THROWS_AS(ImageFolder(files.dir.path(), {.resize = {4, 0}}), DataError);
  CHECK_THROWS_AS(ImageFolder(files.dir.path(), {.channels = 2}), DataError);
}
