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
#include <gradus/nn/module_hook.h>
#include <gradus/nn/parameter.h>
#include <gradus/nn/results.h>

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gradus::nn {

class ModuleBase;

using NamedModules = std::vector<std::pair<std::string, ModuleBase*>>;

/// One listed member; exactly one pointer is set.
struct Member {
  std::string name;
  Parameter* parameter = nullptr;
  Buffer* buffer = nullptr;
  ModuleBase* child = nullptr;
  const MemberTensor* repeats = nullptr;  ///< of a walk: the parameter in it that this one is tied to
  /// The numbers of a parameter or buffer that is present, else null; null also of one that repeats another.
  MemberTensor* numbers() const {
    MemberTensor* m = parameter ? static_cast<MemberTensor*>(parameter) : buffer;
    return m && m->defined() && !repeats ? m : nullptr;
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
  /// Freezes the parameters whose names match (`*`: any characters, `?`: one), or thaws them. Returns how many these are.
  /// Errors: ModuleError if there are none.
  int64_t freeze(const std::string& pattern = "*") { return set_requires_grad("freeze", pattern, false); }
  int64_t unfreeze(const std::string& pattern = "*") { return set_requires_grad("unfreeze", pattern, true); }
  int64_t parameter_count();  ///< numbers in all parameters
  /// f(module) for all modules within and then this one, as PyTorch orders them; apply<nn::Linear>(f) for those alone.
  template <class M = ModuleBase, class F> void apply(F f) {
    for (ModuleBase* m : modules_inside_out())
      if (M* one = dynamic_cast<M*>(m)) f(*one);
  }
  /// `parameter` is `primary` from now on, both of this module or of modules within: one leaf with one gradient, known and
  /// saved once, by primary's name. Called once, in a constructor say; in a copy of this module the copies are tied.
  /// Errors: ModuleError for what is not listed here, absent, or of another shape or dtype.
  void tie(Parameter& parameter, Parameter& primary);
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

  /// Called with each forward, in the order of registering; until hook.remove(). `f` gets (module, inputs), the arguments that
  /// are Tensors, and may return other ones. This module must live and stay where it is as long as it has hooks.
  template <class F> ModuleHook register_forward_pre_hook(F f) {
    return ModuleHooks::add(hooks().before, [f = std::move(f)](ModuleBase& m, const auto& inputs, const auto&) mutable {
      return or_else(inputs, f, m, inputs);
    });
  }
  /// `f` gets (module, inputs, outputs), the outputs being the Tensors in what forward has returned, and may return others.
  template <class F> ModuleHook register_forward_hook(F f) {
    return ModuleHooks::add(hooks().after,
                            [f = std::move(f)](ModuleBase& m, const auto& inputs, const auto& outputs) mutable {
                              return or_else(outputs, f, m, inputs, outputs);
                            });
  }
  /// In backward(), when it has passed this module: `f` gets (module, grad_inputs, grad_outputs), absent where there is none,
  /// and may return other gradients of the inputs. If no input wants one: once for each output that gets a gradient.
  template <class F> ModuleHook register_full_backward_hook(F f) {
    return ModuleHooks::add(hooks().backward,
                            [f = std::move(f)](ModuleBase& m, const auto& for_inputs, const auto& of) mutable {
                              return or_else(for_inputs, f, m, for_inputs, of);
                            });
  }

  /// A table of every module with the shapes it returns for an input, its own parameters and multiply-adds, and totals. Calls
  /// forward once, in eval mode and unrecorded; nothing is changed by that. The Shape is filled with zeros of the parameters'
  /// dtype. (Module has it for several inputs.)
  std::string summary(const Shape& input);
  std::string summary(const Tensor& input);

  std::string type_name() const;                          ///< "Linear"
  virtual std::string description() const;                ///< "Linear(784 -> 10)"; the type's name by default
  virtual std::vector<Member> members() = 0;              ///< as listed
  virtual Tensor call(const Tensor& x) = 0;               ///< operator() for one tensor; ModuleError if it takes others
  virtual void call_any(const Tensor& x) = 0;             ///< the same, whatever it returns
  virtual std::unique_ptr<ModuleBase> clone() const = 0;  ///< a deep copy
  virtual void assign(const ModuleBase& same_type) = 0;   ///< operator= of the whole module

 protected:
  // A copy is a module of its own: it has the mode, but not the place. noexcept, so that a growing vector moves modules.
  ModuleBase(const ModuleBase& other) : ties_(other.ties_), training_(other.training_) {}
  ModuleBase(ModuleBase&& other) noexcept : ties_(std::move(other.ties_)), training_(other.training_) {}
  ModuleBase& operator=(const ModuleBase& other);
  [[noreturn]] void throw_call() const;
  [[noreturn]] void throw_copy() const;
  [[noreturn]] void throw_memory() const;  ///< ResourceError, for std::bad_alloc

  std::string summary_of_call(const std::function<void()>& call, const std::string& inputs);
  std::unique_ptr<ModuleHooks> hooks_;  // null: none

 private:
  ModuleHooks& hooks() {
    if (!hooks_) hooks_ = std::make_unique<ModuleHooks>();
    return *hooks_;
  }
  /// What f returns, or `same` if that is nothing.
  template <class F, class... Args>
  static ModuleHook::Tensors or_else(const ModuleHook::Tensors& same, F& f, ModuleBase& m, const Args&... args) {
    using Made = std::invoke_result_t<F&, ModuleBase&, const Args&...>;
    if constexpr (std::is_void_v<Made>) return f(m, args...), same;
    else if constexpr (std::is_same_v<Made, Tensor>) return {f(m, args...)};
    else return f(m, args...);
  }
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
  std::vector<ModuleBase*> modules_inside_out();
  int64_t set_requires_grad(const char* who, const std::string& pattern, bool wanted);
  void share_tied();
  LoadResult load_from(const NamedArrays& state, bool strict, const std::string& source);

  // Any thread may call this module while another makes the first call or walk, which fills these in. A place that was once
  // shown lives as long as the module.
  std::atomic<const Place*> place_{nullptr};
  std::vector<std::unique_ptr<const Place>> places_;
  std::atomic<bool> adopted_{false};                       // the place is known, also those within
  std::atomic<bool> listed_{false};                        // by another module
  std::vector<std::pair<std::string, std::string>> ties_;  // names of parameters that are others, and of these
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
  /// The Tensors in what forward has returned: results.h.
  virtual void after(ModuleBase& module, const std::vector<Tensor>& results) = 0;

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
  static bool observed();          ///< by a ForwardObserver
  static ModuleBase* current();    ///< the innermost module being called, or null
  void finished(const Tensor& y);  ///< forward has returned this; absent: something else
  void tell_observers(const std::vector<Tensor>& results) const;

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
      if constexpr (std::is_void_v<Result>) {
        derived().forward(std::forward<Args>(args)...);
        this_call.finished({});
        if (ModuleCall::observed()) this_call.tell_observers({});
      } else {
        const auto finished = [&](Result& result) {
          if constexpr (std::is_same_v<Result, Tensor>) this_call.finished(result);
          else this_call.finished({});
          if (ModuleCall::observed()) [[unlikely]]
            this_call.tell_observers(tensors_in(result));
        };
        if (hooks_) [[unlikely]] {
          Result result = call_with_hooks<Result>(args...);
          finished(result);
          return result;
        }
        Result result = derived().forward(std::forward<Args>(args)...);
        finished(result);
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
  void call_any(const Tensor& x) override {
    if constexpr (requires(Derived & d) { d.forward(x); }) (*this)(x);
    else throw_call();
  }
  std::unique_ptr<ModuleBase> clone() const override {
    [[maybe_unused]] const auto& self = static_cast<const Derived&>(*this);
    if constexpr (std::is_copy_constructible_v<Derived>) return std::unique_ptr<ModuleBase>(new Derived(self));
    else throw_copy();
  }
  void assign(const ModuleBase& same_type) override {
    if constexpr (std::is_copy_assignable_v<Derived>) derived() = static_cast<const Derived&>(same_type);
    else throw_copy();
  }

  using ModuleBase::summary;
  /// The same of a call with several inputs, or one that returns several tensors.
  template <class... In>
  requires(sizeof...(In) > 1) std::string summary(const In&... inputs) {
    std::string text;
    for (const Tensor& t : tensors_among(inputs...)) text += (text.empty() ? "" : ", ") + gradus::describe(t.array());
    return summary_of_call([&] { derived()(inputs...); }, text);
  }

 private:
  template <class Result, class... Args> Result call_with_hooks(Args&... args) {
    const auto forward = [this](auto&&... all) -> Result { return derived().forward(all...); };
    std::optional<Result> result;
    const auto run = [&](const std::vector<Tensor>& inputs) {
      result.emplace(call_with(forward, inputs, args...));
      return tensors_in(*result);
    };
    const auto outputs = hooks_->run(*this, run, hooks_->inputs_for(*this, tensors_among(args...)));
    std::size_t next = 0;
    each_tensor(*result, [&](Tensor& t) { t = outputs[next++]; });
    return std::move(*result);
  }

  Layout layout() const override { return {sizeof(Derived), Derived::field_names}; }
  Derived& derived() { return static_cast<Derived&>(*this); }
};

}  // namespace gradus::nn
