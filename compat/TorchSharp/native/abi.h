// The C ABI between the managed stand-in and libtorch, and what its files share.
//
// Conventions. A function that can fail returns 0, or 1 after it has stored a message for cv_last_error (per thread). Handles are owned references:
// a tensor is a TensorImpl*, a generator a GeneratorImpl*, null is "undefined". A handle passed in is only borrowed. Text and arrays handed out
// are malloc'ed and freed by cv_free. No C++ exception ever crosses this boundary, and no managed exception comes in: callbacks report 1 instead.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#define CV_API extern "C" __attribute__((visibility("default")))
#define CV_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

// libtorch 2.2 made c10::optional an alias of std::optional and later dropped it.
#if CV_TORCH_AT_LEAST(2, 2)
template <typename T> using cv_optional = std::optional<T>;
inline constexpr auto cv_nullopt = std::nullopt;
#else
template <typename T> using cv_optional = c10::optional<T>;
inline constexpr auto cv_nullopt = c10::nullopt;
#endif

// A value on its way into or out of an operator; mirrored by Interop/Val.cs.
enum cv_tag : int32_t {
  CV_NONE = 0, CV_TENSOR, CV_INT, CV_FLOAT, CV_BOOL, CV_STRING, CV_INTS, CV_FLOATS, CV_BOOLS, CV_TENSORS, CV_DEVICE, CV_GENERATOR
};

struct cv_val {
  int32_t tag;
  int32_t len;  // of lists and strings
  union { int64_t i; double d; void* p; } v;
};
static_assert(sizeof(cv_val) == 16, "the managed struct has this size");

namespace cv {

// Stores the message of the exception in flight; call it in a catch block only.
void remember_error() noexcept;

// Runs the body; an exception becomes 1 and a message.
template <typename F>
int guarded(F&& body) noexcept {
  try {
    body();
    return 0;
  } catch (...) {
    remember_error();
    return 1;
  }
}

// Sends this thread's libtorch warnings to the managed handler (the registration is per thread).
void capture_warnings() noexcept;

// A second reference to the tensor behind a borrowed handle; undefined for null.
inline at::Tensor borrow(void* handle) {
  if (!handle) return at::Tensor();
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(static_cast<c10::TensorImpl*>(handle)));
}

// The tensor behind a handle that is ours to keep.
inline at::Tensor take(void* handle) {
  if (!handle) return at::Tensor();
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(static_cast<c10::TensorImpl*>(handle)));
}

// The tensor behind a handle that is not null, without touching the reference count.
inline c10::TensorImpl* impl(void* handle) { return static_cast<c10::TensorImpl*>(handle); }

// Hands the reference over to the managed side; null for undefined.
inline void* give(at::Tensor tensor) { return tensor.defined() ? tensor.unsafeReleaseTensorImpl() : nullptr; }

inline std::vector<at::Tensor> borrow_all(void* const* handles, int count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (int i = 0; i < count; i++) tensors.push_back(borrow(handles[i]));
  return tensors;
}

at::Generator borrow_generator(void* handle);

// A device as one number: type in the upper half, index (-1 = current) in the lower.
inline c10::Device device(int64_t code) {
  return c10::Device(static_cast<c10::DeviceType>(code >> 32), static_cast<c10::DeviceIndex>(static_cast<int32_t>(code)));
}
inline int64_t code(c10::Device device) {
  return (static_cast<int64_t>(device.type()) << 32) | static_cast<uint32_t>(static_cast<int32_t>(device.index()));
}

char* copy(const std::string& text);

// IValue <-> cv_val without a schema (TorchScript); dispatch.cpp adds the schema's own conversions.
c10::IValue to_ivalue(const cv_val& value);
void from_ivalue(const c10::IValue& value, std::vector<cv_val>& out);

}  // namespace cv
