// Drivers of rules whose work is cut into pieces: element rules, layer rules, and rules with sums over all parameters.
#include <gradus/autograd/ops.h>
#include <gradus/core/error.h>
#include <gradus/optim/driver/driver.h>
#include <gradus/optim/rule/pass.h>
#include <gradus/optim/rule/sparse.h>

#include <algorithm>

namespace gradus::optim {
namespace {

/// True if the gradient is sparse, so that its Array has only the touched rows.
bool has_sparse_gradient(const ParameterState& s) {
  return s.touched_rows().packs(s.staged.g.defined() ? s.staged.g : s.leaf.leaf()->grad_numbers());
}

/// The piece that spans a parameter; a gradient that must be copied is kept in `copies`.
Piece piece_of(const Driven& d, std::vector<Array>& copies) {
  ParameterState& s = *d.state;
  const Array& w = s.leaf.array();
  const Array& given = s.staged.g.defined() ? s.staged.g : s.leaf.leaf()->grad_numbers();
  const bool as_it_is = given.dense() && !given.shares_storage(w);
  if (!as_it_is) copies.push_back(given.copy());
  return {const_cast<char*>(w.bytes()),
          as_it_is ? given.bytes() : copies.back().bytes(),
          s.pointers.data(),
          s.step.data(),
          d.rule->maximize() ? -s.staged.factor : s.staged.factor,
          0,
          w.size()};
}

/// The piece of one element, with per-step values advanced to the next step.
Piece piece_to_explain(const Driven& d, std::int64_t index, std::vector<Array>& copies) {
  d.rule->advance(d.state->step.data(), d.state->t + 1);
  Piece piece = piece_of(d, copies);
  piece.begin = index, piece.end = index + 1;
  return piece;
}

const char* at(const void* p, Dtype dtype, std::int64_t i) {
  return static_cast<const char*>(p) + i * static_cast<std::int64_t>(bytes_of(dtype));
}

// ---- elements --------------------------------------------------------------------------------------------------------

class ElementDriver final : public Driver {
 public:
  bool drives(const AnyRule& rule) const override { return dynamic_cast<const ElementRule*>(&rule) != nullptr; }

  void prepare(const std::vector<Driven>& all) override {
    work_.clear();
    for (const Driven& d : all) {
      const auto& rule = static_cast<const ElementRule&>(*d.rule);
      const ParameterState& s = *d.state;
      Piece piece = piece_of(d, copies_);
      const bool sparse = has_sparse_gradient(s);
      if (sparse) check_sparse(*d.rule, s.name);
      if (sparse || rule.touched_rows_only()) add_runs(rule, s, piece, sparse);
      else work_.push_back({&rule, s.leaf.dtype(), piece});
      if (d.curvature.defined()) curved_.push_back({d.state, slots_with_curvature(d)});
    }
    pieces_.cut(work_);
    all_ = &all;
  }

  void step(double) override {
    for (Curved& c : curved_)
      for (std::size_t i = 0; i < c.slots.size(); ++i) {
        if (!c.state->slots[i].defined()) continue;
        c.state->slots[i] = std::move(c.slots[i]);
        c.state->pointers[i] = const_cast<char*>(c.state->slots[i].bytes());
      }
    for (const Driven& d : *all_) begin(d), d.rule->advance(d.state->step.data(), d.state->t);
    run_pass(work_, pieces_);
  }
  void release() override { copies_.clear(), curved_.clear(); }

  ElementValues explain(const Driven& one, std::int64_t index) const override {
    std::vector<Array> copies;
    const ParameterState& s = *one.state;
    const bool sparse = has_sparse_gradient(s);
    if ((sparse || one.rule->touched_rows_only()) && !s.touched_rows().holds_element(s.leaf.shape(), index))
      throw OptimError("explain", join("no op has handed a gradient to the row of element ", index, " of \"", s.name,
                                       "\"; the step leaves it as it is"));
    Piece piece = piece_to_explain(one, index, copies);
    if (sparse) {
      const std::int64_t length = s.leaf.dim(1), row = index / length;
      piece.g = at(piece.g, s.leaf.dtype(), (s.touched_rows().index_of(row) - row) * length);
    }
    const FlushSubnormals guard;
    return static_cast<const ElementRule&>(*one.rule).explain(s.leaf.dtype(), piece);
  }

 private:
  /// Adds a piece for each run of touched rows. The rows of a sparse gradient are packed: `g` is moved to where a whole
  /// gradient would begin.
  void add_runs(const ElementRule& rule, const ParameterState& s, Piece piece, bool sparse) {
    const void* g = piece.g;
    std::int64_t before = 0;  // elements of earlier runs
    for (const auto& run : s.touched_rows().runs(s.leaf.shape())) {
      piece.begin = run.begin, piece.end = run.end;
      if (sparse) piece.g = at(g, s.leaf.dtype(), before - run.begin);
      before += run.end - run.begin;
      work_.push_back({&rule, s.leaf.dtype(), piece});
    }
  }

  struct Curved {
    ParameterState* state;
    std::vector<Array> slots;
  };
  static std::vector<Array> slots_with_curvature(const Driven& d) {
    const NoGrad constants;
    std::vector<Tensor> slots(d.state->slots.begin(), d.state->slots.end());
    d.rule->take_curvature(Tensor(d.rule->maximize() ? (-Tensor(d.curvature)).array() : d.curvature), slots);
    std::vector<Array> all;
    for (const Tensor& s : slots) all.push_back(s.defined() ? s.array().contiguous() : Array());
    return all;
  }

  const std::vector<Driven>* all_ = nullptr;
  std::vector<ElementWork> work_;
  Pieces pieces_;
  std::vector<Array> copies_;
  std::vector<Curved> curved_;
};

// ---- layers ----------------------------------------------------------------------------------------------------------

class LayerDriver final : public Driver {
 public:
  bool drives(const AnyRule& rule) const override { return dynamic_cast<const LayerRule*>(&rule) != nullptr; }

  void prepare(const std::vector<Driven>& all) override {
    work_.clear();
    for (const Driven& d : all) {
      work_.push_back({static_cast<const LayerRule*>(d.rule), d.state->leaf.dtype(), piece_of(d, copies_)});
      measured_.push_back(Array::like(d.state->leaf.array()));
    }
    pieces_.cut(work_);
    parts_.resize(pieces_.count());
    norms_.resize(work_.size());
    all_ = &all;
  }

  void step(double) override {
    for (const Driven& d : *all_) begin(d), d.rule->advance(d.state->step.data(), d.state->t);
    measure();
    for (std::size_t i = 0; i < work_.size(); ++i) work_[i].rule->take_norms((*all_)[i].state->step.data(), norms_[i]);
    pieces_.run([&](std::int64_t k) {
      const auto i = static_cast<std::size_t>(k), item = pieces_.item(i);
      const auto& w = work_[item];
      w.rule->move(w.dtype, pieces_.of(i, w.piece), measured_[item].bytes(), norms_[item]);
    });
  }
  void release() override { copies_.clear(), measured_.clear(); }

  ElementValues explain(const Driven& one, std::int64_t index) const override {
    std::vector<Array> copies;
    const Piece piece = piece_to_explain(one, index, copies);
    ParameterState copy = *one.state;  // a copy: the norms need the whole parameter, and measuring may change slots
    for (std::size_t i = 0; i < copy.slots.size(); ++i) {
      copy.slots[i] = copy.slots[i].copy();
      if (copy.pointers[i]) copy.pointers[i] = const_cast<char*>(copy.slots[i].bytes());
    }
    LayerDriver beside;
    beside.prepare({{&copy, one.rule}});
    beside.measure();
    const FlushSubnormals guard;
    return static_cast<const LayerRule&>(*one.rule).explain(copy.leaf.dtype(), piece, beside.norms_[0]);
  }

 private:
  void measure() {
    pieces_.run([&](std::int64_t k) {
      const auto i = static_cast<std::size_t>(k), item = pieces_.item(i);
      const auto& w = work_[item];
      const Piece p = pieces_.of(i, w.piece);
      void* out = const_cast<char*>(measured_[item].bytes());
      w.rule->measure(w.dtype, p, out);
      parts_[i] = {sum_of_squares(w.dtype, at(p.w, w.dtype, p.begin), p.end - p.begin),
                   sum_of_squares(w.dtype, at(out, w.dtype, p.begin), p.end - p.begin)};
    });
    norms_.assign(norms_.size(), {});
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      norms_[pieces_.item(i)].w += parts_[i].w;
      norms_[pieces_.item(i)].measured += parts_[i].measured;
    }
    for (std::size_t i = 0; i < norms_.size(); ++i) {
      const auto& w = work_[i];
      norms_[i] = {root_of_squares(norms_[i].w, w.dtype, w.piece.w, w.piece.end),
                   root_of_squares(norms_[i].measured, w.dtype, measured_[i].bytes(), w.piece.end)};
    }
  }

  const std::vector<Driven>* all_ = nullptr;
  std::vector<Work<LayerRule>> work_;
  Pieces pieces_;
  std::vector<Array> copies_, measured_;
  std::vector<LayerNorms> parts_, norms_;  // sums of squares of the pieces, and of the parameters
};

// ---- sums over all parameters ----------------------------------------------------------------------------------------

/// The driver of all parameters under one global rule, which share their per-step values.
class GlobalDriver final : public Driver {
 public:
  explicit GlobalDriver(const AnyRule& rule) : name_(rule.name()) {}
  bool drives(const AnyRule& rule) const override { return rule.name() == name_; }
  void lead(AnyRule& rule) override { lead_ = static_cast<const GlobalRule*>(&rule); }

  void prepare(const std::vector<Driven>& all) override {
    work_.clear();
    if (t_ == 0) {
      std::vector<double> first;
      for (const auto& v : lead_->first_step()) first.push_back(v.value);
      step_ = std::move(first);
    }
    for (const Driven& d : all) {
      Piece piece = piece_of(d, copies_);
      piece.step = step_.data();
      work_.push_back({static_cast<const GlobalRule*>(d.rule), d.state->leaf.dtype(), piece});
    }
    pieces_.cut(work_);
    sums_.resize(lead_->sums());
    parts_.resize(sums_.size() * pieces_.count());
    all_ = &all;
  }

  void step(double loss) override {
    if (work_.empty()) return;
    for (const Driven& d : *all_) begin(d);
    lead_->advance(step_.data(), ++t_);
    const std::size_t n = sums_.size();
    std::fill(parts_.begin(), parts_.end(), 0.0);
    pieces_.run([&](std::int64_t k) {
      const auto i = static_cast<std::size_t>(k);
      const auto& w = work_[pieces_.item(i)];
      w.rule->measure(w.dtype, pieces_.of(i, w.piece), parts_.data() + n * i);
    });
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (std::size_t i = 0; i < parts_.size(); ++i) sums_[i % n] += parts_[i];
    lead_->conclude(step_.data(), sums_.data(), loss);
    pieces_.run([&](std::int64_t k) {
      const auto i = static_cast<std::size_t>(k);
      const auto& w = work_[pieces_.item(i)];
      w.rule->run(w.dtype, pieces_.of(i, w.piece));
    });
  }
  void release() override { copies_.clear(); }

  void archive(StateArchive& a, const std::vector<Driven>& all) override {
    Driver::archive(a, all);
    const auto moved = [](const Driven& d) { return d.state->t > 0; };
    if (std::none_of(all.begin(), all.end(), moved)) return;
    a.count({"rule_steps", name_}, t_);
    a.numbers("optimizer/step/" + name_, step_, lead_->first_step().size());
  }

 private:
  void archive_step(StateArchive&, const Driven&) const override {}

  std::string name_;
  const GlobalRule* lead_ = nullptr;
  std::int64_t t_ = 0;
  std::vector<double> step_;  // per-step values of all its parameters
  const std::vector<Driven>* all_ = nullptr;
  std::vector<Work<GlobalRule>> work_;
  Pieces pieces_;
  std::vector<Array> copies_;
  std::vector<double> parts_, sums_;  // of the pieces, and of all parameters
};

}  // namespace

void subtract_direction(Dtype dtype, const Piece& p, const void* direction, double length) {
  visit_real(dtype, [&]<class T>() {
    T* w = static_cast<T*>(p.w);
    const T* d = static_cast<const T*>(direction);
    const T l = static_cast<T>(length);
    for (std::int64_t i = p.begin; i < p.end; ++i) w[i] -= l * d[i];
  });
}

std::unique_ptr<Driver> ElementRule::new_driver() const { return std::make_unique<ElementDriver>(); }
std::unique_ptr<Driver> LayerRule::new_driver() const { return std::make_unique<LayerDriver>(); }
std::unique_ptr<Driver> GlobalRule::new_driver() const { return std::make_unique<GlobalDriver>(*this); }

}  // namespace gradus::optim
