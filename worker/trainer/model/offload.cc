#include "worker/trainer/model/offload.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace lathe::trainer::model {
namespace {

/// Smaller ones are not worth a copy each.
constexpr std::size_t kMinimumBytes = std::size_t{1} << 20;
/// Layers whose copies may be on their way while the next one is computed.
constexpr std::size_t kBehind = 2;

/// What grows with tokens times width, or with tokens squared. A tensor that is missing here stays
/// on the device, which costs memory and nothing else.
template <class Visit>
void ForEachLarge(LayerTape& tape, const Visit& visit) {
  for (at::Tensor* tensor : {&tape.input, &tape.heads, &tape.qkv, &tape.attention,
                             &tape.attention_added, &tape.middle, &tape.gate_up, &tape.mlp_added}) {
    visit(*tensor);
  }
  for (at::Tensor& probabilities : tape.probabilities) visit(probabilities);
  for (LinearTape* linear :
       {&tape.qkv_tape, &tape.output_tape, &tape.gate_up_tape, &tape.down_tape}) {
    visit(linear->dropout_mask);
  }
}

c10::Stream ComputingStream(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

Offloader::Offloader(const at::Device& device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

Offloader::~Offloader() {
  while (!stored_.empty()) FinishOldest();
  FinishFetch();
}

// Memory that one stream has and another uses must not be given away in between. Device memory
// belongs to the computing stream, so that stream waits for the copies before their memory is
// let go of: whoever gets it then comes after them.
void Offloader::FinishOldest() {
  stored_.front().done.block(ComputingStream(device_));
  stored_.pop_front();
}

/// Calls copy(tensor) for the large tensors, on the stream of the copies and behind all that has
/// been computed so far.
template <class Copy>
c10::Event Offloader::Queue(LayerTape& tape, const Copy& copy) {
  c10::Event computed(device_.type());
  computed.record(ComputingStream(device_));
  computed.block(*stream_);
  ForEachLarge(tape, copy);
  c10::Event done(device_.type());
  done.record(*stream_);
  return done;
}

void Offloader::Store(LayerTape& tape) {
  if (!stream_) return;
  std::vector<at::Tensor> held;
  c10::Event done = Queue(tape, [&](at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cpu() || tensor.nbytes() < kMinimumBytes) return;
    const auto options = tensor.options().device(at::kCPU).pinned_memory(true);
    at::Tensor host = at::empty(tensor.sizes(), options);
    const c10::StreamGuard guard(*stream_);
    host.copy_(tensor, /*non_blocking=*/true);
    held.push_back(std::move(tensor));
    tensor = std::move(host);
  });
  stored_.push_back({std::move(done), std::move(held)});
  if (stored_.size() > kBehind) FinishOldest();
}

void Offloader::StartFetch(LayerTape& tape) {
  if (!stream_) return;
  // Room is taken first, on the computing stream: the copies wait for what used it before.
  std::vector<at::Tensor> rooms;
  ForEachLarge(tape, [&](at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cpu()) return;
    rooms.push_back(
        at::empty(tensor.sizes(), tensor.options().device(device_).pinned_memory(false)));
  });
  auto room = rooms.begin();
  fetched_ = Queue(tape, [&](at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cpu()) return;
    const c10::StreamGuard guard(*stream_);
    room->copy_(tensor, /*non_blocking=*/true);
    tensor = *room++;
  });
}

void Offloader::FinishFetch() {
  if (!fetched_) return;
  fetched_->block(ComputingStream(device_));
  fetched_.reset();
}

}  // namespace lathe::trainer::model
