// Everything that a program usually needs. What it writes itself needs one more: <gradus/autograd/op.h> for an op of its own.
#pragma once

#include <gradus/core/array.h>
#include <gradus/core/error.h>
#include <gradus/core/npy.h>
#include <gradus/core/parallel.h>
#include <gradus/core/random.h>
#include <gradus/core/safetensors.h>

#include <gradus/autograd/backward.h>
#include <gradus/autograd/ops.h>
#include <gradus/autograd/tensor.h>

#include <gradus/nn/nn.h>

#include <gradus/data/dataset.h>
#include <gradus/data/digits.h>
#include <gradus/data/idx.h>
#include <gradus/data/loader.h>
