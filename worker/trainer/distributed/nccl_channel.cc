#include "worker/trainer/distributed/nccl_channel.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>

#include <memory>

#include "worker/trainer/distributed/torch_nccl/nccl.h"

namespace lathe::trainer::distributed {
namespace {

namespace nccl = torch::cuda::nccl;

constexpr std::int32_t kSum = 0;  ///< of ncclRedOp_t

}  // namespace

std::vector<double> NcclChannel::MakeId() {
  nccl::ncclUniqueId id{};
  nccl::get_unique_id(id);
  return {std::begin(id.internal), std::end(id.internal)};
}

NcclChannel::NcclChannel(const std::vector<double>& id, int rank, int size,
                         const at::Device& device)
    : communicator_(nullptr),
      size_(size),
      device_(device),
      side_(c10::cuda::getStreamFromPool(false, device.index()).unwrap()) {
  nccl::ncclUniqueId bytes{};
  for (std::size_t i = 0; i < sizeof bytes.internal; ++i) {
    bytes.internal[i] = static_cast<char>(id[i]);
  }
  const c10::DeviceGuard guard(device_);
  communicator_ = nccl::comm_init_rank(size, bytes, rank);
}

NcclChannel::~NcclChannel() {
  nccl::comm_destroy(communicator_);
}

void NcclChannel::Sum(at::Tensor& tensor) const {
  std::vector<at::Tensor> tensors = {tensor};
  nccl::all_reduce(tensors, tensors, kSum, {}, {communicator_});
}

/// The side stream goes on when what is queued on the current one is done.
void NcclChannel::FollowCurrentStream() const {
  c10::Event ready(at::kCUDA);
  ready.record(c10::cuda::getCurrentCUDAStream(device_.index()).unwrap());
  ready.block(side_);
}

/// Done when the side stream has come so far; holds what it uses until then.
Gathering NcclChannel::Behind(std::vector<at::Tensor> held) const {
  auto done = std::make_shared<c10::Event>(at::kCUDA);
  done->record(side_);
  return Gathering([done, held = std::move(held), index = device_.index()] {
    done->block(c10::cuda::getCurrentCUDAStream(index).unwrap());
  });
}

Gathering NcclChannel::StartSum(const at::Tensor& tensor) const {
  FollowCurrentStream();
  std::vector<at::Tensor> tensors = {tensor};
  nccl::all_reduce(tensors, tensors, kSum, {c10::cuda::CUDAStream(side_)}, {communicator_});
  return Behind(std::move(tensors));
}

Gathering NcclChannel::Gather(const at::Tensor& part, const at::Tensor& whole) const {
  FollowCurrentStream();  // `whole` is not read any more, `part` has been written.
  std::vector<at::Tensor> inputs(static_cast<std::size_t>(size_), part);
  std::vector<at::Tensor> outputs = whole.chunk(size_);
  c10::cuda::CUDAStream side(side_);
  nccl::all2all(outputs, inputs, communicator_, side);
  return Behind({part, whole});
}

}  // namespace lathe::trainer::distributed
