// What is counted of the device, and the functions of the CUDA runtime that the library asks itself.
#include "pretended_cuda.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

std::mutex lock;
std::map<std::string, int64_t> waits;
std::set<const void*> pinned;

// A device of so many bytes whose allocator keeps what tensors give back, as libtorch's does, until there is no more; 0: a tebibyte, and what is given back is free.
std::atomic<size_t> allocated{0};
size_t bounded = 0;
size_t reserved = 0;
int contexts = 0;
thread_local int current = 0;

size_t total() { return bounded != 0 ? bounded : size_t{1} << 40; }

size_t taken() { return std::min(total(), bounded != 0 ? reserved = std::max(reserved, allocated.load()) : allocated.load()); }

}  // namespace

void pretended::wait(const std::string& what) {
  std::lock_guard<std::mutex> guard(lock);
  waits[what]++;
}

void pretended::pin(const void* data) {
  std::lock_guard<std::mutex> guard(lock);
  pinned.insert(data);
}

void pretended::unpin(const void* data) {
  std::lock_guard<std::mutex> guard(lock);
  pinned.erase(data);
}

bool pretended::is_pinned(const void* data) {
  std::lock_guard<std::mutex> guard(lock);
  return pinned.count(data) != 0;
}

void pretended::allocate(size_t bytes) { allocated += bytes; }

void pretended::release(size_t bytes) { allocated -= bytes; }

void pretended::require(size_t bytes) {
  std::lock_guard<std::mutex> guard(lock);
  if (bounded == 0 || bytes <= total() - taken()) return;
  reserved = allocated;
  TORCH_CHECK(bytes <= total() - taken(), "CUDA out of memory. Tried to allocate ", bytes, " bytes");
}

// One line for each kind of wait since the last call that had room for them, "NAME COUNT". Gives the length of the whole text; what has room is forgotten.
EXPORT int pretended_cuda_waits(char* text, int size) {
  std::lock_guard<std::mutex> guard(lock);
  std::string all;
  for (const auto& [name, count] : waits) all += name + " " + std::to_string(count) + "\n";
  if (static_cast<int>(all.size()) <= size) {
    memcpy(text, all.data(), all.size());
    waits.clear();
  }
  return static_cast<int>(all.size());
}

EXPORT void pretended_cuda_bound(size_t bytes) {
  std::lock_guard<std::mutex> guard(lock);
  bounded = bytes;
  reserved = 0;
}

// Bytes of the device that tensors have now, whatever its allocator keeps of those that are gone.
EXPORT size_t pretended_cuda_allocated() { return allocated; }

// The devices that cudaSetDevice was called for, by bits: from CUDA 12 on each of them has a context then.
EXPORT int pretended_cuda_contexts() {
  std::lock_guard<std::mutex> guard(lock);
  return contexts;
}

// The CUDA runtime's own question, answered for what tensors of the device take. A device beside the first is empty and half as large.
EXPORT int cudaMemGetInfo(size_t* free, size_t* all) {
  std::lock_guard<std::mutex> guard(lock);
  *all = current == 0 ? total() : total() / 2;
  *free = current == 0 ? total() - taken() : *all;
  return 0;
}

EXPORT int cudaGetDevice(int* index) {
  *index = current;
  return 0;
}

EXPORT int cudaSetDevice(int index) {
  std::lock_guard<std::mutex> guard(lock);
  contexts |= 1 << index;
  current = index;
  return 0;
}
