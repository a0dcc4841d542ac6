// The backward pass of softmax with a derivative of its own: one pass where libtorch composes it of seven.
//   backward:        y (g - s), y the probabilities, s = sum(y g)
//   its derivatives: y (c - t) in g and c (g - s) - t g in y, c the incoming gradient, t = sum(y c)
#include "abi.h"
#include "rows.h"

#include <ATen/RedispatchFunctions.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows of n entries; each derivative is null where not asked for.
template <typename T>
struct SoftmaxRows {
  int64_t n;
  const T *c, *g, *y;
  T *in_g, *in_y;
};

template <typename T>
CV_INLINE void differentiate(const SoftmaxRows<T>& rows, int64_t first, int64_t last) {
  const auto n = rows.n;
  for (auto row = first; row < last; row++) {
    const T *c = rows.c + row * n, *g = rows.g + row * n, *y = rows.y + row * n;
    T s = 0, t = 0;
#pragma omp simd reduction(+ : s, t)
    for (int64_t i = 0; i < n; i++) {
      s += y[i] * g[i];
      t += y[i] * c[i];
    }
    if (rows.in_g) {
      T* out = rows.in_g + row * n;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) out[i] = y[i] * (c[i] - t);
    }
    if (rows.in_y) {
      T* out = rows.in_y + row * n;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) out[i] = c[i] * (g[i] - s) - t * g[i];
    }
  }
}

CV_WIDE void differentiate_rows(const SoftmaxRows<float>& rows, int64_t first, int64_t last) { differentiate(rows, first, last); }
CV_WIDE void differentiate_rows(const SoftmaxRows<double>& rows, int64_t first, int64_t last) { differentiate(rows, first, last); }

template <typename T>
variable_list fused(const at::Tensor& c, const at::Tensor& g, const at::Tensor& y, bool needs_g, bool needs_y) {
  const auto cs = c.contiguous(), gs = g.contiguous(), ys = y.contiguous();
  const auto in_g = needs_g ? at::empty(y.sizes(), y.options()) : at::Tensor(), in_y = needs_y ? at::empty(y.sizes(), y.options()) : at::Tensor();
  const SoftmaxRows<T> rows{y.size(-1), cs.data_ptr<T>(), gs.data_ptr<T>(), ys.data_ptr<T>(), needs_g ? in_g.data_ptr<T>() : nullptr, needs_y ? in_y.data_ptr<T>() : nullptr};
  cv::for_rows(y.numel() / std::max<int64_t>(1, rows.n), cv::row_parts(y), [&](int64_t, int64_t first, int64_t last) { differentiate_rows(rows, first, last); });
  return {in_g, in_y};
}

struct SoftmaxBackward : torch::autograd::Function<SoftmaxBackward> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& g, const at::Tensor& y, int64_t dimension, at::ScalarType type) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({g, y});
    context->saved_data["dimension"] = dimension;
    context->set_materialize_grads(false);
    return at::_softmax_backward_data(g, y, dimension, type);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto& c = incoming[0];
    if (!c.defined()) return {at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
    const auto saved = context->get_saved_variables();
    const auto &g = saved[0], &y = saved[1];
    const auto dimension = context->saved_data["dimension"].toInt();
    const bool needs_g = context->needs_input_grad(0), needs_y = context->needs_input_grad(1), is_last = y.dim() > 0 && (dimension == -1 || dimension == y.dim() - 1);
    variable_list in;
    if (!at::GradMode::is_enabled() && is_last && cv::rows_are_plain({c, g, y}, y)) {
      in = y.scalar_type() == at::kFloat ? fused<float>(c, g, y, needs_g, needs_y) : fused<double>(c, g, y, needs_g, needs_y);
    } else {
      const auto t = (c * y).sum(dimension, true);
      in = {needs_g ? y * (c - t) : at::Tensor(), needs_y ? c * (g - (g * y).sum(dimension, true)) - t * g : at::Tensor()};
    }
    return {in[0], in[1], at::Tensor(), at::Tensor()};
  }
};

at::Tensor softmax_backward(const at::Tensor& g, const at::Tensor& y, int64_t dimension, at::ScalarType type) {
  if (!at::GradMode::is_enabled() || type != g.scalar_type() || cv::any_dual({g, y})) return at::redispatch::_softmax_backward_data(cv::own_derivative(), g, y, dimension, type);
  return SoftmaxBackward::apply(g, y, dimension, type);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, AutogradCPU, library) { library.impl("_softmax_backward_data", softmax_backward); }
