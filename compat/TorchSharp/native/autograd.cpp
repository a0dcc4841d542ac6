// Reverse mode: grad, backward, modes, and graph nodes whose derivative is managed code.
#include "abi.h"

#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

using torch::autograd::Node;
using torch::autograd::variable_list;

CV_API int cv_set_requires_grad(void* tensor, int32_t value) {
  return cv::guarded([&] { cv::borrow(tensor).set_requires_grad(value != 0); });
}
CV_API int cv_tensor_grad(void* tensor, void** grad) {
  return cv::guarded([&] { *grad = cv::give(cv::borrow(tensor).grad()); });
}
CV_API int cv_set_tensor_grad(void* tensor, void* grad) {
  return cv::guarded([&] { cv::borrow(tensor).mutable_grad() = cv::borrow(grad); });
}
CV_API int cv_retain_grad(void* tensor) {
  return cv::guarded([&] { cv::borrow(tensor).retain_grad(); });
}

CV_API int32_t cv_grad_mode() { return c10::GradMode::is_enabled(); }
CV_API void cv_set_grad_mode(int32_t enabled) { c10::GradMode::set_enabled(enabled != 0); }
CV_API int32_t cv_inference_mode() { return c10::InferenceMode::is_enabled(); }
CV_API void* cv_inference_enter(int32_t enabled) { return new c10::InferenceMode(enabled != 0); }
CV_API void cv_inference_exit(void* mode) { delete static_cast<c10::InferenceMode*>(mode); }

namespace {

// libtorch reads "not given" as "as create_graph"; the ABI says that with a negative number.
cv_optional<bool> retention(int32_t retain) {
  if (retain < 0) return cv_nullopt;
  return retain != 0;
}

}  // namespace

CV_API int cv_grad(void* const* outputs, int32_t n_outputs, void* const* inputs, int32_t n_inputs, void* const* grad_outputs,
                   int32_t n_grad_outputs, int32_t retain, int32_t create, int32_t allow_unused, void** results) {
  cv::capture_warnings();
  return cv::guarded([&] {
    auto grads = torch::autograd::grad(cv::borrow_all(outputs, n_outputs), cv::borrow_all(inputs, n_inputs),
                                       cv::borrow_all(grad_outputs, n_grad_outputs), retention(retain), create != 0, allow_unused != 0);
    for (size_t i = 0; i < grads.size(); i++) results[i] = cv::give(std::move(grads[i]));
  });
}

CV_API int cv_backward(void* const* tensors, int32_t n_tensors, void* const* grads, int32_t n_grads, int32_t retain, int32_t create,
                       void* const* inputs, int32_t n_inputs) {
  cv::capture_warnings();
  return cv::guarded([&] {
    torch::autograd::backward(cv::borrow_all(tensors, n_tensors), cv::borrow_all(grads, n_grads), retention(retain), create != 0,
                              cv::borrow_all(inputs, n_inputs));
  });
}

// ---- Nodes with a managed derivative -------------------------------------------------------------------------------------------------

namespace {

// backward(context, incoming gradients, results): 0, or 1 after cv_report_error. Gradients and results may be null; results are owned by us.
using Backward = int32_t (*)(void* context, void* const* grads, int32_t n_grads, void** results, int32_t n_results);
using Release = void (*)(void* context);

struct ManagedNode final : Node {
  std::string label;
  void* context;  // a managed object, released with the node
  Backward backward;
  Release release;
  std::vector<torch::autograd::SavedVariable> saved;
  std::vector<bool> tracked;  // per output: whether it has history

  ManagedNode(const char* name, void* context, Backward backward, Release release)
      : label(name), context(context), backward(backward), release(release) {}
  ~ManagedNode() override { release(context); }

  std::string name() const override { return label; }

  void release_variables() override {
    for (auto& variable : saved) variable.reset_data();
  }

  variable_list apply(variable_list&& grads) override {
    std::vector<void*> incoming;
    for (size_t i = 0; i < grads.size(); i++) {
      if (!grads[i].defined() && tracked[i]) grads[i] = input_metadata(i).zeros_like();
      incoming.push_back(grads[i].defined() ? grads[i].unsafeGetTensorImpl() : nullptr);
    }
    std::vector<void*> results(num_outputs());
    int32_t failed = backward(context, incoming.data(), static_cast<int32_t>(incoming.size()), results.data(), static_cast<int32_t>(results.size()));
    variable_list out;
    for (size_t i = 0; i < results.size(); i++) {
      auto gradient = cv::take(results[i]);
      out.push_back(should_compute_output(i) ? gradient : at::Tensor());
    }
    if (failed) throw std::runtime_error(pending_error);
    return out;
  }

  static thread_local std::string pending_error;
};
thread_local std::string ManagedNode::pending_error;

// Nodes are shared with the graph: the managed side holds a shared_ptr while it builds one, and only a plain pointer (kept alive by the running
// backward pass) inside the callback.
std::shared_ptr<ManagedNode>& held(void* node) { return *static_cast<std::shared_ptr<ManagedNode>*>(node); }

}  // namespace

CV_API void cv_report_error(const char* message) { ManagedNode::pending_error = message; }

// A node whose outgoing edges lead to the inputs (null for an argument that is no tensor). `raw` is what the context keeps for cv_node_saved.
CV_API int cv_node_new(const char* name, void* context, Backward backward, Release release, void* const* inputs, int32_t n_inputs, void** node, void** raw) {
  return cv::guarded([&] {
    std::shared_ptr<ManagedNode> made(new ManagedNode(name, context, backward, release), torch::autograd::deleteNode);
    torch::autograd::edge_list edges;
    for (int i = 0; i < n_inputs; i++) {
      auto input = cv::borrow(inputs[i]);
      edges.push_back(input.defined() ? torch::autograd::impl::gradient_edge(input) : torch::autograd::Edge());
    }
    made->set_next_edges(std::move(edges));
    *raw = made.get();
    *node = new std::shared_ptr<ManagedNode>(std::move(made));
  });
}

// Makes the outputs results of the node and saves variables in it. An output that already is a variable of the graph (an input handed through, or
// a view) is replaced by a detached alias first, as it must not lose its own history.
CV_API int cv_node_attach(void* node, void* const* outputs, int32_t n_outputs, void** results) {
  return cv::guarded([&] {
    auto& self = held(node);
    for (int i = 0; i < n_outputs; i++) {
      auto output = cv::borrow(outputs[i]).detach();
      self->tracked.push_back(torch::autograd::isDifferentiableType(output.scalar_type()));
      if (self->tracked[i]) torch::autograd::set_history(output, self);
      else self->add_input_metadata(Node::undefined_input());
      results[i] = cv::give(std::move(output));
    }
  });
}

// The saved tensors must include the attached result handles, not the raw outputs, so that the graph holds no cycle.
CV_API int cv_node_save(void* node, void* const* tensors, int32_t n) {
  return cv::guarded([&] {
    auto& self = held(node);
    for (auto& tensor : cv::borrow_all(tensors, n)) {
      bool is_output = tensor.defined() && tensor.grad_fn() == self;
      self->saved.emplace_back(tensor, is_output);
    }
  });
}

// Inside the callback: the saved tensors, or an error if they were freed by an earlier pass or changed in place.
CV_API int cv_node_saved(void* raw, void** results) {
  return cv::guarded([&] {
    auto self = static_cast<ManagedNode*>(raw);
    auto shared = std::static_pointer_cast<Node>(self->shared_from_this());
    for (size_t i = 0; i < self->saved.size(); i++) results[i] = cv::give(self->saved[i].unpack(shared));
  });
}

CV_API void cv_node_drop(void* node) { delete static_cast<std::shared_ptr<ManagedNode>*>(node); }
