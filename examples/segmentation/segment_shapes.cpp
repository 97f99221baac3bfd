// A U-Net (Ronneberger, Fischer and Brox, "U-Net: Convolutional networks for biomedical image segmentation", 2015) says of
// every pixel which kind of shape it is of. The scenes are drawn by our own code; those of the test are others.
//
//   segment_shapes
//   segment_shapes --save FILE     also FILE.ppm: scenes, and below each the classes that the network sees
#include <gradus/examples/flags.h>
#include <gradus/examples/sheet.h>
#include <gradus/gradus.h>

using namespace gradus;

/// Two convolutions of 3 x 3.
struct Double : nn::Module<Double> {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d norm1, norm2;
  GRADUS_FIELDS(conv1, norm1, conv2, norm2)
  Double(int64_t in, int64_t out)
      : conv1(in, out, 3, {.padding = 1, .bias = false}),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        norm1(out),
        norm2(out) {}
  Tensor forward(const Tensor& x) { return relu(norm2(conv2(relu(norm1(conv1(x)))))); }
};

/// Down to a quarter of height and width, and up again; each size meets what was seen on the way down.
struct UNet : nn::Module<UNet> {
  Double down1, down2, bottom, joined2, joined1;
  nn::ConvTranspose2d up2, up1;
  nn::Conv2d output;
  GRADUS_FIELDS(down1, down2, bottom, up2, joined2, up1, joined1, output)
  UNet(int64_t width, int64_t classes)
      : down1(3, width),
        down2(width, 2 * width),
        bottom(2 * width, 4 * width),
        joined2(4 * width, 2 * width),
        joined1(2 * width, width),
        up2(4 * width, 2 * width, 2, {.stride = 2}),
        up1(2 * width, width, 2, {.stride = 2}),
        output(width, classes, 1) {}
  /// x [N, 3, H, W] -> [N, classes, H, W]
  Tensor forward(const Tensor& x) {
    const Tensor whole = down1(x), half = down2(max_pool2d(whole, 2));
    const Tensor quarter = bottom(max_pool2d(half, 2));
    const Tensor y = joined2(cat({half, up2(quarter)}, 1));
    return output(joined1(cat({whole, up1(y)}, 1)));
  }
};

/// Ten scenes in a row and what the network makes of them, each class in a colour.
void draw(UNet& net, const data::DataLoader& scenes, const std::string& path) {
  const NoGrad unrecorded;
  const nn::EvalMode eval_mode(net);
  const Tensor x = Tensor(scenes.batch(0, 0).x).slice(0, 0, 10);
  const Tensor colours = tensor<float>({4, 3}, {0, 0, 0, 1, 0.3F, 0.3F, 0.3F, 1, 0.3F, 0.4F, 0.5F, 1});
  const Tensor seen = embedding(colours, argmax(net(x), 1)).permute({0, 3, 1, 2});
  examples::save_sheet(path, cat({x, seen}), x.dim(0));
}

examples::Outcome learn(const examples::Flags& flags) {
  const auto load = [&](bool train) {
    const auto set = data::generate_scenes(flags.quick ? 40
                                           : train     ? 2000
                                                       : 400,
                                           flags.seed, train, {.side = flags.quick ? 24 : 48});
    return data::DataLoader(data::TensorDataset(set.images, set.masks),
                            {.batch_size = flags.quick ? 4 : flags.batch, .shuffle = train, .seed = flags.seed});
  };
  const auto train = load(true), test = load(false);
  UNet net(flags.quick ? 8 : 16, 4);
  auto optimizer = flags.make_optimizer(net, train);
  const auto step = [&](const data::Batch& batch) -> training::StepResult {
    const Tensor logits = net(Tensor(batch.x) - 0.5);
    return {cross_entropy(logits, Tensor(batch.y)), logits.permute({0, 2, 3, 1})};
  };
  auto options = flags.fit(&test, {training::mean_iou(), training::accuracy()});
  options.unit = "scenes";
  const auto result = training::fit(net, optimizer, train, step, options);
  if (!flags.save.empty()) draw(net, test, flags.save + ".ppm");
  return flags.outcome(net, result, options, "shapes, pixel by pixel", 0.23);  // of all background
}

int main(int argc, char** argv) {
  return examples::run(argc, argv, "A U-Net finds the pixels of shapes",
                       {.optimizer = "adamw(lr=one_cycle(1e-2, total=TOTAL))", .epochs = 6, .batch = 16, .quick_length = 12},
                       learn);
}
