// Errors, warnings, random numbers, threads, devices.
#include "abi.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/cuda.h>

namespace {

thread_local std::string last_error;

void (*warn)(const char*) = nullptr;

struct ManagedWarnings final : c10::WarningHandler {
#if CV_TORCH_AT_LEAST(2, 0)
  void process(const c10::Warning& warning) override { tell(warning.msg()); }
#else
  void process(const c10::SourceLocation&, const std::string& message, const bool) override { tell(message); }
#endif
  static void tell(const std::string& message) {
    if (warn) warn(message.c_str());
  }
};

}  // namespace

char* cv::copy(const std::string& text) {
  auto copy = static_cast<char*>(malloc(text.size() + 1));
  memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

void cv::remember_error() noexcept {
  try {
    throw;
  } catch (const c10::Error& error) {
    last_error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "an unknown C++ exception";
  }
}

void cv::capture_warnings() noexcept {
  static thread_local bool installed = false;
  if (installed) return;
  installed = true;
  static ManagedWarnings handler;
#if CV_TORCH_AT_LEAST(2, 0)
  c10::WarningUtils::set_warning_handler(&handler);
#else
  c10::Warning::set_warning_handler(&handler);
#endif
}

CV_API const char* cv_last_error() { return last_error.c_str(); }
CV_API void cv_free(void* memory) { free(memory); }
CV_API void cv_set_warning_callback(void (*callback)(const char*)) { warn = callback; }
CV_API int32_t cv_torch_version() { return TORCH_VERSION_MAJOR * 10000 + TORCH_VERSION_MINOR * 100 + TORCH_VERSION_PATCH; }

// ---- Random numbers ------------------------------------------------------------------------------------------------------------------

at::Generator cv::borrow_generator(void* handle) {
  return at::Generator(c10::intrusive_ptr<c10::GeneratorImpl>::reclaim_copy(static_cast<c10::GeneratorImpl*>(handle)));
}

CV_API int cv_manual_seed(uint64_t seed) {
  return cv::guarded([&] { at::manual_seed(seed); });
}

// The device's own generator (shared), or one that draws apart. On the CPU it is made afresh: libtorch 1.13 never frees a clone, whose weak count starts at 0.
CV_API int cv_generator(int64_t device, int32_t fresh, void** generator) {
  return cv::guarded([&] {
    auto where = cv::device(device);
    auto shared = at::globalContext().defaultGenerator(where);
    auto own = fresh ? where.is_cpu() ? at::detail::createCPUGenerator() : shared.clone() : shared;
    *generator = own.unsafeReleaseGeneratorImpl();
  });
}
CV_API void cv_generator_release(void* generator) { c10::raw::intrusive_ptr::decref(static_cast<c10::GeneratorImpl*>(generator)); }

// The generator's lock is libtorch's convention: the default one is shared between threads.
CV_API int cv_generator_seed(void* generator, uint64_t seed) {
  return cv::guarded([&] {
    auto self = cv::borrow_generator(generator);
    std::lock_guard<std::mutex> lock(self.mutex());
    self.set_current_seed(seed);
  });
}
CV_API int cv_generator_initial_seed(void* generator, uint64_t* seed) {
  return cv::guarded([&] { *seed = cv::borrow_generator(generator).current_seed(); });
}
CV_API int cv_generator_state(void* generator, void** state) {
  return cv::guarded([&] { *state = cv::give(cv::borrow_generator(generator).get_state()); });
}
CV_API int cv_generator_set_state(void* generator, void* state) {
  return cv::guarded([&] {
    auto self = cv::borrow_generator(generator);
    std::lock_guard<std::mutex> lock(self.mutex());
    self.set_state(cv::borrow(state));
  });
}

// ---- Threads and devices -------------------------------------------------------------------------------------------------------------

CV_API int32_t cv_get_threads() { return at::get_num_threads(); }
CV_API int cv_set_threads(int32_t count) {
  return cv::guarded([&] { at::set_num_threads(count); });
}

// Products in TF32 (a mantissa of 10 bits): of cuBLAS, and of cuDNN's convolutions, where libtorch allows it unless told otherwise.
CV_API int32_t cv_get_tf32(int32_t cudnn) { return cudnn ? at::globalContext().allowTF32CuDNN() : at::globalContext().allowTF32CuBLAS(); }
CV_API void cv_set_tf32(int32_t cudnn, int32_t on) {
  if (cudnn) {
    at::globalContext().setAllowTF32CuDNN(on != 0);
  } else {
    at::globalContext().setAllowTF32CuBLAS(on != 0);
  }
}
CV_API void cv_enable_flash_sdp(int32_t on) { at::globalContext().setSDPUseFlash(on != 0); }

CV_API int32_t cv_cuda_count() {
  int32_t count = 0;
  cv::guarded([&] { count = static_cast<int32_t>(torch::cuda::device_count()); });
  return count;
}
