#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/linalg.h>

#include <algorithm>
#include <mutex>
#include <vector>

// LAPACK's Fortran symbols: matrices by columns, everything by address.
extern "C" {
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork, int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
}

namespace gradus {
namespace {

/// One thread, and one call at a time: OpenBLAS's builds differ in what they allow.
std::unique_lock<std::mutex> lapack() {
  static std::mutex mutex;
  blas_info();  // pins it to one thread
  return std::unique_lock(mutex);
}

void check_matrix(const char* op, const Array& a, bool square) {
  if (a.rank() != 2 || (square && a.dim(0) != a.dim(1)))
    throw ShapeError(op, join("takes a ", square ? "square " : "", "matrix, got ", describe(a)));
  if (!is_real(a.dtype())) throw DtypeError(op, join("takes f32 or f64, got ", describe(a)));
}

/// The numbers by columns, in double.
std::vector<double> columns_of(const Array& a) {
  const Array t = a.transpose(0, 1).contiguous().to(f64);
  return {t.data<double>(), t.data<double>() + t.size()};
}
Array from_columns(std::int64_t rows, std::int64_t columns, const std::vector<double>& numbers, Dtype dtype) {
  const std::vector<double> used(numbers.begin(), numbers.begin() + rows * columns);
  return Array::of<double>({columns, rows}, used).transpose(0, 1).contiguous().to(dtype);
}

}  // namespace

Eigen eigh(const Array& a) {
  check_matrix("eigh", a, true);
  const int n = static_cast<int>(a.dim(0));
  if (n == 0) return {Array::zeros({0}, a.dtype()), Array::zeros({0, 0}, a.dtype())};
  auto v = columns_of(a);
  std::vector<double> values(static_cast<std::size_t>(n)), work(1);
  std::vector<int> integers(1);
  int info = 0, ask = -1;
  const auto lock = lapack();
  dsyevd_("V", "L", &n, v.data(), &n, values.data(), work.data(), &ask, integers.data(), &ask, &info);
  work.resize(static_cast<std::size_t>(work[0]));
  integers.resize(static_cast<std::size_t>(integers[0]));
  const int room = static_cast<int>(work.size()), integer_room = static_cast<int>(integers.size());
  for (const double x : v)
    if (!(x - x == 0)) info = 1;
  if (info == 0)
    dsyevd_("V", "L", &n, v.data(), &n, values.data(), work.data(), &room, integers.data(), &integer_room, &info);
  if (info != 0)
    throw ResourceError("eigh", join("no eigenvalues of ", describe(a), " were found; are all numbers finite?"));
  return {Array::of<double>({n}, values).to(a.dtype()), from_columns(n, n, v, a.dtype())};
}

Qr qr(const Array& a) {
  check_matrix("qr", a, false);
  const int m = static_cast<int>(a.dim(0)), n = static_cast<int>(a.dim(1)), k = std::min(m, n);
  if (k == 0) return {Array::zeros({m, 0}, a.dtype()), Array::zeros({0, n}, a.dtype())};
  auto numbers = columns_of(a);
  std::vector<double> tau(static_cast<std::size_t>(k)), work(1);
  int info = 0, ask = -1;
  const auto lock = lapack();
  dgeqrf_(&m, &n, numbers.data(), &m, tau.data(), work.data(), &ask, &info);
  work.resize(static_cast<std::size_t>(work[0]) + static_cast<std::size_t>(64 * n));  // enough for dorgqr too
  const int room = static_cast<int>(work.size());
  dgeqrf_(&m, &n, numbers.data(), &m, tau.data(), work.data(), &room, &info);
  Array r = Array::zeros({k, n}, f64);
  for (int j = 0; j < n; ++j)
    for (int i = 0; i <= std::min(j, k - 1); ++i)
      r.uninitialized<double>()[i * n + j] = numbers[static_cast<std::size_t>(j * m + i)];
  dorgqr_(&m, &k, &k, numbers.data(), &m, tau.data(), work.data(), &room, &info);
  return {from_columns(m, k, numbers, a.dtype()), r.to(a.dtype())};
}

}  // namespace gradus
