// Everything that a program usually needs. One that writes an op of its own also includes <gradus/autograd/op.h>, one that
// writes an optimizer <gradus/optim/rule/rule.h>.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/error.h>
#include <gradus/core/io/npy.h>
#include <gradus/core/io/npz.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/core/io/torch_file.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/core/warning.h>

#include <gradus/autograd/backward.h>
#include <gradus/autograd/check/gradcheck.h>
#include <gradus/autograd/checkpoint.h>
#include <gradus/autograd/functional.h>
#include <gradus/autograd/hook.h>
#include <gradus/autograd/inspect/draw_tape.h>
#include <gradus/autograd/inspect/finite.h>
#include <gradus/autograd/inspect/print_tape.h>
#include <gradus/autograd/inspect/profile.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/tensor.h>

#include <gradus/nn/nn.h>
#include <gradus/nn/onnx/export_onnx.h>

#include <gradus/optim/optimizer.h>

#include <gradus/data/augment.h>
#include <gradus/data/cifar.h>
#include <gradus/data/combine.h>
#include <gradus/data/csv.h>
#include <gradus/data/dataset.h>
#include <gradus/data/digits.h>
#include <gradus/data/idx.h>
#include <gradus/data/image.h>
#include <gradus/data/image_folder.h>
#include <gradus/data/loader.h>
#include <gradus/data/mel.h>
#include <gradus/data/scenes.h>
#include <gradus/data/series.h>
#include <gradus/data/text.h>
#include <gradus/data/tokenizer.h>
#include <gradus/data/wav.h>

#include <gradus/train/checkpoint.h>
#include <gradus/train/evaluate.h>
#include <gradus/train/event_file.h>
#include <gradus/train/fit.h>
#include <gradus/train/frechet.h>
#include <gradus/train/lr_finder.h>
#include <gradus/train/metrics.h>
