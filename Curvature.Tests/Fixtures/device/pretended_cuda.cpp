// A CUDA device that is not there: its memory is main memory, its kernels are the CPU's, and libtorch believes in it. Loaded before libtorch is first
// asked for CUDA (NativeLibrary.Load, or LD_PRELOAD), it makes `cuda:0` available in a build of libtorch without CUDA, so that code can be tested for
// what goes wrong on a GPU and not on a CPU: tensors of two devices in one operator, generators of the wrong device, element access without a copy,
// backward passes on another thread, and waits of the host for the device, which are counted by their operator.
//
// What it does not show: CUDA's own kernels, their rounding, streams, asynchronous errors, memory and speed.
#include "pretended_cuda.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/CPUAllocator.h>
#include <torch/library.h>

#include <set>

namespace {

using namespace pretended;
using torch::jit::Stack;

// Operators whose CUDA kernels read a size or a flag back.
const std::set<std::string> waiting = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal", "aten::_unique2", "aten::unique_dim",
  "aten::unique_consecutive", "aten::bincount", "aten::repeat_interleave", "aten::multinomial"};

// Operators that take indices in main memory along with tensors on the device, and copy them there.
const std::set<std::string> indexing = {"aten::index", "aten::_index_put_impl_"};

// ---- Memory ---------------------------------------------------------------------------------------------------------------------------

// Memory that counts as the device's while it is held.
struct Held {
  at::Tensor memory;
  size_t bytes;

  explicit Held(const at::Tensor& memory) : memory(memory), bytes(memory.storage().nbytes()) { allocate(bytes); }
  ~Held() { release(bytes); }
};

c10::Storage on_device(const at::Tensor& memory) {
  c10::DataPtr data(memory.storage().unsafeGetStorageImpl()->data(), new Held(memory), [](void* self) { delete static_cast<Held*>(self); }, cuda0);
  return c10::Storage(c10::Storage::use_byte_size_t(), memory.storage().nbytes(), std::move(data), nullptr, false);
}

at::Tensor make(c10::Storage storage, caffe2::TypeMeta dtype, at::IntArrayRef sizes, at::IntArrayRef strides, int64_t offset) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CUDA), dtype);
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides, offset);
  return tensor;
}

// A tensor of the device over a CPU tensor's memory.
at::Tensor enter(const at::Tensor& memory) { return make(on_device(memory), memory.dtype(), memory.sizes(), memory.strides(), memory.storage_offset()); }

// The CPU's view of a tensor of the device. The storage of one that is written may be given another size: operators do so with their results.
at::Tensor leave(const at::Tensor& tensor, bool written = false) {
  auto options = tensor.options().device(at::kCPU);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  int64_t last = 0;
  for (int64_t i = 0; i < tensor.dim(); i++) last += (tensor.size(i) - 1) * tensor.stride(i);
  c10::DataPtr data(tensor.data_ptr(), new at::Tensor(tensor), [](void* self) { delete static_cast<at::Tensor*>(self); }, at::kCPU);
  c10::Storage storage(c10::Storage::use_byte_size_t(), (last + 1) * tensor.itemsize(), std::move(data), c10::GetDefaultCPUAllocator(), written);
  auto memory = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.dtype());
  memory.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  return memory;
}

// The tensor takes the size and memory of a result.
void adopt(const at::Tensor& tensor, const at::Tensor& memory) {
  tensor.unsafeGetTensorImpl()->set_storage_keep_dtype(on_device(memory));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(memory.sizes(), memory.strides(), memory.storage_offset());
}

// ---- Operators ------------------------------------------------------------------------------------------------------------------------

struct Place {
  at::Tensor tensor, memory;
  bool written;
};

// Runs an operator's CPU kernel on the same memory.
void run(const c10::OperatorHandle& op, Stack* stack) {
  const auto& schema = op.schema();
  const auto& name = schema.name();
  const bool copies = name == "aten::copy_", indexes = indexing.count(name) != 0, pins = name == "aten::_pin_memory" || name == "aten::is_pinned";
  const size_t begin = stack->size() - schema.arguments().size();
  std::vector<Place> places;
  at::Tensor host, written_host;

  if (name == "aten::as_strided") {
    auto offset = torch::jit::pop(stack), strides = torch::jit::pop(stack), sizes = torch::jit::pop(stack), self = torch::jit::pop(stack);
    const auto& t = self.toTensor();
    torch::jit::push(stack, make(t.storage(), t.dtype(), sizes.toIntVector(), strides.toIntVector(), offset.isNone() ? t.storage_offset() : offset.toInt()));
    return;
  }
  if (name == "aten::resize_") {
    auto format = torch::jit::pop(stack), sizes = torch::jit::pop(stack), self = torch::jit::pop(stack);
    const auto& t = self.toTensor();
    auto memory = at::empty(sizes.toIntVector(), t.options().device(at::kCPU));
    auto kept = std::min(memory.numel(), t.numel());
    if (kept != 0) memory.view(-1).narrow(0, 0, kept).copy_(leave(t).reshape(-1).narrow(0, 0, kept));
    adopt(t, memory);
    torch::jit::push(stack, t);
    return;
  }
  if (waiting.count(name)) wait(name);
  if (name == "aten::empty" && (*stack)[begin].isIntList()) {
    const auto dtype = (*stack)[begin + 1].isNone() ? at::kFloat : (*stack)[begin + 1].toScalarType();
    require(c10::multiply_integers((*stack)[begin].toIntVector()) * c10::elementSize(dtype));
  }

  auto take = [&](const at::Tensor& tensor, bool written) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_cuda()) {
      if (tensor.dim() > 0 || written) host = tensor;
      if (written) written_host = tensor;
      return tensor;
    }
    if (indexes && places.size() != 0 && (tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte)) wait(name + " by a mask");
    places.push_back({tensor, leave(tensor, written), written});
    return places.back().memory;
  };
  for (size_t i = 0; i < schema.arguments().size(); i++) {
    auto& value = (*stack)[begin + i];
    const auto* alias = schema.arguments()[i].alias_info();
    const bool written = alias && alias->isWrite();
    if (value.isTensor()) {
      value = take(value.toTensor(), written);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(take(tensor, written));
      value = list;
    } else if (value.isList() && schema.arguments()[i].type()->str() == "Tensor?[]") {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::IValue& item : value.toListRef()) {
        list.push_back(item.isNone() ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(take(item.toTensor(), written)));
      }
      value = list;
    } else if (value.isDevice() && value.toDevice().is_cuda() && !pins) {
      value = c10::Device(at::kCPU);
    } else if (value.isGenerator()) {
      value = inner(value.toGenerator());
    }
  }

  if (copies) {
    const at::Tensor source = (*stack)[begin + 1].toTensor();
    const bool from_host = !written_host.defined() && (host.defined() || source.dim() == 0) && places.size() == 1 && source.numel() != 0;
    if (written_host.defined()) {
      wait("copy to the host");
    } else if (from_host && (!(*stack)[begin + 2].toBool() || !is_pinned(source.data_ptr()))) {
      wait("copy of pageable memory");
    }
  } else if (indexes && host.defined() && !written_host.defined()) {
    wait("copy of pageable memory");
  } else if (host.defined() && places.size() != 0) {
    TORCH_CHECK(false, "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (", name, ")");
  } else if (pins) {
    const at::Tensor memory = (*stack)[begin].toTensor();
    torch::jit::drop(stack, schema.arguments().size());
    if (name == "aten::is_pinned") {
      torch::jit::push(stack, memory.numel() != 0 && is_pinned(memory.data_ptr()));
      return;
    }
    auto* owner = new at::Tensor(memory.clone(at::MemoryFormat::Contiguous));
    pin(owner->data_ptr());
    torch::jit::push(stack, at::from_blob(owner->data_ptr(), owner->sizes(), [owner](void* data) {
      unpin(data);
      delete owner;
    }, owner->options()));
    return;
  }

  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);

  for (const Place& place : places) {
    if (!place.written) continue;
    if (place.tensor.sizes() != place.memory.sizes()) {
      adopt(place.tensor, place.memory);
    } else if (place.tensor.numel() != 0 && place.tensor.data_ptr() != place.memory.data_ptr()) {
      leave(place.tensor).copy_(place.memory);  // given another size and this one again
    }
  }
  auto give = [&](const at::Tensor& result, bool alias) {
    if (!result.defined() || (copies && written_host.defined())) return result;
    for (const Place& place : places) {
      if (result.unsafeGetTensorImpl() == place.memory.unsafeGetTensorImpl()) return place.tensor;
    }
    if (result._is_zerotensor()) return enter(at::zeros(result.sizes(), result.options()));  // it has no memory
    if (!alias) return enter(result);
    TORCH_CHECK(!places.empty(), name, " gives a view of nothing");
    const Place& base = places[0];
    int64_t ahead = result.numel() == 0 ? 0 : (static_cast<const char*>(result.data_ptr()) - static_cast<const char*>(base.memory.data_ptr())) / static_cast<int64_t>(result.itemsize());
    return make(base.tensor.storage(), result.dtype(), result.sizes(), result.strides(), base.tensor.storage_offset() + ahead);
  };
  const size_t first = stack->size() - schema.returns().size();
  for (size_t i = 0; i < schema.returns().size(); i++) {
    auto& value = (*stack)[first + i];
    const bool alias = schema.returns()[i].alias_info() != nullptr;
    if (value.isTensor()) {
      value = give(value.toTensor(), alias);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(give(tensor, alias));
      value = list;
    }
  }
}

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&run>()); }

// Those that libtorch composes of others and asks a device's own table for kernels in doing so.
TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  for (const char* name : {"copy_", "is_pinned", "convolution", "convolution_backward"}) library.impl(name, torch::CppFunction::makeFromBoxedFunction<&run>());
}

}  // namespace
