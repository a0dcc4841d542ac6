// The backward pass of layer norm with a derivative of its own. libtorch composes it of about forty passes over tensors as large as the layer's outputs; here it is one. Its third derivatives take mean and
// standard deviation for constants, and are wrong; those of the formula below, composed where a product is to be differentiated again, are not.
//   h = (x - mean) r, r = 1 / sqrt(variance + eps);   P w = r (w - mean(w) - h mean(h w)) = (dh/dx)^T w, symmetric;   a = g gamma
//   backward:        P a in x, sum g h in gamma, sum g in beta (sums over rows)
//   its derivatives, c, c_gamma and c_beta the gradients of those three:
//     in g:      gamma P c + h c_gamma + c_beta
//     in gamma:  sum g P c
//     in x:      P(c_gamma g - r (mean(a h) c + mean(c h) a)) - r^2 (mean(c a) - mean(c) mean(a) - mean(c h) mean(a h)) h
#include "abi.h"
#include "rows.h"

#include <ATen/ExpandUtils.h>
#include <ATen/RedispatchFunctions.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

// Rows of n entries; vectors of one row are shared by all. Null where not asked for: in_g, in_gamma, in_x.
template <typename T>
struct NormRows {
  int64_t n;
  const T *c, *g, *x, *mean, *r, *gamma, *c_gamma, *c_beta;
  T *in_g, *in_gamma, *in_x;
};

template <typename T>
CV_INLINE void differentiate(const NormRows<T>& rows, int64_t first, int64_t last) {
  const auto n = rows.n;
  const T *gamma = rows.gamma, *c_gamma = rows.c_gamma, *c_beta = rows.c_beta;
  for (auto row = first; row < last; row++) {
    const T *c = rows.c + row * n, *g = rows.g + row * n, *x = rows.x + row * n, mean = rows.mean[row], r = rows.r[row];
    T sum_c = 0, sum_ch = 0;
#pragma omp simd reduction(+ : sum_c, sum_ch)
    for (int64_t i = 0; i < n; i++) {
      sum_c += c[i];
      sum_ch += c[i] * ((x[i] - mean) * r);
    }
    const T mean_c = sum_c / n, mean_ch = sum_ch / n;
    if (rows.in_g) {
      T* out = rows.in_g + row * n;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) {
        const T h = (x[i] - mean) * r;
        out[i] = gamma[i] * r * (c[i] - mean_c - h * mean_ch) + h * c_gamma[i] + c_beta[i];
      }
    }
    if (rows.in_gamma) {
      T* out = rows.in_gamma;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) out[i] += g[i] * r * (c[i] - mean_c - (x[i] - mean) * r * mean_ch);
    }
    if (!rows.in_x) continue;
    T sum_a = 0, sum_ah = 0, sum_ca = 0, sum_w = 0, sum_wh = 0;  // w = c_gamma g, and the rest of the argument of P below
#pragma omp simd reduction(+ : sum_a, sum_ah, sum_ca, sum_w, sum_wh)
    for (int64_t i = 0; i < n; i++) {
      const T h = (x[i] - mean) * r, a = g[i] * gamma[i], w = g[i] * c_gamma[i];
      sum_a += a;
      sum_ah += a * h;
      sum_ca += c[i] * a;
      sum_w += w;
      sum_wh += w * h;
    }
    const T mean_a = sum_a / n, mean_ah = sum_ah / n, of_c = r * mean_ah, of_a = r * mean_ch;
    const T mean_w = sum_w / n - of_c * mean_c - of_a * mean_a, mean_wh = sum_wh / n - of_c * mean_ch - of_a * mean_ah;
    const T of_h = r * mean_wh + r * r * (sum_ca / n - mean_c * mean_a - mean_ch * mean_ah);
    T* out = rows.in_x + row * n;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      out[i] = r * (g[i] * (c_gamma[i] - of_a * gamma[i]) - of_c * c[i] - mean_w) - of_h * ((x[i] - mean) * r);
    }
  }
}

CV_WIDE void differentiate_rows(const NormRows<float>& rows, int64_t first, int64_t last) { differentiate(rows, first, last); }
CV_WIDE void differentiate_rows(const NormRows<double>& rows, int64_t first, int64_t last) { differentiate(rows, first, last); }

template <typename T>
Triple fused(const variable_list& c, const at::Tensor& g, const at::Tensor& x, const at::Tensor& mean, const at::Tensor& r, const at::Tensor& gamma, at::IntArrayRef shape, const std::array<bool, 3>& needs) {
  const auto parts = cv::row_parts(x);
  const auto whole = [&](const at::Tensor& t) { return t.defined() ? t.contiguous() : at::zeros(x.sizes(), x.options()); };
  const auto shared = [&](const at::Tensor& t, double value) { return t.defined() ? t.contiguous() : at::full(shape, value, x.options()); };
  const auto cs = whole(c[0]), gs = g.contiguous(), xs = x.contiguous(), means = mean.contiguous(), rs = r.contiguous(), gammas = shared(gamma, 1), c_gammas = shared(c[1], 0), c_betas = shared(c[2], 0);
  const auto in_g = needs[0] ? at::empty(x.sizes(), x.options()) : at::Tensor(), in_x = needs[1] ? at::empty(x.sizes(), x.options()) : at::Tensor();
  const auto in_gamma = needs[2] ? at::zeros({parts, gammas.numel()}, x.options()) : at::Tensor();
  const auto at_start = [](const at::Tensor& t) { return t.defined() ? t.data_ptr<T>() : nullptr; };
  const NormRows<T> rows{gammas.numel(), at_start(cs), at_start(gs), at_start(xs), at_start(means), at_start(rs), at_start(gammas), at_start(c_gammas), at_start(c_betas), at_start(in_g), at_start(in_gamma), at_start(in_x)};
  cv::for_rows(mean.numel(), parts, [&](int64_t part, int64_t first, int64_t last) {
    auto own = rows;
    if (own.in_gamma) own.in_gamma += part * own.n;
    differentiate_rows(own, first, last);
  });
  return {in_g, in_x, needs[2] ? in_gamma.sum(0).reshape(shape) : at::Tensor()};
}

// The same of libtorch's operators, to be differentiated again, and for types without a pass of their own.
Triple composed(const variable_list& c, const at::Tensor& g, const at::Tensor& x, const at::Tensor& saved_r, const at::Tensor& gamma, at::IntArrayRef shape) {
  std::vector<int64_t> last;
  for (size_t i = 1; i <= shape.size(); i++) last.push_back(-static_cast<int64_t>(i));
  const auto mean = [&](const at::Tensor& t) { return t.mean(last, true); };
  const auto centred = x - mean(x), variance = mean(centred * centred), constant = saved_r.detach();
  const auto r = constant * (1 + (variance - variance.detach()) * constant * constant).rsqrt(), h = centred * r;  // saved_r in value, and a function of x
  const auto p = [&](const at::Tensor& w) { return r * (w - mean(w) - h * mean(h * w)); };
  const auto a = gamma.defined() ? g * gamma : g, zero = at::zeros(shape, x.options());
  const auto c_x = c[0].defined() ? c[0] : at::zeros_like(x), c_gamma = c[1].defined() ? c[1] : zero, pc = p(c_x);
  const auto mean_ah = mean(a * h), mean_ch = mean(c_x * h);
  return {(gamma.defined() ? gamma * pc : pc) + h * c_gamma + (c[2].defined() ? c[2] : zero),
          p(c_gamma * g - r * (mean_ah * c_x + mean_ch * a)) - r * r * (mean(c_x * a) - mean(c_x) * mean(a) - mean_ch * mean_ah) * h, at::sum_to(g * pc, shape)};
}

struct LayerNormBackward : torch::autograd::Function<LayerNormBackward> {
  static variable_list forward(AutogradContext* context, const at::Tensor& g, const at::Tensor& x, const cv_optional<at::Tensor>& gamma, const at::Tensor& mean, const at::Tensor& r, at::IntArrayRef shape,
                               const cv_optional<at::Tensor>& beta, std::array<bool, 3> mask) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({g, x, gamma.value_or(at::Tensor()), mean, r});
    context->saved_data["shape"] = shape.vec();
    context->saved_data["mask"] = mask[0] | mask[1] << 1 | mask[2] << 2;
    context->set_materialize_grads(false);
    const auto [in_x, in_gamma, in_beta] = at::native_layer_norm_backward(g, x, shape, mean, r, gamma, beta, mask);
    variable_list asked;
    for (const auto& part : {in_x, in_gamma, in_beta}) {
      if (part.defined()) asked.push_back(part);
    }
    return asked;
  }

  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const auto &g = saved[0], &x = saved[1], &gamma = saved[2], &mean = saved[3], &r = saved[4];
    const auto shape = context->saved_data["shape"].toIntVector();
    const auto mask = context->saved_data["mask"].toInt();
    variable_list c(3);
    for (size_t i = 0, next = 0; i < 3; i++) {
      if (mask >> i & 1) c[i] = incoming[next++];
    }
    const std::array<bool, 3> needs{context->needs_input_grad(0), context->needs_input_grad(1), gamma.defined() && context->needs_input_grad(2)};
    const bool plain = !at::GradMode::is_enabled() && cv::rows_are_plain({c[0], c[1], c[2], g, x, gamma, mean, r}, x);
    const auto [in_g, in_x, in_gamma] = !plain ? composed(c, g, x, r, gamma, shape)
                                        : x.scalar_type() == at::kFloat ? fused<float>(c, g, x, mean, r, gamma, shape, needs) : fused<double>(c, g, x, mean, r, gamma, shape, needs);
    return {needs[0] ? in_g : at::Tensor(), needs[1] ? in_x : at::Tensor(), needs[2] ? in_gamma : at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

Triple layer_norm_backward(const at::Tensor& g, const at::Tensor& x, at::IntArrayRef shape, const at::Tensor& mean, const at::Tensor& r, const cv_optional<at::Tensor>& gamma, const cv_optional<at::Tensor>& beta,
                           std::array<bool, 3> mask) {
  if (!at::GradMode::is_enabled() || cv::any_dual({g, x, gamma.value_or(at::Tensor())})) return at::redispatch::native_layer_norm_backward(cv::own_derivative(), g, x, shape, mean, r, gamma, beta, mask);
  const auto asked = LayerNormBackward::apply(g, x, gamma, mean, r, shape, beta, mask);
  size_t next = 0;
  const auto part = [&](int i) { return mask[i] ? asked[next++] : at::Tensor(); };
  auto in_x = part(0), in_gamma = part(1), in_beta = part(2);
  return {in_x, in_gamma, in_beta};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, AutogradCPU, library) { library.impl("native_layer_norm_backward", layer_norm_backward); }
