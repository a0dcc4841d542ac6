// GELU's backward pass with a derivative of its own. libtorch composes the second derivative of a dozen passes over tensors as large as the layer's outputs, in every product with a Hessian. Here
// s = f'(x) and h = g f''(x) are made at a graph's first product and kept with it: a product multiplies by them.
//   backward:        g f'(x)
//   its derivatives: c f'(x) in g and c g f''(x) in x, c the incoming gradient
// exact: f''(x) = phi(x) (2 - x^2), phi the normal density.   tanh: f = x (1 + t) / 2, t = tanh(u), u = a (x + b x^3), f'' = (1 - t^2) (u' + x u'' / 2 - x t u'^2).
#include "abi.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Of x in a range at whose ends f'' is 0 in every type: beyond it squares overflow, in half precision from 23 on.
at::Tensor second_derivative(const at::Tensor& at, bool exact) {
  const auto x = exact ? at.clamp(-40, 40) : at.clamp(-10, 10), square = x * x;
  if (exact) return (square * -0.5).exp() * (2 - square) * (0.5 * M_SQRT1_2 * M_2_SQRTPI);
  const double a = M_SQRT2 * M_2_SQRTPI / 2, b = 0.044715;
  const auto t = (x * (square * b + 1) * a).tanh(), first = (square * (3 * b) + 1) * a;
  return (1 - t * t) * (first + square * (3 * a * b) - x * t * first * first);
}

struct GeluBackward : torch::autograd::Function<GeluBackward> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& g, const at::Tensor& x, c10::string_view approximate) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({g, x});
    context->saved_data["exact"] = approximate == "none";
    return at::gelu_backward(g, x, approximate);
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto& c = incoming[0];
    if (!c.defined()) return {at::Tensor(), at::Tensor(), at::Tensor()};
    const auto saved = context->get_saved_variables();
    const auto &g = saved[0], &x = saved[1];
    const bool exact = context->saved_data["exact"].toBool(), in_g = context->needs_input_grad(0), in_x = context->needs_input_grad(1);
    if (at::GradMode::is_enabled()) {  // to be differentiated again
      return {in_g ? at::gelu_backward(c, x, exact ? "none" : "tanh") : at::Tensor(), in_x ? c * g * second_derivative(x, exact) : at::Tensor(), at::Tensor()};
    }
    const auto kept = [&](const char* name, auto make) {
      auto& slot = context->saved_data[name];
      if (slot.isNone()) slot = make();
      return c * slot.toTensor();
    };
    return {in_g ? kept("s", [&] { return at::gelu_backward(at::ones_like(x), x, exact ? "none" : "tanh"); }) : at::Tensor(),
            in_x ? kept("h", [&] { return g * second_derivative(x, exact); }) : at::Tensor(), at::Tensor()};
  }
};

at::Tensor gelu_backward(const at::Tensor& g, const at::Tensor& x, c10::string_view approximate) { return GeluBackward::apply(g, x, approximate); }

}  // namespace

TORCH_LIBRARY_IMPL(aten, AutogradCPU, library) { library.impl("gelu_backward", gelu_backward); }
TORCH_LIBRARY_IMPL(aten, AutogradCUDA, library) { library.impl("gelu_backward", gelu_backward); }
