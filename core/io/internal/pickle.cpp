#include <gradus/core/io/files.h>
#include <gradus/core/io/internal/pickle.h>
#include <gradus/core/io/json.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace gradus {
namespace {

/// A value that a pickle builds, in 16 bytes.
struct Value {
  enum Kind : std::uint8_t { none, boolean, integer, real, text, tuple, container, global, storage, tensor };
  Kind kind = none;
  std::uint32_t count = 0;  // bytes of a text, items of a tuple (a storage and a tensor keep the tuples they were made of)
  std::int64_t at = 0;      // an integer's value; or the index of a text, a tuple's items, a container or a global
};

constexpr const char* kind_names[] = {"None",    "a bool",         "an integer", "a float",   "a text",
                                      "a tuple", "a dict or list", "a global",   "a storage", "a tensor"};

struct Item {
  Value key, value;  // a list's items have no key
  std::int64_t next = -1;
};
struct Container {
  std::int64_t first = -1, last = -1;
  bool is_list = false;
};

/// The Python globals that the reader accepts; a storage type or a dtype has its element type.
struct Global {
  enum Role { ordered_dict, rebuild_tensor, rebuild_tensor_of_dtype, rebuild_parameter, typed, untyped, dtype };
  std::string_view module, name;
  Role role;
  StoredElement element = {};
};
constexpr StoredElement of_f2{'f', 2, false, f32}, of_g2{'g', 2, false, f32}, of_f4{'f', 4, false, f32},
    of_f8{'f', 8, false, f64}, of_i1{'i', 1, false, i64}, of_i2{'i', 2, false, i64}, of_i4{'i', 4, false, i64},
    of_i8{'i', 8, false, i64}, of_u1{'u', 1, false, u8}, of_u2{'u', 2, false, i64}, of_u4{'u', 4, false, i64},
    of_u8{'u', 8, false, i64}, of_bool{'b', 1, false, gradus::boolean};
constexpr Global globals[] = {{"collections", "OrderedDict", Global::ordered_dict},
                              {"torch._utils", "_rebuild_tensor_v2", Global::rebuild_tensor},
                              {"torch._utils", "_rebuild_tensor_v3", Global::rebuild_tensor_of_dtype},
                              {"torch._utils", "_rebuild_parameter", Global::rebuild_parameter},
                              {"torch", "FloatStorage", Global::typed, of_f4},
                              {"torch", "DoubleStorage", Global::typed, of_f8},
                              {"torch", "HalfStorage", Global::typed, of_f2},
                              {"torch", "BFloat16Storage", Global::typed, of_g2},
                              {"torch", "CharStorage", Global::typed, of_i1},
                              {"torch", "ShortStorage", Global::typed, of_i2},
                              {"torch", "IntStorage", Global::typed, of_i4},
                              {"torch", "LongStorage", Global::typed, of_i8},
                              {"torch", "ByteStorage", Global::typed, of_u1},
                              {"torch", "BoolStorage", Global::typed, of_bool},
                              {"torch.storage", "UntypedStorage", Global::untyped},
                              {"torch", "uint16", Global::dtype, of_u2},
                              {"torch", "uint32", Global::dtype, of_u4},
                              {"torch", "uint64", Global::dtype, of_u8}};

/// Executes the opcodes of the pickle, then collects the tensors in the value they built.
class PickleReader {
 public:
  PickleReader(const std::string& path, std::string_view text, std::uint64_t bytes)
      : path_(path), text_(text), cells_left_(bytes / sizeof(Value) + 57'344) {}

  std::deque<PickledTensor> operator()() {
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) fail("it ends with ", stack_.size(), " values; one is right");
    if (at_ != text_.size()) fail(text_.size() - at_, " bytes follow its end");
    walk(stack_[0], "", 0);
    return std::move(tensors_);
  }

 private:
  template <class... Parts> [[noreturn]] void fail(const Parts&... parts) const {
    bad_file(path_, "pickle at byte ", at_, ": ", parts...);
  }

  /// Counts the memory of `cells` more values. Errors: DataError when the limit is exceeded.
  void spend(std::uint64_t cells) {
    if (cells > cells_left_) fail("it builds more than a file of this size may; save the state dict alone");
    cells_left_ -= cells;
  }

  // ---- bytes ----
  std::string_view take(std::uint64_t bytes) {
    if (bytes > text_.size() - at_) fail("it is cut short");
    at_ += static_cast<std::size_t>(bytes);
    return text_.substr(at_ - static_cast<std::size_t>(bytes), static_cast<std::size_t>(bytes));
  }
  std::uint64_t number(std::size_t width) {
    const std::string_view bytes = take(width);
    std::uint64_t n = 0;
    for (std::size_t i = width; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes[i]);
    return n;
  }
  /// Reads an integer of Python in two's complement.
  std::int64_t long_integer() {
    const auto width = static_cast<std::size_t>(number(1));
    if (width > 8) fail("an integer of ", width, " bytes is not read");
    if (width == 0) return 0;
    const int unused = static_cast<int>(64 - 8 * width);
    return static_cast<std::int64_t>(number(width) << unused) >> unused;
  }
  std::string_view line() {
    const auto end = text_.find('\n', at_);
    if (end == std::string_view::npos) fail("it is cut short");
    const std::string_view found = take(end - at_);
    ++at_;
    return found;
  }
  std::string_view text_of(const Value& v) const { return text_.substr(static_cast<std::size_t>(v.at), v.count); }

  // ---- values ----
  void push(Value v) {
    spend(1);
    stack_.push_back(v);
  }
  void push_text(std::uint64_t bytes) {
    const auto begin = static_cast<std::int64_t>(at_);
    take(bytes);
    push({Value::text, static_cast<std::uint32_t>(bytes), begin});
  }
  Value pop() {
    if (stack_.size() == (marks_.empty() ? 0 : marks_.back())) fail("it takes a value where there is none");
    const Value v = stack_.back();
    stack_.pop_back();
    ++cells_left_;
    return v;
  }
  Value pop(Value::Kind kind, const char* what) {
    const Value v = pop();
    if (v.kind != kind) fail(what, " is ", kind_names[v.kind], "; ", kind_names[kind], " would be right");
    return v;
  }
  std::size_t pop_mark() {
    if (marks_.empty()) fail("it takes values from a mark that is not there");
    const std::size_t mark = marks_.back();
    marks_.pop_back();
    return mark;
  }
  void push_tuple(std::size_t from) {
    const Value made{Value::tuple, static_cast<std::uint32_t>(stack_.size() - from),
                     static_cast<std::int64_t>(items_.size())};
    spend(made.count);
    items_.insert(items_.end(), stack_.begin() + static_cast<std::ptrdiff_t>(from), stack_.end());
    drop_to(from);
    push(made);
  }
  void push_tuple_of(std::size_t count) {
    if (stack_.size() - (marks_.empty() ? 0 : marks_.back()) < count) fail("it takes a value where there is none");
    push_tuple(stack_.size() - count);
  }
  void drop_to(std::size_t size) {
    cells_left_ += stack_.size() - size;
    stack_.resize(size);
  }
  const Value& item(const Value& tuple, std::size_t i) const { return items_[static_cast<std::size_t>(tuple.at) + i]; }
  void push_container(bool is_list) {
    spend(2);
    containers_.push_back({.is_list = is_list});
    push({Value::container, 0, static_cast<std::int64_t>(containers_.size()) - 1});
  }
  void append(const Value& to, const Value& key, const Value& value) {
    spend(3);
    Container& c = containers_[static_cast<std::size_t>(to.at)];
    const auto place = static_cast<std::int64_t>(dict_items_.size());
    dict_items_.push_back({key, value});
    (c.first < 0 ? c.first : dict_items_[static_cast<std::size_t>(c.last)].next) = place;
    c.last = place;
  }
  /// Appends the stack's values from index `from` on to the container below them; a dict takes pairs of key and value.
  void fill(std::size_t from, bool is_list) {
    if (from <= (marks_.empty() ? 0 : marks_.back())) fail("it fills a container where there is none");
    const Value to = stack_[from - 1];
    const bool right = to.kind == Value::container && containers_[static_cast<std::size_t>(to.at)].is_list == is_list;
    if (!right) fail("it puts items into ", kind_names[to.kind], "; a ", is_list ? "list" : "dict", " would be right");
    if (!is_list && (stack_.size() - from) % 2 != 0) fail("a key of a dict has no value");
    for (std::size_t i = from; i < stack_.size(); i += is_list ? 1 : 2)
      is_list ? append(to, {}, stack_[i]) : append(to, stack_[i], stack_[i + 1]);
    drop_to(from);
  }

  void memoize(std::uint64_t place) {
    if (stack_.size() == (marks_.empty() ? 0 : marks_.back())) fail("it remembers a value where there is none");
    if (place > memo_.size()) fail("it remembers value ", place, " before value ", memo_.size());
    if (place == memo_.size()) spend(1), memo_.emplace_back();
    memo_[static_cast<std::size_t>(place)] = stack_.back();
  }
  void recall(std::uint64_t place) {
    if (place >= memo_.size()) fail("it asks for value ", place, " of ", memo_.size(), " that it has remembered");
    push(memo_[static_cast<std::size_t>(place)]);
  }

  // ---- the callables of a state dict ----
  void push_global(std::string_view module, std::string_view name) {
    for (const Global& g : globals)
      if (g.module == module && g.name == name) return push({Value::global, 0, &g - globals});
    throw DataError(path_,
                    join("refused: its pickle asks for \"", excerpt(module), ".", excerpt(name),
                         "\", which tensors do not need, or whose numbers no Array has"),
                    "torch.save({k: v.float() for k, v in model.state_dict().items()}, path)");
  }
  const Global& global_at(const Value& v) const { return globals[v.at]; }
  bool is_global(const Value& v, Global::Role role) const { return v.kind == Value::global && global_at(v).role == role; }

  /// Makes the storage ("storage", type, key, location, count) that a persistent id stands for in these files.
  void make_storage() {
    Value v = pop(Value::tuple, "a persistent id");
    const bool right = v.count == 5 && item(v, 0).kind == Value::text && text_of(item(v, 0)) == "storage" &&
                       (is_global(item(v, 1), Global::typed) || is_global(item(v, 1), Global::untyped)) &&
                       item(v, 2).kind == Value::text && item(v, 4).kind == Value::integer && item(v, 4).at >= 0;
    if (!right) fail("a persistent id is not (\"storage\", its type, its key, a location, a count)");
    v.kind = Value::storage;
    push(v);
  }
  /// Makes a tensor of the arguments (storage, offset, size, stride, requires_grad, hooks[, dtype]).
  void make_tensor(Value arguments, bool of_dtype) {
    const auto is = [&](std::size_t i, Value::Kind kind) { return item(arguments, i).kind == kind; };
    const bool right = arguments.count >= (of_dtype ? 7u : 6u) && is(0, Value::storage) && is(1, Value::integer) &&
                       is(2, Value::tuple) && is(3, Value::tuple) &&
                       is_global(item(item(arguments, 0), 1), of_dtype ? Global::untyped : Global::typed) &&
                       (!of_dtype || is_global(item(arguments, 6), Global::dtype));
    if (!right) fail("a tensor is not made of (storage, offset, size, stride, requires_grad, hooks)");
    arguments.kind = Value::tensor;
    push(arguments);
  }
  void reduce() {
    const Value arguments = pop(Value::tuple, "what a global is called with");
    const Value called = pop(Value::global, "what is called");
    switch (global_at(called).role) {
      case Global::ordered_dict:
        if (arguments.count != 0) fail("an OrderedDict is not made empty");
        return push_container(false);
      case Global::rebuild_tensor: return make_tensor(arguments, false);
      case Global::rebuild_tensor_of_dtype: return make_tensor(arguments, true);
      case Global::rebuild_parameter:
        if (arguments.count < 1 || item(arguments, 0).kind != Value::tensor) fail("a Parameter is not made of a tensor");
        return push(item(arguments, 0));
      default: fail("it calls \"", global_at(called).module, ".", global_at(called).name, "\", which is a type");
    }
  }

  /// Executes one opcode; false after the last one.
  bool step() {
    const auto code = static_cast<unsigned char>(take(1)[0]);
    switch (code) {
      case 0x80:
        if (const auto version = number(1); version < 2 || version > 5) fail("protocol ", version, "; 2 to 5 are read");
        return true;
      case 0x95: return take(8), true;  // a frame's length, which nothing needs
      case '.': return false;
      case '(': return spend(1), marks_.push_back(stack_.size()), true;
      case 'N': return push({}), true;
      case 0x88:
      case 0x89: return push({Value::boolean, 0, code == 0x88}), true;
      case 'J': return push({Value::integer, 0, static_cast<std::int32_t>(number(4))}), true;
      case 'K': return push({Value::integer, 0, static_cast<std::int64_t>(number(1))}), true;
      case 'M': return push({Value::integer, 0, static_cast<std::int64_t>(number(2))}), true;
      case 0x8A: return push({Value::integer, 0, long_integer()}), true;
      case 'G': return take(8), push({Value::real, 0, 0}), true;
      case 'X': return push_text(number(4)), true;
      case 0x8C: return push_text(number(1)), true;
      case ')': return push_tuple_of(0), true;
      case 0x85:
      case 0x86:
      case 0x87: return push_tuple_of(code - 0x84u), true;
      case 't': return push_tuple(pop_mark()), true;
      case '}': return push_container(false), true;
      case ']': return push_container(true), true;
      case 's': return fill(stack_.size() - std::min<std::size_t>(2, stack_.size()), false), true;
      case 'a': return fill(stack_.size() - std::min<std::size_t>(1, stack_.size()), true), true;
      case 'u':
      case 'e': {
        const std::size_t from = pop_mark();
        return fill(from, code == 'e'), true;
      }
      case 'q': return memoize(number(1)), true;
      case 'r': return memoize(number(4)), true;
      case 0x94: return memoize(memo_.size()), true;
      case 'h': return recall(number(1)), true;
      case 'j': return recall(number(4)), true;
      case 'c': {
        const std::string_view module = line();
        return push_global(module, line()), true;
      }
      case 0x93: {
        const Value name = pop(Value::text, "a global's name"), module = pop(Value::text, "a global's module");
        return push_global(text_of(module), text_of(name)), true;
      }
      case 'Q': return make_storage(), true;
      case 'R': return reduce(), true;
      case 'b': return pop(), keep_container(), true;  // drops the attributes of a dict: PyTorch's versions of modules
      default: break;
    }
    --at_;
    fail("refused: opcode \"", excerpt(text_.substr(at_, 1)), "\", which a state dict does not need");
  }
  void keep_container() { push(pop(Value::container, "what gets attributes")); }

  // ---- the value that was built ----
  /// Appends the tensors in `v`, whose dotted name in the whole value is `name`.
  void walk(const Value& v, const std::string& name, int depth) {
    if (depth > 32) fail("a dict or list holds itself, or more than 32 are nested");
    spend(1);
    if (v.kind == Value::tensor) return add(v, name);
    const std::string prefix = name.empty() ? "" : name + ".";
    if (v.kind == Value::tuple)
      for (std::size_t i = 0; i < v.count; ++i) walk(item(v, i), prefix + std::to_string(i), depth + 1);
    if (v.kind != Value::container) return;
    const Container& c = containers_[static_cast<std::size_t>(v.at)];
    std::int64_t i = 0;
    for (std::int64_t k = c.first; k >= 0; k = dict_items_[static_cast<std::size_t>(k)].next, ++i) {
      const Item& each = dict_items_[static_cast<std::size_t>(k)];
      if (c.is_list) walk(each.value, prefix + std::to_string(i), depth + 1);
      else if (each.key.kind == Value::integer) walk(each.value, prefix + std::to_string(each.key.at), depth + 1);
      else if (each.key.kind == Value::text) walk(each.value, prefix + checked_key(each.key), depth + 1);
      else fail("a key of a dict is ", kind_names[each.key.kind], "; a text or an integer would be right");
    }
  }
  std::string checked_key(const Value& key) const {
    constexpr std::size_t longest = 1000;
    std::string escaped;
    const std::string_view text = text_of(key);
    if (text.size() > longest || text.find('\0') != text.npos || !append_json(escaped, text))
      fail("the key \"", excerpt(text), "\" has more than ", longest, " bytes, holds a NUL, or is not UTF-8");
    return std::string(text);
  }
  void add(const Value& v, const std::string& name) {
    const Value &storage = item(v, 0), &size = item(v, 2), &stride = item(v, 3);
    spend((sizeof(PickledTensor) + name.size() + item(storage, 2).count) / sizeof(Value) + 16);
    const Global& type = global_at(item(storage, 1));
    PickledTensor t{name, std::string(text_of(item(storage, 2))), type.element, 0, item(v, 1).at, {}, {}};
    if (type.role == Global::untyped) t.element = global_at(item(v, 6)).element;
    const auto elements = static_cast<std::uint64_t>(item(storage, 4).at);
    if (elements > std::uint64_t(1) << 47) fail("tensor \"", excerpt(name, 80), "\": a storage of ", elements, " elements");
    t.storage_bytes = type.role == Global::untyped ? elements : elements * t.element.bytes;
    if (size.count != stride.count || size.count > max_rank)
      fail("tensor \"", excerpt(name, 80), "\" has ", size.count, " axes and ", stride.count, " strides; at most ", max_rank,
           " are supported");
    for (std::size_t i = 0; i < size.count; ++i) {
      const Value &n = item(size, i), &step = item(stride, i);
      if (n.kind != Value::integer || step.kind != Value::integer || n.at < 0 || step.at < 0)
        fail("tensor \"", excerpt(name, 80), "\": a length or stride is no integer from 0");
      t.shape.push_back(n.at), t.strides[i] = step.at;
    }
    tensors_.push_back(std::move(t));
  }

  const std::string& path_;
  const std::string_view text_;
  std::uint64_t cells_left_;
  std::size_t at_ = 0;
  std::deque<Value> stack_, items_, memo_;  // deques, since a vector that grows exists twice
  std::deque<std::size_t> marks_;
  std::deque<Container> containers_;
  std::deque<Item> dict_items_;
  std::deque<PickledTensor> tensors_;
};

}  // namespace

std::deque<PickledTensor> read_pickle(const std::string& path, std::string_view text, std::uint64_t bytes) {
  return PickleReader(path, text, bytes)();
}

}  // namespace gradus
