#include <gradus/core/kernels/gemm.h>
#include <gradus/core/kernels/linalg.h>

#include <algorithm>
#include <mutex>
#include <vector>

// LAPACK's Fortran symbols: matrices by columns, every argument by address.
extern "C" {
void dsyevd_(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work,
             const int* lwork, int* iwork, const int* liwork, int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork, int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
void dgesdd_(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s, double* u, const int* ldu,
             double* vt, const int* ldvt, double* work, const int* lwork, int* iwork, int* info);
void dgesv_(const int* n, const int* nrhs, double* a, const int* lda, int* ipiv, double* b, const int* ldb, int* info);
void dgetrf_(const int* m, const int* n, double* a, const int* lda, int* ipiv, int* info);
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
}

namespace gradus {
namespace {

/// Locks LAPACK to one thread and one call at a time: OpenBLAS's builds differ in what they allow.
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

/// The elements by columns, in double.
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

Svd svd(const Array& a) {
  check_matrix("svd", a, false);
  const int m = static_cast<int>(a.dim(0)), n = static_cast<int>(a.dim(1)), k = std::min(m, n);
  if (k == 0) return {Array::zeros({m, 0}, a.dtype()), Array::zeros({0}, a.dtype()), Array::zeros({0, n}, a.dtype())};
  auto numbers = columns_of(a);
  const auto size = [](int rows, int columns) { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns); };
  std::vector<double> s(static_cast<std::size_t>(k)), u(size(m, k)), vh(size(k, n)), work(1);
  std::vector<int> integers(8 * static_cast<std::size_t>(k));
  int info = std::all_of(numbers.begin(), numbers.end(), [](double x) { return x - x == 0; }) ? 0 : 1, ask = -1;
  const auto lock = lapack();
  const auto run = [&](int room) {
    dgesdd_("S", &m, &n, numbers.data(), &m, s.data(), u.data(), &m, vh.data(), &k, work.data(), &room, integers.data(),
            &info);
  };
  if (info == 0) {
    run(ask);
    work.resize(static_cast<std::size_t>(work[0]));
    run(static_cast<int>(work.size()));
  }
  if (info != 0)
    throw ResourceError("svd", join("no singular values of ", describe(a), " were found; are all numbers finite?"));
  return {from_columns(m, k, u, a.dtype()), Array::of<double>({k}, s).to(a.dtype()), from_columns(k, n, vh, a.dtype())};
}

Array solve(const Array& a, const Array& b) {
  check_matrix("solve", a, true);
  check_matrix("solve", b, false);
  if (b.dim(0) != a.dim(0) || b.dtype() != a.dtype())
    throw ShapeError("solve",
                     join("a is ", describe(a), ", b ", describe(b), "; they must have as many rows, and one dtype"));
  const int n = static_cast<int>(a.dim(0)), k = static_cast<int>(b.dim(1));
  if (n == 0 || k == 0) return Array::zeros(b.shape(), b.dtype());
  auto factors = columns_of(a), x = columns_of(b);
  std::vector<int> pivots(static_cast<std::size_t>(n));
  int info = 0;
  const auto lock = lapack();
  dgesv_(&n, &k, factors.data(), &n, pivots.data(), x.data(), &n, &info);
  if (info > 0) throw Error("solve", join("the matrix ", describe(a), " is singular: pivot ", info - 1, " is 0"));
  return from_columns(n, k, x, b.dtype());
}

Array cholesky(const Array& a) {
  check_matrix("cholesky", a, true);
  const int n = static_cast<int>(a.dim(0));
  if (n == 0) return a;
  auto l = columns_of(a);
  int info = 0;
  const auto lock = lapack();
  dpotrf_("L", &n, l.data(), &n, &info);
  if (info > 0)
    throw Error("cholesky", join("the matrix ", describe(a), " is not positive definite: its first ", info,
                                 " rows and columns have a determinant that is not above 0"));
  for (int j = 1; j < n; ++j) std::fill_n(l.begin() + static_cast<std::ptrdiff_t>(j) * n, j, 0.0);  // above the diagonal
  return from_columns(n, n, l, a.dtype());
}

Array det(const Array& a) {
  check_matrix("det", a, true);
  const int n = static_cast<int>(a.dim(0));
  if (n == 0) return Array::ones({}, a.dtype());
  auto lu = columns_of(a);
  std::vector<int> pivots(static_cast<std::size_t>(n));
  int info = 0;
  const auto lock = lapack();
  dgetrf_(&n, &n, lu.data(), &n, pivots.data(), &info);
  double product = 1;
  for (std::size_t i = 0; i < pivots.size(); ++i)
    product *= lu[i * pivots.size() + i] * (pivots[i] == static_cast<int>(i) + 1 ? 1 : -1);
  return Array::full({}, product, a.dtype());
}

}  // namespace gradus
