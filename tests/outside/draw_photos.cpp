// draw_photos FOLDER: fifty small images in the folders circles and stripes, each of a size of its own.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::mt19937 random(1);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  for (const bool circles : {true, false}) {
    const auto folder = std::filesystem::path(argv[1]) / (circles ? "circles" : "stripes");
    std::filesystem::create_directories(folder);
    for (int k = 0; k < 25; ++k) {
      const int width = 36 + below(20), height = 36 + below(20), radius = 8 + below(6), period = 4 + below(4);
      const int x0 = radius + below(static_cast<unsigned>(width - 2 * radius));
      const int y0 = radius + below(static_cast<unsigned>(height - 2 * radius));
      const int ink[] = {below(100), below(100), below(100)};
      std::ofstream file(folder / (std::to_string(k) + ".ppm"), std::ios::binary);
      file << "P6\n" << width << " " << height << "\n255\n";
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
          const bool inside = circles ? std::hypot(x - x0, y - y0) < radius : (x + y) / period % 2 == 0;
          for (const int c : ink) file.put(static_cast<char>((inside ? c : 180) + below(40)));
        }
    }
  }
}
