// Any ATen operator by name: schema look-up once, then boxed calls through the c10 dispatcher.
#include "abi.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <deque>
#include <sstream>

namespace {

// What a schema argument wants, decided once per operator: boxed kernels accept no int where a float is declared, nor the reverse.
enum class Kind : uint8_t { Any, Float, Int, IntList, FloatList, OptionalTensorList };

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Kind> kinds;
};

Kind kind_of(c10::TypePtr type) {
  if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  switch (type->kind()) {
    case c10::TypeKind::FloatType: return Kind::Float;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::ListType: {
      auto element = type->cast<c10::ListType>()->getElementType();
      switch (element->kind()) {
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType: return Kind::IntList;
        case c10::TypeKind::FloatType: return Kind::FloatList;
        case c10::TypeKind::OptionalType: return Kind::OptionalTensorList;
        default: return Kind::Any;
      }
    }
    default: return Kind::Any;
  }
}

c10::IValue convert(const cv_val& value, Kind kind) {
  switch (kind) {
    case Kind::Float:
      if (value.tag == CV_INT || value.tag == CV_BOOL) return static_cast<double>(value.v.i);
      break;
    case Kind::Int:
      if (value.tag == CV_BOOL) return value.v.i;
      break;
    case Kind::IntList:
      if (value.tag == CV_INT) return std::vector<int64_t>{value.v.i};
      break;
    case Kind::FloatList:
      if (value.tag == CV_FLOAT) return std::vector<double>{value.v.d};
      break;
    case Kind::OptionalTensorList:
      if (value.tag == CV_TENSORS) {
        c10::List<cv_optional<at::Tensor>> list;
        auto handles = static_cast<void* const*>(value.v.p);
        for (int i = 0; i < value.len; i++) {
          if (handles[i]) list.push_back(cv::borrow(handles[i]));
          else list.push_back(cv_nullopt);
        }
        return list;
      }
      break;
    case Kind::Any: break;
  }
  return cv::to_ivalue(value);
}

// A stack per nesting level and thread, kept between calls: hooks and custom functions call operators from within operators.
struct StackLease {
  static thread_local std::deque<torch::jit::Stack> stacks;
  static thread_local size_t depth;
  torch::jit::Stack& stack;
  StackLease() : stack(next()) {}
  ~StackLease() {
    stack.clear();
    depth--;
  }
  static torch::jit::Stack& next() {
    if (depth == stacks.size()) stacks.emplace_back().reserve(16);
    return stacks[depth++];
  }
};
thread_local std::deque<torch::jit::Stack> StackLease::stacks;
thread_local size_t StackLease::depth = 0;

template <typename T>
std::vector<T> items(const cv_val& value) {
  auto first = static_cast<const T*>(value.v.p);
  return std::vector<T>(first, first + value.len);
}

template <typename T>
cv_val array(cv_tag tag, const std::vector<T>& values) {
  cv_val out{tag, static_cast<int32_t>(values.size()), {}};
  out.v.p = malloc(values.size() * sizeof(T) + 1);
  std::copy(values.begin(), values.end(), static_cast<T*>(out.v.p));
  return out;
}

cv_val number(cv_tag tag, int64_t value) {
  cv_val out{tag, 0, {}};
  out.v.i = value;
  return out;
}

}  // namespace

c10::IValue cv::to_ivalue(const cv_val& value) {
  switch (value.tag) {
    case CV_NONE: return {};
    case CV_TENSOR: return value.v.p ? c10::IValue(borrow(value.v.p)) : c10::IValue();
    case CV_INT: return value.v.i;
    case CV_FLOAT: return value.v.d;
    case CV_BOOL: return value.v.i != 0;
    case CV_STRING: return std::string(static_cast<const char*>(value.v.p), value.len);
    case CV_INTS: return items<int64_t>(value);
    case CV_FLOATS: return items<double>(value);
    case CV_BOOLS: {
      c10::List<bool> list;
      for (auto item : items<int8_t>(value)) list.push_back(item != 0);
      return list;
    }
    case CV_TENSORS: return borrow_all(static_cast<void* const*>(value.v.p), value.len);
    case CV_DEVICE: return device(value.v.i);
    case CV_GENERATOR: return value.v.p ? c10::IValue(borrow_generator(value.v.p)) : c10::IValue();
  }
  TORCH_CHECK(false, "unknown argument tag ", value.tag);
}

void cv::from_ivalue(const c10::IValue& value, std::vector<cv_val>& out) {
  if (value.isTensor()) {
    cv_val tensor{CV_TENSOR, 0, {}};
    tensor.v.p = give(value.toTensor());
    out.push_back(tensor);
  } else if (value.isTensorList()) {
    std::vector<void*> handles;
    for (const at::Tensor& item : value.toTensorVector()) handles.push_back(give(item));
    out.push_back(array(CV_TENSORS, handles));
  } else if (value.isTuple()) {
    for (const auto& item : value.toTupleRef().elements()) from_ivalue(item, out);
  } else if (value.isInt()) {
    out.push_back(number(CV_INT, value.toInt()));
  } else if (value.isBool()) {
    out.push_back(number(CV_BOOL, value.toBool()));
  } else if (value.isDouble()) {
    cv_val real{CV_FLOAT, 0, {}};
    real.v.d = value.toDouble();
    out.push_back(real);
  } else if (value.isNone()) {
    out.push_back(cv_val{CV_NONE, 0, {}});
  } else {
    TORCH_CHECK(false, "a result of type ", value.tagKind(), " has no managed form");
  }
}

// The handle lives as long as the process: one per operator and overload that is ever called.
CV_API int cv_op_find(const char* name, const char* overload, void** op) {
  return cv::guarded([&] {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(found.has_value(), "no operator ", name, *overload ? "." : "", overload, " in this libtorch (", TORCH_VERSION, ")");
    auto entry = new Operator{*found, {}};
    for (const auto& argument : found->schema().arguments()) entry->kinds.push_back(kind_of(argument.type()));
    *op = entry;
  });
}

// Arguments that are left off at the end take the schema's defaults. More than `max` results are an error of the caller.
CV_API int cv_call(void* op, const cv_val* args, int32_t n, cv_val* results, int32_t max, int32_t* count) {
  cv::capture_warnings();
  return cv::guarded([&] {
    auto& entry = *static_cast<Operator*>(op);
    const auto& arguments = entry.handle.schema().arguments();
    TORCH_CHECK(static_cast<size_t>(n) <= arguments.size(), entry.handle.schema(), " got ", n, " arguments");

    StackLease lease;
    for (int i = 0; i < n; i++) lease.stack.push_back(convert(args[i], entry.kinds[i]));
    for (size_t i = n; i < arguments.size(); i++) {
      TORCH_CHECK(arguments[i].default_value().has_value(), entry.handle.schema(), " misses its argument ", arguments[i].name());
      lease.stack.push_back(*arguments[i].default_value());
    }

    entry.handle.callBoxed(lease.stack);

    if (lease.stack.size() == 1 && lease.stack[0].isTensor()) {  // the common case, without a temporary list
      results[0] = cv_val{CV_TENSOR, 0, {}};
      results[0].v.p = cv::give(std::move(lease.stack[0]).toTensor());
      *count = 1;
      return;
    }
    std::vector<cv_val> values;
    for (const auto& item : lease.stack) cv::from_ivalue(item, values);
    TORCH_CHECK(values.size() <= static_cast<size_t>(max), entry.handle.schema(), " returned ", values.size(), " values");
    std::copy(values.begin(), values.end(), results);
    *count = static_cast<int32_t>(values.size());
  });
}
