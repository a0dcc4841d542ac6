// What the parts of the pretended CUDA device have in common; see pretended_cuda.cpp.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace pretended {

inline const c10::Device cuda0(c10::DeviceType::CUDA, 0);

// The host waits for the device here, or copies to it from memory that is not pinned, which waits as well.
void wait(const std::string& what);

void pin(const void* data);
void unpin(const void* data);
bool is_pinned(const void* data);

// What tensors of the device take and give back.
void allocate(size_t bytes);
void release(size_t bytes);

// Refuses a tensor of so many bytes where they cannot be had.
void require(size_t bytes);

const at::Generator& default_generator();

// The CPU's generator in one of the device.
at::Generator inner(const at::Generator& generator);

}  // namespace pretended
