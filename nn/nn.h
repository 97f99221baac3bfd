// All of nn: the base of modules, the layers, the losses, the initialisers.
#pragma once

#include <gradus/nn/eval_mode.h>
#include <gradus/nn/init.h>
#include <gradus/nn/layers/activation.h>
#include <gradus/nn/layers/attention.h>
#include <gradus/nn/layers/bilinear.h>
#include <gradus/nn/layers/conv.h>
#include <gradus/nn/layers/conv_line.h>
#include <gradus/nn/layers/embedding.h>
#include <gradus/nn/layers/linear.h>
#include <gradus/nn/layers/module_dict.h>
#include <gradus/nn/layers/module_list.h>
#include <gradus/nn/layers/norm.h>
#include <gradus/nn/layers/pool.h>
#include <gradus/nn/layers/position.h>
#include <gradus/nn/layers/recurrent.h>
#include <gradus/nn/layers/residual.h>
#include <gradus/nn/layers/sequential.h>
#include <gradus/nn/layers/shape.h>
#include <gradus/nn/layers/transformer.h>
#include <gradus/nn/losses/losses.h>
#include <gradus/nn/module.h>
