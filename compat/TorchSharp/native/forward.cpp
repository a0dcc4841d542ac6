// Forward mode: tangents that operators carry along while a level is open. They sit in the tensors themselves, parameters of TorchScript included.
#include "abi.h"

#include <torch/csrc/autograd/forward_grad.h>

CV_API int cv_forward_enter(int64_t* level) {
  return cv::guarded([&] { *level = static_cast<int64_t>(torch::autograd::ForwardADLevel::get_next_idx()); });
}
CV_API int cv_forward_exit(int64_t level) {
  return cv::guarded([&] { torch::autograd::ForwardADLevel::release_idx(static_cast<uint64_t>(level)); });
}
CV_API int cv_forward_set(void* tensor, void* tangent, int64_t level) {
  return cv::guarded([&] { cv::borrow(tensor)._set_fw_grad(cv::borrow(tangent), static_cast<uint64_t>(level), /*is_inplace_op=*/false); });
}
// No tangent gives 0: the tensor does not depend on what was given one.
CV_API int cv_forward_get(void* tensor, int64_t level, void** tangent) {
  return cv::guarded([&] { *tangent = cv::give(cv::borrow(tensor)._fw_grad(static_cast<uint64_t>(level))); });
}
