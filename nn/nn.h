// All of nn: the base of modules, the layers, the losses, the initialisers.
#pragma once

#include <gradus/nn/activation.h>
#include <gradus/nn/conv.h>
#include <gradus/nn/init.h>
#include <gradus/nn/linear.h>
#include <gradus/nn/loss.h>
#include <gradus/nn/module.h>
#include <gradus/nn/norm.h>
#include <gradus/nn/sequential.h>
