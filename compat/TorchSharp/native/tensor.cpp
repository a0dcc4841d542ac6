// Tensor handles: lifetime, metadata, memory to and from the managed side.
#include "abi.h"

#include <torch/csrc/autograd/variable.h>

CV_API void cv_tensor_release(void* tensor) {
  if (tensor) c10::raw::intrusive_ptr::decref(cv::impl(tensor));
}
CV_API void* cv_tensor_retain(void* tensor) {
  if (tensor) c10::raw::intrusive_ptr::incref(cv::impl(tensor));
  return tensor;
}

// Cheap getters, called without a transition of the managed runtime: they must neither block nor throw.
CV_API int64_t cv_tensor_numel(void* tensor) { return cv::impl(tensor)->numel(); }
CV_API int32_t cv_tensor_dim(void* tensor) { return static_cast<int32_t>(cv::impl(tensor)->dim()); }
CV_API int32_t cv_tensor_dtype(void* tensor) { return static_cast<int32_t>(c10::typeMetaToScalarType(cv::impl(tensor)->dtype())); }
CV_API int64_t cv_tensor_device(void* tensor) { return cv::code(cv::impl(tensor)->device()); }
CV_API int32_t cv_tensor_requires_grad(void* tensor) {
  auto self = cv::borrow(tensor);
  return self.requires_grad();
}
CV_API void cv_tensor_sizes(void* tensor, int64_t* sizes) {
  auto all = cv::impl(tensor)->sizes();
  std::copy(all.begin(), all.end(), sizes);
}

CV_API int cv_tensor_strides(void* tensor, int64_t* strides, int64_t* offset) {
  return cv::guarded([&] {
    auto self = cv::borrow(tensor);
    std::copy(self.strides().begin(), self.strides().end(), strides);
    *offset = self.storage_offset();
  });
}

// The address of the first element; the memory belongs to the tensor.
CV_API int cv_tensor_data(void* tensor, void** data) {
  return cv::guarded([&] { *data = cv::borrow(tensor).data_ptr(); });
}

enum cv_fact : int32_t { CV_IS_LEAF = 0, CV_IS_CONTIGUOUS, CV_IS_SPARSE };

CV_API int cv_tensor_fact(void* tensor, int32_t fact, int32_t* answer) {
  return cv::guarded([&] {
    auto self = cv::borrow(tensor);
    switch (fact) {
      case CV_IS_LEAF: *answer = self.is_leaf(); break;
      case CV_IS_CONTIGUOUS: *answer = self.is_contiguous(); break;
      case CV_IS_SPARSE: *answer = self.is_sparse(); break;
      default: TORCH_CHECK(false, "unknown fact ", fact);
    }
  });
}

namespace {

// In main memory; without an index, which libtorch would compare with the memory's own.
at::TensorOptions options(int32_t dtype) {
  return at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype)).device(at::kCPU);
}

}  // namespace

// A new tensor with a copy of row-major memory.
CV_API int cv_tensor_from(const void* data, const int64_t* sizes, int32_t dim, int32_t dtype, void** result) {
  return cv::guarded([&] {
    auto tensor = at::empty({sizes, static_cast<size_t>(dim)}, options(dtype));
    if (tensor.numel()) memcpy(tensor.data_ptr(), data, tensor.nbytes());
    *result = cv::give(std::move(tensor));
  });
}

// A tensor over the caller's memory, which must stay in place until `release(context)` is called (on whichever thread drops the last reference).
CV_API int cv_tensor_wrap(void* data, const int64_t* sizes, int32_t dim, int32_t dtype, void (*release)(void*), void* context, void** result) {
  return cv::guarded([&] {
    auto tensor = at::from_blob(data, {sizes, static_cast<size_t>(dim)}, [release, context](void*) { release(context); }, options(dtype));
    *result = cv::give(std::move(tensor));
  });
}

// Row-major copy of all elements into the caller's memory, from any device and any strides.
CV_API int cv_tensor_read(void* tensor, void* target, int64_t bytes) {
  return cv::guarded([&] {
    auto self = cv::borrow(tensor).detach().cpu().contiguous();
    TORCH_CHECK(static_cast<int64_t>(self.nbytes()) == bytes, "the tensor has ", self.nbytes(), " bytes, the target ", bytes);
    if (bytes) memcpy(target, self.data_ptr(), bytes);
  });
}

// The only element, as an int (1 in *is_int, also for bool) or a double.
CV_API int cv_tensor_item(void* tensor, int64_t* integer, double* real, int32_t* is_int) {
  cv::capture_warnings();
  return cv::guarded([&] {
    auto item = cv::borrow(tensor).item();
    *is_int = item.isIntegral(/*includeBool=*/true);
    if (*is_int) *integer = item.to<int64_t>();
    else *real = item.toDouble();
  });
}

