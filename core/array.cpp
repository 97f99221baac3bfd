#include <gradus/core/array.h>
#include <gradus/core/kernels/strided.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace gradus {

static_assert(sizeof(Array) == 128, "an Array is two cache lines");

namespace {

void check_lengths(const char* op, const Shape& shape, Dtype dtype) {
  int64_t bytes = static_cast<int64_t>(bytes_of(dtype));
  for (const int64_t d : shape) {
    if (d < 0) throw ShapeError(op, join("shape ", shape, " has a negative length"));
    if (d != 0 && __builtin_mul_overflow(bytes, d, &bytes))
      throw ResourceError("memory", join(dtype, shape, " holds more bytes than an address can count"));
  }
}

/// A real number that an integer type cannot hold becomes its nearest, NaN becomes 0: C++ leaves both undefined.
template <class To, class From> To convert(From x) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && !std::is_same_v<To, bool>) {
    constexpr From lowest = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From beyond = static_cast<From>(static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2);
    if (std::isnan(x)) return 0;
    if (x < lowest) return std::numeric_limits<To>::min();
    if (x >= beyond) return std::numeric_limits<To>::max();
  }
  return static_cast<To>(x);
}

}  // namespace

// A Layout copies its shape length by length: reading a Shape just written in wider pieces would wait for the narrow stores.
Array::Layout::Layout(const Shape& of, Dtype type) : shape(of.begin(), of.rank()), dtype(type) {
  int64_t step = 1, nonzero = 1;
  bool wrong = false;
  for (int i = of.rank(); i-- > 0;) {
    strides[i] = step;
    (void)__builtin_mul_overflow(step, of[i], &step);  // wraps only where `wrong` or a length of 0 says so
    wrong |= of[i] < 0 || __builtin_mul_overflow(nonzero, of[i] ? of[i] : 1, &nonzero);
  }
  if (wrong || nonzero > std::numeric_limits<int64_t>::max() / 8) [[unlikely]]
    check_lengths("Array", of, type);
  size = step;
}

[[gnu::flatten]] Array::Array(const Shape& shape, Dtype dtype, const char* maker) : layout_(shape, dtype) {
  storage_ = Storage::make(static_cast<std::size_t>(layout_.size) * bytes_of(dtype), maker);
  data_ = storage_->data();
}

void Array::set_row_major() {
  int64_t step = 1;
  for (int i = max_rank; i-- > rank();) layout_.strides[i] = 0;
  for (int i = rank(); i-- > 0;) {
    layout_.strides[i] = step;
    step *= layout_.shape[i];
  }
  layout_.dense = true;
}

bool Array::is_row_major() const {
  int64_t step = 1;
  for (int i = rank(); i-- > 0;) {
    if (layout_.shape[i] != 1 && layout_.strides[i] != step) return layout_.size == 0;
    step *= layout_.shape[i];
  }
  return true;
}

void Array::wrong_type(Dtype t) const {
  if (!storage_) throw DtypeError("data", "this tensor is absent: it has no numbers");
  throw DtypeError("data", join("read as ", t, ", but this is ", describe(*this)));
}

Array Array::full(const Shape& shape, double value, Dtype dtype) {
  Array a(shape, dtype);
  visit(dtype, [&]<class T>() { std::fill_n(a.uninitialized<T>(), a.size(), convert<T>(value)); });
  return a;
}

Array Array::full_i64(const Shape& shape, int64_t value) {
  Array a(shape, i64);
  std::fill_n(a.uninitialized<int64_t>(), a.size(), value);
  return a;
}

Array Array::arange(int64_t n, Dtype dtype) {
  Array a({n}, dtype);
  visit(dtype, [&]<class T>() {
    for (int64_t i = 0; i < n; ++i) a.uninitialized<T>()[i] = static_cast<T>(i);
  });
  return a;
}

double Array::element(int64_t i) const {
  int64_t offset = 0;
  for (int k = rank(); k-- > 0;) {
    offset += i % layout_.shape[k] * layout_.strides[k];
    i /= layout_.shape[k];
  }
  return visit(layout_.dtype, [&]<class T>() { return static_cast<double>(data<T>()[offset]); });
}

double Array::item_rounded(const char* op) const {
  if (layout_.size != 1)
    throw ShapeError(op, join("a single number was asked of ", describe(*this), "; reduce it first, e.g. sum(x)"));
  return element(0);
}

double Array::item_exactly(const char* op) const {
  const double x = item_rounded(op);
  if (layout_.dtype == i64 && std::fabs(x) >= 0x1p53)  // below, every integer is a double
    if (const int64_t held = *data<int64_t>(); convert<int64_t>(x) != held || x == 0x1p63)
      throw DtypeError(op, join(describe(*this), " holds ", held, ", which is no double; the nearest is ", text(x)),
                       join("x.", op, "<int64_t>(", op == std::string_view("at") ? "{...}" : "", ")"));
  return x;
}

int64_t Array::item_in(const char* op, int64_t least, std::uint64_t most) const {
  const double x = item_rounded(op);
  const int64_t held = layout_.dtype == i64 ? *data<int64_t>() : convert<int64_t>(x);
  const bool whole = layout_.dtype == i64 || (x >= -0x1p63 && x < 0x1p63);  // NaN is not
  if (!whole || held < least || (held > 0 && static_cast<std::uint64_t>(held) > most))
    throw DtypeError(op, join(describe(*this), " holds ", layout_.dtype == i64 ? std::to_string(held) : text(x),
                              ", the type asked for only [", least, ", ", most, "]"));
  return held;
}

Array Array::place(std::initializer_list<int64_t> index) const {
  if (static_cast<int>(index.size()) != rank())
    throw IndexError("at", join(index.size(), " indices were given for ", describe(*this)));
  int64_t offset = 0;
  int axis = 0;
  for (const int64_t asked : index) {
    const int64_t i = asked < 0 ? asked + layout_.shape[axis] : asked;
    if (i < 0 || i >= layout_.shape[axis])
      throw IndexError("at", join("index ", asked, " is out of range on axis ", axis, " of ", describe(*this)));
    offset += i * layout_.strides[axis++];
  }
  return as_strided({}, nullptr, offset);
}

// ---- views ----------------------------------------------------------------------------------------------------------

Array Array::as_strided(const Shape& shape, const int64_t* strides, int64_t offset) const {
  Array v = *this;
  v.data_ += offset * static_cast<int64_t>(bytes_of(layout_.dtype));
  v.layout_.shape = shape;
  v.layout_.size = shape.size();
  for (int i = 0; i < max_rank; ++i) v.layout_.strides[i] = i < shape.rank() ? strides[i] : 0;
  v.layout_.dense = v.is_row_major() && reinterpret_cast<std::uintptr_t>(v.data_) % 64 == 0;
  return v;
}

Array Array::permute(const std::vector<int>& axes) const {
  bool named[max_rank] = {};
  if (static_cast<int>(axes.size()) != rank())
    throw ShapeError("permute", join(axes.size(), " axes were given for ", describe(*this)));
  Shape shape = layout_.shape;
  int64_t strides[max_rank];
  for (int i = 0; i < rank(); ++i) {
    const int from = normal_axis("permute", axes[static_cast<std::size_t>(i)], layout_.shape);
    if (named[from]) throw ShapeError("permute", join("axis ", from, " is named twice"));
    named[from] = true;
    shape[i] = layout_.shape[from];
    strides[i] = layout_.strides[from];
  }
  return as_strided(shape, strides, 0);
}

Array Array::transpose(Axis first, Axis second) const {
  const int a = normal_axis("transpose", first, shape()), b = normal_axis("transpose", second, shape());
  Shape shape = layout_.shape;
  int64_t strides[max_rank];
  std::copy_n(layout_.strides, max_rank, strides);
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return as_strided(shape, strides, 0);
}

Array Array::slice(Axis along, int64_t start, int64_t stop, int64_t step) const {
  const int axis = normal_axis("slice", along, shape());
  if (step < 1) throw IndexError("slice", join("step must be at least 1, got ", step, "; use flip for the reverse order"));
  const int64_t n = layout_.shape[axis];
  auto clamp = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  start = clamp(start), stop = std::max(start, clamp(stop));
  Shape shape = layout_.shape;
  shape[axis] = stop > start ? 1 + (stop - start - 1) / step : 0;
  int64_t strides[max_rank];
  std::copy_n(layout_.strides, max_rank, strides);
  if (shape[axis] > 1) strides[axis] *= step;
  return as_strided(shape, strides, shape[axis] ? start * layout_.strides[axis] : 0);
}

Array Array::select(Axis along, int64_t index) const {
  const int axis = normal_axis("select", along, shape());
  const int64_t n = layout_.shape[axis], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n)
    throw IndexError("select", join("index ", index, " is out of range on axis ", axis, " of ", describe(*this)));
  int64_t strides[max_rank] = {};
  for (int k = 0, to = 0; k < rank(); ++k)
    if (k != axis) strides[to++] = layout_.strides[k];
  return as_strided(layout_.shape.erase(axis), strides, i * layout_.strides[axis]);
}

Array Array::expand(const Shape& shape) const {
  check_lengths("expand", shape, layout_.dtype);
  if (shape.size() >
      static_cast<int64_t>(pool::largest / bytes_of(layout_.dtype)))  // no memory, but loops over it never end
    throw ResourceError("expand", join(describe(*this), " was to be expanded to ", shape, "; a process can address ",
                                       pool::largest, " bytes"));
  const int shift = shape.rank() - rank();
  int64_t strides[max_rank] = {};
  for (int i = 0; i < shape.rank(); ++i) {
    const int64_t own = i < shift ? 1 : layout_.shape[i - shift];
    if (shift < 0 || (own != shape[i] && own != 1))
      throw ShapeError("expand", join(describe(*this), " does not expand to ", shape, "; only axes of length 1 repeat"));
    strides[i] = i >= shift && own == shape[i] ? layout_.strides[i - shift] : 0;
  }
  return as_strided(shape, strides, 0);
}

Array Array::unsqueeze(Axis along) const {
  const int axis = normal_axis("unsqueeze", along, rank() + 1);
  int64_t strides[max_rank] = {};
  for (int k = 0; k <= rank() && k < max_rank; ++k)
    strides[k] = k < axis ? layout_.strides[k] : k == axis ? 1 : layout_.strides[k - 1];
  return as_strided(layout_.shape.insert(axis, 1), strides, 0);
}

Array Array::squeeze(Axis along) const {
  const int axis = normal_axis("squeeze", along, shape());
  if (layout_.shape[axis] != 1)
    throw ShapeError("squeeze", join("axis ", axis, " of ", describe(*this), " is not of length 1"));
  return select(axis, 0);
}

Array Array::reshape(const Shape& asked) const {
  Shape shape = asked;
  int64_t known = 1;
  int free = -1;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1 && free < 0) free = i;
    else if (shape[i] < 0)
      throw ShapeError("reshape", join("shape ", asked, " may hold one -1 and no other negative length"));
    else if (__builtin_mul_overflow(known, shape[i], &known))
      throw ShapeError("reshape", join(layout_.shape, " holds ", layout_.size, " elements, ", asked, " far more"));
  }
  if (free >= 0 && known > 0 && layout_.size % known == 0) shape[free] = layout_.size / known, known = layout_.size;
  if (free >= 0 && shape[free] < 0)
    throw ShapeError("reshape",
                     join(layout_.shape, " holds ", layout_.size, " elements, ", asked, " needs a multiple of ", known));
  if (known != layout_.size)
    throw ShapeError("reshape", join(layout_.shape, " holds ", layout_.size, " elements, ", asked, " holds ", known));
  if (layout_.size == 0) check_lengths("reshape", shape, layout_.dtype);
  const Array from = contiguous();
  int64_t strides[max_rank], step = 1;
  for (int i = shape.rank(); i-- > 0; step *= shape[i]) strides[i] = step;
  return from.as_strided(shape, strides, 0);
}

Array Array::flatten(Axis start) const {
  if (rank() == 0) return reshape({1});
  const int start_axis = normal_axis("flatten", start, shape());
  Shape shape;
  int64_t rest = 1;
  for (int i = 0; i < start_axis; ++i) shape.push_back(layout_.shape[i]);
  for (int i = start_axis; i < rank(); ++i) rest *= layout_.shape[i];
  shape.push_back(rest);
  return reshape(shape);
}

// ---- copies ---------------------------------------------------------------------------------------------------------

Array Array::copy() const {
  if (!storage_) return *this;
  Array out(layout_.shape, layout_.dtype);
  const std::size_t element = bytes_of(layout_.dtype);
  if (layout_.dense) std::memcpy(out.data_, data_, static_cast<std::size_t>(layout_.size) * element);
  else copy_strided(element, layout_.shape, data_, layout_.strides, out.data_, out.layout_.strides);
  return out;
}

Array Array::to(Dtype dtype) const {
  if (dtype == layout_.dtype) return *this;
  const Array from = contiguous();
  Array out(layout_.shape, dtype);
  visit(layout_.dtype, [&]<class From>() {
    visit(dtype, [&]<class To>() {
      const From* in = from.data<From>();
      To* to = out.uninitialized<To>();
      for (int64_t i = 0; i < layout_.size; ++i) to[i] = convert<To>(in[i]);
    });
  });
  return out;
}

void Array::assign(const Array& from, const char* writer) {
  if (from.layout_.dtype != layout_.dtype)
    throw DtypeError(writer, join(describe(from), " cannot be written into ", describe(*this)));
  Array source = from.expand(layout_.shape);
  if (shares_storage(from)) source = source.copy();  // the two may overlap
  visit(layout_.dtype, [&]<class T>() {
    copy_strided(sizeof(T), layout_.shape, source.data<T>(), source.layout_.strides, write<T>(writer), layout_.strides);
  });
}

std::string describe(const Array& a) { return a.defined() ? join(a.dtype(), a.shape()) : "absent"; }

}  // namespace gradus
