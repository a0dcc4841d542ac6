// Fused passes over the rows of contiguous tensors, on libtorch's threads and in the processor's widest vectors.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)  // clones are chosen by glibc's loader
#define CV_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))  // on plain functions: what they call is inlined, or stays narrow
#else
#define CV_WIDE
#endif
#define CV_INLINE inline __attribute__((always_inline))

namespace cv {

inline int64_t row_parts(const at::Tensor& x) { return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), x.numel() / 32768)); }

// body(part, first, last) over `rows` in `parts`, of which each is one thread's.
template <typename F>
void for_rows(int64_t rows, int64_t parts, const F& body) {
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (auto part = begin; part < end; part++) body(part, rows * part / parts, rows * (part + 1) / parts);
  });
}

// Whether the passes are written for them: what a derivative's caller may hand in is not always of the layer's own kind.
inline bool rows_are_plain(std::initializer_list<at::Tensor> tensors, const at::Tensor& like) {
  const auto type = like.scalar_type();
  return (type == at::kFloat || type == at::kDouble) && std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor& t) {
           return !t.defined() || (t.device().is_cpu() && t.layout() == at::kStrided && t.scalar_type() == type);
         });
}

// libtorch's own derivative of an operator that this library overrides for the CPU.
inline c10::DispatchKeySet own_derivative() { return c10::DispatchKeySet({c10::DispatchKey::AutogradOther, c10::DispatchKey::CPU}); }

// Whether forward mode runs through any of them: a custom function has no rule for it, and libtorch's own derivative has.
inline bool any_dual(std::initializer_list<at::Tensor> tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& t) { return t.defined() && t._fw_grad(0).defined(); });
}

}  // namespace cv
