// TorchScript files: load, run, look inside, convert, save.
#include "abi.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>

namespace {

torch::jit::Module& module(void* handle) { return *static_cast<torch::jit::Module*>(handle); }

// Names on one line each, handles in one array.
template <typename List, typename Give>
void name_and_give(const List& list, char** names, void*** handles, int32_t* count, Give&& give) {
  std::ostringstream text;
  std::vector<void*> items;
  for (const auto& item : list) {
    if (item.name.empty()) continue;  // the root lists itself among its modules
    text << item.name << '\n';
    items.push_back(give(item.value));
  }
  *names = cv::copy(text.str());
  *handles = static_cast<void**>(malloc(items.size() * sizeof(void*) + 1));
  std::copy(items.begin(), items.end(), *handles);
  *count = static_cast<int32_t>(items.size());
}

}  // namespace

CV_API int cv_jit_load(const char* path, int64_t device, void** result) {
  return cv::guarded([&] { *result = new torch::jit::Module(torch::jit::load(path, cv::device(device))); });
}
CV_API int cv_jit_save(void* self, const char* path) {
  return cv::guarded([&] { module(self).save(path); });
}
CV_API void cv_jit_free(void* self) { delete &module(self); }

CV_API int cv_jit_train(void* self, int32_t on) {
  return cv::guarded([&] { module(self).train(on != 0); });
}
CV_API int cv_jit_training(void* self, int32_t* on) {
  return cv::guarded([&] { *on = module(self).is_training(); });
}

// dtype and device -1: as they are. A type is given to floating-point tensors only (torch::jit::Module::to would cast token tables as well).
// The tensors keep their identity, their data is replaced; gradients of the old type are dropped.
CV_API int cv_jit_to(void* self, int32_t dtype, int64_t device) {
  return cv::guarded([&] {
    at::NoGradGuard no_grad;
    auto move = [&](at::Tensor tensor) {
      auto type = dtype >= 0 && tensor.is_floating_point() ? static_cast<at::ScalarType>(dtype) : tensor.scalar_type();
      auto place = device >= 0 ? cv::device(device) : tensor.device();
      if (type == tensor.scalar_type() && place == tensor.device()) return;
      tensor.mutable_grad() = at::Tensor();
      tensor.set_data(tensor.to(place, type));
    };
    for (const at::Tensor& tensor : module(self).parameters()) move(tensor);
    for (const at::Tensor& tensor : module(self).buffers()) move(tensor);
  });
}

enum cv_jit_part : int32_t { CV_JIT_PARAMETERS = 0, CV_JIT_BUFFERS, CV_JIT_MODULES, CV_JIT_CHILDREN };

CV_API int cv_jit_list(void* self, int32_t part, char** names, void*** handles, int32_t* count) {
  return cv::guarded([&] {
    auto tensor = [](const at::Tensor& value) { return cv::give(value); };
    auto child = [](const torch::jit::Module& value) -> void* { return new torch::jit::Module(value); };
    switch (part) {
      case CV_JIT_PARAMETERS: return name_and_give(module(self).named_parameters(), names, handles, count, tensor);
      case CV_JIT_BUFFERS: return name_and_give(module(self).named_buffers(), names, handles, count, tensor);
      case CV_JIT_MODULES: return name_and_give(module(self).named_modules(), names, handles, count, child);
      default: return name_and_give(module(self).named_children(), names, handles, count, child);
    }
  });
}

// Runs a method, operator by operator through eager autograd: the optimizing executors specialise a graph to what they saw before, which is
// tuned for one backward pass and was never meant to be differentiated twice.
CV_API int cv_jit_call(void* self, const char* method, const cv_val* args, int32_t n, cv_val* results, int32_t max, int32_t* count) {
  cv::capture_warnings();
  return cv::guarded([&] {
    torch::jit::GraphOptimizerEnabledGuard plain(false);
    std::vector<c10::IValue> inputs;
    for (int i = 0; i < n; i++) inputs.push_back(cv::to_ivalue(args[i]));
    std::vector<cv_val> values;
    cv::from_ivalue(module(self).get_method(method)(std::move(inputs)), values);
    TORCH_CHECK(values.size() <= static_cast<size_t>(max), "the method ", method, " returned ", values.size(), " values");
    std::copy(values.begin(), values.end(), results);
    *count = static_cast<int32_t>(values.size());
  });
}
