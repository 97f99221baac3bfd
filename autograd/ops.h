// Every op, with one line of meaning and one declaration each: the public index. Names and defaults are PyTorch's.
// Elementwise ops broadcast as NumPy does; a plain number takes the dtype of the tensor it meets.
#pragma once

#include <gradus/autograd/ops/along_axes.h>
#include <gradus/autograd/ops/arrange.h>
#include <gradus/autograd/ops/composite.h>
#include <gradus/autograd/ops/creation.h>
#include <gradus/autograd/ops/elementwise.h>
#include <gradus/autograd/ops/layers.h>
#include <gradus/autograd/ops/linalg.h>
#include <gradus/autograd/ops/query.h>
#include <gradus/autograd/ops/recurrent_layer.h>
#include <gradus/autograd/ops/rotary.h>
#include <gradus/autograd/ops/vision.h>
