// First numbers. Each call fills a tensor in place from a fresh stream of a generator and is not recorded; names, defaults
// and formulas are those of torch.nn.init. Errors: DtypeError unless f32 or f64, ShapeError where a shape has no fans.
#pragma once

#include <gradus/autograd/tensor.h>
#include <gradus/core/random.h>

namespace gradus::nn::init {

/// How a function between two layers changes the deviation of what passes it.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };
enum class FanMode { fan_in, fan_out };

/// Inputs and outputs of one unit of a weight [out, in, window...].
struct Fans {
  int64_t in, out;
};
Fans fans(const Shape& weight);

/// linear, sigmoid 1; tanh 5/3; relu sqrt 2; leaky_relu sqrt(2 / (1 + a^2)); selu 3/4.
double calculate_gain(Nonlinearity nonlinearity, double a = 0.01);

void constant_(const Tensor& t, double value);
void zeros_(const Tensor& t);
void ones_(const Tensor& t);
void uniform_(const Tensor& t, double low = 0, double high = 1, Generator& generator = default_generator());
void normal_(const Tensor& t, double mean = 0, double deviation = 1, Generator& generator = default_generator());

/// U(-b, b), b = gain sqrt(6 / (fan_in + fan_out)), and N(0, gain^2 2 / (fan_in + fan_out)): Glorot and Bengio, AISTATS
/// 2010.
void xavier_uniform_(const Tensor& t, double gain = 1, Generator& generator = default_generator());
void xavier_normal_(const Tensor& t, double gain = 1, Generator& generator = default_generator());

struct KaimingOptions {
  double a = 0;  ///< slope of leaky_relu below zero
  FanMode mode = FanMode::fan_in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};
/// U(-b, b), b = gain sqrt(3 / fan), and N(0, gain^2 / fan): He, Zhang, Ren and Sun, ICCV 2015.
void kaiming_uniform_(const Tensor& t, const KaimingOptions& options = {}, Generator& generator = default_generator());
void kaiming_normal_(const Tensor& t, const KaimingOptions& options = {}, Generator& generator = default_generator());

/// Rows (or columns, whichever are fewer) of the matrix [first axis, rest] are orthonormal, times gain; uniform over these
/// matrices: Saxe, McClelland and Ganguli, ICLR 2014.
void orthogonal_(const Tensor& t, double gain = 1, Generator& generator = default_generator());

/// Normal, but in [low, high]: numbers beyond are drawn again.
void trunc_normal_(const Tensor& t, double mean = 0, double deviation = 1, double low = -2, double high = 2,
                   Generator& generator = default_generator());
/// A matrix with ones on the diagonal, else 0. Errors: ShapeError.
void eye_(const Tensor& t);
/// A convolution's weight [O, I, K..] that hands its first channels on: 1 in the middle of the kernel of channel o and input
/// o, in each of `groups` parts of the outputs. Errors: ShapeError.
void dirac_(const Tensor& t, int64_t groups = 1);
/// A matrix of N(0, deviation) whose columns have this share of zeros each, at random rows: Martens, 2010. Errors: ShapeError.
void sparse_(const Tensor& t, double sparsity, double deviation = 0.01, Generator& generator = default_generator());

/// U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), the default of Linear and Conv2d for weight and bias (kaiming_uniform_ with
/// a = sqrt 5).
Array fan_in_uniform(const Shape& shape, int64_t fan_in);

}  // namespace gradus::nn::init
