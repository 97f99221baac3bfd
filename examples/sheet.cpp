#include <gradus/autograd/ops.h>
#include <gradus/core/io/files.h>
#include <gradus/examples/sheet.h>

namespace gradus::examples {

void save_sheet(const std::string& path, const Tensor& images, std::int64_t columns) {
  if (images.rank() != 4 || (images.dim(1) != 1 && images.dim(1) != 3) || columns < 1)
    throw ShapeError("save_sheet", join("images are ", describe(images.array()), ", ", columns,
                                        " in a row; they must be [N, 1 or 3, H, W], at least one in a row"));
  const NoGrad unrecorded;
  const std::int64_t n = images.dim(0), colours = images.dim(1), h = images.dim(2), w = images.dim(3);
  const std::int64_t rows = (n + columns - 1) / columns;
  const Tensor whole = pad(images, {0, 0, 0, 0, 0, 0, 0, rows * columns - n});  // black where the last row ends early
  const Tensor sheet = permute(reshape(whole, {rows, columns, colours, h, w}), {0, 3, 1, 4, 2});
  const Array bytes = (clamp(sheet, 0.0, 1.0) * 255.0 + 0.5).array().contiguous();
  std::string text = join(colours == 1 ? "P5 " : "P6 ", columns * w, " ", rows * h, " 255\n");
  for (std::int64_t i = 0; i < bytes.size(); ++i)
    text += static_cast<char>(static_cast<unsigned char>(bytes.data<float>()[i]));
  write_atomically(path, text);
}

}  // namespace gradus::examples
