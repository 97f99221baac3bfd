// Module: a value that owns parameters and smaller modules, and can be called.
//
//   struct Net : nn::Module<Net> {
//     nn::Conv2d conv1{1, 16, 3, {.padding = 1}};
//     nn::Linear head{3136, 10};
//     GRADUS_FIELDS(conv1, head)
//     Tensor forward(const Tensor& x) { return head(flatten(max_pool2d(relu(conv1(x)), 2), 1)); }
//   };
//   Net net;
//   Tensor y = net(x);
#pragma once

#include <gradus/autograd/ops.h>
#include <gradus/core/io/fields.h>
#include <gradus/core/io/safetensors.h>
#include <gradus/nn/parameter.h>

#include <atomic>
#include <concepts>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace gradus::nn {

class ModuleBase;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using NamedModules = std::vector<std::pair<std::string, ModuleBase*>>;

/// One listed member; exactly one pointer is set.
struct Member {
  std::string name;
  Parameter* parameter = nullptr;
  Buffer* buffer = nullptr;
  ModuleBase* child = nullptr;
  /// The numbers of a parameter or buffer that is present, else null.
  MemberTensor* numbers() const {
    MemberTensor* m = parameter ? static_cast<MemberTensor*>(parameter) : buffer;
    return m && m->defined() ? m : nullptr;
  }
};

/// What load_state_dict(state, false) left alone.
struct LoadResult {
  std::vector<std::string> missing, unexpected;
};

/// What containers and walks know of a module; users derive from Module below. Names are dotted paths in the order of
/// declaration, as in PyTorch: "conv1.weight", "layers.0.bias".
class ModuleBase {
 public:
  ModuleBase() = default;
  virtual ~ModuleBase() = default;

  /// Every parameter that is present, with its name; gives the leaves their names too.
  NamedTensors named_parameters();
  std::vector<Tensor> parameters();
  NamedTensors named_buffers();
  NamedModules named_modules();        ///< this one first, as ""
  std::vector<ModuleBase*> modules();  ///< this one first

  void train(bool on = true);  ///< sets the mode of this module and all within; gradients are not touched
  void eval() { train(false); }
  bool training() const { return training_; }
  void zero_grad();                         ///< gradients become absent
  void requires_grad_(bool wanted = true);  ///< false freezes every parameter within, true thaws it
  int64_t parameter_count();                ///< numbers in all parameters
  /// Converts parameters, their gradients and real buffers; optimizers convert their state when they next look. Tensors
  /// taken from the module before see the old numbers until refresh(). Errors: DtypeError unless f32 or f64.
  void to(Dtype dtype);

  /// A copy of all parameters and buffers: training on does not change it.
  NamedArrays state_dict();
  /// Writes numbers by name into parameters and buffers; f32 and f64 are converted. Errors: ModuleError that lists what is
  /// missing, unexpected or of another shape or type; nothing is loaded then. strict = false lets the first two pass.
  LoadResult load_state_dict(const NamedArrays& state, bool strict = true);
  /// The state as a safetensors file. Whatever interrupts it, `path` is the old file or the new one, whole. A symbolic link
  /// stays and its file is replaced, permissions and owner are kept, and a write-protected file is refused (DataError): see
  /// write_atomically() in core/io/files.h.
  /// {.reals = StoredReal::bf16} writes parameters and real buffers in two bytes each.
  void save(const std::string& path, const SaveOptions& options = {});
  LoadResult load(const std::string& path, bool strict = true);  ///< errors name the file; DataError if it is not one

  /// A table of every module with the shape it returns for an input, its parameters, and totals. Calls forward once, in
  /// eval mode and unrecorded; nothing is changed by that. The Shape is filled with zeros of the parameters' dtype.
  std::string summary(const Shape& input);
  std::string summary(const Tensor& input);

  std::string type_name() const;                          ///< "Linear"
  virtual std::string description() const;                ///< "Linear(784 -> 10)"; the type's name by default
  virtual std::vector<Member> members() = 0;              ///< as listed
  virtual Tensor call(const Tensor& x) = 0;               ///< operator() for one tensor; ModuleError if it takes others
  virtual std::unique_ptr<ModuleBase> clone() const = 0;  ///< a deep copy
  virtual void assign(const ModuleBase& same_type) = 0;   ///< operator= of the whole module

 protected:
  // A copy is a module of its own: it has the mode, but not the place. noexcept, so that a growing vector moves modules.
  ModuleBase(const ModuleBase& other) noexcept : training_(other.training_) {}
  ModuleBase& operator=(const ModuleBase& other) noexcept {
    training_ = other.training_;
    return *this;
  }
  [[noreturn]] void throw_call() const;
  [[noreturn]] void throw_copy() const;
  [[noreturn]] void throw_memory() const;  ///< ResourceError, for std::bad_alloc

 private:
  friend class ModuleCall;
  friend class EvalMode;
  struct Layout {
    std::size_t bytes;
    const char* fields;
  };
  virtual Layout layout() const = 0;
  /// The last step, and the whole path from the module that was called or walked.
  struct Place {
    std::string name, path;
  };
  const Place& place() const;
  void adopt();
  void move_to(std::string name, std::string path);
  std::vector<Member> all_members();  // a child before what is in it, with dotted names
  LoadResult load_from(const NamedArrays& state, bool strict, const std::string& source);

  // Any thread may call this module while another makes the first call or walk, which fills these in. A place that was once
  // shown lives as long as the module.
  std::atomic<const Place*> place_{nullptr};
  std::vector<std::unique_ptr<const Place>> places_;
  std::atomic<bool> adopted_{false};  // the place is known, also those within
  std::atomic<bool> listed_{false};   // by another module
  bool training_ = true;

  template <class Derived> friend class Module;
};

/// While alive, after() runs on this thread at the end of each module's forward.
class ForwardObserver {
 public:
  ForwardObserver();
  virtual ~ForwardObserver();
  ForwardObserver(const ForwardObserver&) = delete;
  ForwardObserver& operator=(const ForwardObserver&) = delete;
  /// y is absent if forward returned something other than a Tensor.
  virtual void after(ModuleBase& module, const Tensor& y) = 0;

 private:
  friend class ModuleCall;
  ForwardObserver* outer_;
};

/// One call of a module: its place in the path of messages, and the check that its owner lists it.
class ModuleCall {
 public:
  explicit ModuleCall(ModuleBase& module);
  ~ModuleCall();
  ModuleCall(const ModuleCall&) = delete;
  ModuleCall& operator=(const ModuleCall&) = delete;
  void finished(const Tensor& y);

  /// Walks the outermost module being called on this thread again; false if none is being called.
  static bool adopt_again();
  /// ModuleError naming the module that `member`, described by `text`, is part of, and the list it is not in.
  [[noreturn]] static void throw_unlisted(const void* member, const std::string& text);
  /// "Conv2d [4,8,26,26] -> ReLU [4,8,26,26]": the last shapes within the outermost call; "" if there are none.
  static std::string trail();

 private:
  static void begin_outermost();
  const std::string& enter();
  void expect_listed();
  static ModuleBase* owner_of(const void* member);
  ModuleBase& module_;
  ModuleCall* outer_;
  bool leaf_ = true;    // no module was called within
  std::string detour_;  // the path from the caller, if this is not its child
  InModule step_;
};

template <class T> void list_member(std::vector<Member>& to, std::string name, T& member) {
  if constexpr (std::is_same_v<T, Parameter>) to.push_back({.name = std::move(name), .parameter = &member});
  else if constexpr (std::is_same_v<T, Buffer>) to.push_back({.name = std::move(name), .buffer = &member});
  else if constexpr (std::derived_from<T, ModuleBase>) to.push_back({.name = std::move(name), .child = &member});
  else if constexpr (requires {
                       typename T::value_type;
                       member.has_value();
                       *member;
                     }) {
    if (member.has_value()) list_member(to, std::move(name), *member);
  } else if constexpr (requires {
                         typename T::value_type;
                         member.begin();
                         member.size();
                       }) {
    if constexpr (std::is_class_v<typename T::value_type>) {  // not a string
      std::size_t i = 0;
      for (auto& item : member) list_member(to, name + "." + std::to_string(i++), item);
    }
  } else {
    static_assert(!std::is_same_v<T, Tensor> && !std::is_same_v<T, Array>, "list an nn::Parameter or an nn::Buffer");
    static_assert(
        !requires { *member; }, "list modules (or a vector, optional, Sequential of them), not pointers");
  }
}

/// The base of a module: struct Net : nn::Module<Net>. Members that are a Parameter, a Buffer, a module, or a vector,
/// array or optional of these are listed once by GRADUS_FIELDS; one that is used but was not listed throws ModuleError.
/// Plain values may be listed too. Copying is deep.
template <class Derived> class Module : public ModuleBase, public NoFields {
 public:
  /// forward(args...), with this module's name on the path.
  template <class... Args> decltype(auto) operator()(Args&&... args) {
    ModuleCall this_call(*this);
    using Result = decltype(derived().forward(std::forward<Args>(args)...));
    try {
      if constexpr (std::is_same_v<Result, Tensor>) {
        Tensor y = derived().forward(std::forward<Args>(args)...);
        this_call.finished(y);
        return y;
      } else if constexpr (std::is_void_v<Result>) {
        derived().forward(std::forward<Args>(args)...);
        this_call.finished({});
      } else {
        Result result = derived().forward(std::forward<Args>(args)...);
        this_call.finished({});
        return result;
      }
    } catch (const std::bad_alloc&) {
      throw_memory();
    }
  }

  std::vector<Member> members() override {
    std::vector<Member> list;
    each_field(derived(), [&](const std::string& name, auto& member) { list_member(list, name, member); });
    return list;
  }
  Tensor call(const Tensor& x) override {
    if constexpr (requires(Derived & d) {
                    { d.forward(x) } -> std::same_as<Tensor>;
                  })
      return (*this)(x);
    else throw_call();
  }
  std::unique_ptr<ModuleBase> clone() const override {
    [[maybe_unused]] const auto& self = static_cast<const Derived&>(*this);
    if constexpr (std::is_copy_constructible_v<Derived>) return std::make_unique<Derived>(self);
    else throw_copy();
  }
  void assign(const ModuleBase& same_type) override {
    if constexpr (std::is_copy_assignable_v<Derived>) derived() = static_cast<const Derived&>(same_type);
    else throw_copy();
  }

 private:
  Layout layout() const override { return {sizeof(Derived), Derived::field_names}; }
  Derived& derived() { return static_cast<Derived&>(*this); }
};

}  // namespace gradus::nn
