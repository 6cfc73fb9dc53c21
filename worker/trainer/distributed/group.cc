#include "worker/trainer/distributed/group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#ifdef LATHE_NCCL
#include "worker/trainer/distributed/nccl_channel.h"
#endif

namespace lathe::trainer::distributed {

struct Group::Backend {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
#ifdef LATHE_NCCL
  std::unique_ptr<NcclChannel> nccl;
#endif
};

namespace {

bool IsLoopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::string MeetingPlace(const World& world) {
  if (!world.rendezvous_file.empty()) return world.rendezvous_file.string();
  return world.master_address + ":" + std::to_string(world.master_port);
}

/// GLOO_SOCKET_IFNAME names another network interface than the host name's, as in torch.
std::shared_ptr<gloo::transport::Device> MakeDevice(const World& world) {
  using c10d::ProcessGroupGloo;
  if (const char* name = std::getenv("GLOO_SOCKET_IFNAME"); name != nullptr && *name != '\0') {
    return ProcessGroupGloo::createDeviceForInterface(name);
  }
  if (!world.rendezvous_file.empty() || IsLoopback(world.master_address)) {
    return ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  }
  return ProcessGroupGloo::createDefaultDevice();
}

c10::intrusive_ptr<c10d::Store> OpenStore(const World& world) {
  if (!world.rendezvous_file.empty()) {
    auto store = c10::make_intrusive<c10d::FileStore>(world.rendezvous_file.string(), world.size);
    store->setTimeout(world.timeout);
    return store;
  }
  c10d::TCPStoreOptions options;
  options.port = world.master_port;
  options.isServer = world.rank == 0;
  options.numWorkers = static_cast<std::size_t>(world.size);
  options.timeout = world.timeout;
  return c10::make_intrusive<c10d::TCPStore>(world.master_address, options);
}

c10::intrusive_ptr<c10d::ProcessGroupGloo> Connect(const World& world) {
  auto options = c10d::ProcessGroupGloo::Options::create(world.timeout);
  options->devices.push_back(MakeDevice(world));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(OpenStore(world), world.rank, world.size,
                                                     options);
}

/// Runs a step of a collective call.
template <class Call>
auto Together(int rank, int size, const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    throw std::runtime_error("rank " + std::to_string(rank) + " of " + std::to_string(size) +
                             " has lost the others: one of them has ended or hangs (" +
                             error.what() + ")");
  }
}

}  // namespace

Group::Group() = default;
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

Result<Group> Group::Join(const World& world) {
  Group group;
  group.rank_ = world.rank;
  group.size_ = world.size;
  if (world.size == 1) return group;
  try {
    group.backend_ = std::make_unique<Backend>(Backend{.gloo = Connect(world)});
  } catch (const std::exception& error) {
    return Failure(ErrorCode::kUnavailable,
                   "rank " + std::to_string(world.rank) + " of " + std::to_string(world.size) +
                       " cannot meet the others at " + MeetingPlace(world) + ": " + error.what());
  }
  return group;
}

#ifdef LATHE_NCCL
Status Group::UseDevice(const at::Device& device) {
  if (size_ == 1 || device.is_cpu()) return {};
  try {
    std::vector<double> id = leads() ? NcclChannel::MakeId() : std::vector<double>(128);
    Broadcast(id);
    backend_->nccl = std::make_unique<NcclChannel>(id, rank_, size_, device);
  } catch (const std::exception& error) {
    return Failure(ErrorCode::kUnavailable,
                   "rank " + std::to_string(rank_) + " of " + std::to_string(size_) +
                       " cannot reach the others' GPUs by NCCL: " + error.what());
  }
  return {};
}
#else
Status Group::UseDevice(const at::Device&) {
  return {};
}
#endif

void Group::Sum(at::Tensor& tensor) const {
  if (size_ == 1) return;
#ifdef LATHE_NCCL
  if (!tensor.is_cpu() && backend_->nccl) return backend_->nccl->Sum(tensor);
#endif
  at::Tensor on_host = tensor.to(at::kCPU);
  std::vector<at::Tensor> tensors = {on_host};
  Together(rank_, size_, [&] { backend_->gloo->allreduce(tensors, {})->wait(); });
  if (!tensor.is_cpu()) tensor.copy_(on_host);
}

Gathering Group::StartSum(at::Tensor tensor) const {
  if (size_ == 1) return {};
  if (tensor.is_cpu()) {
    std::vector<at::Tensor> tensors = {tensor};
    auto work = Together(rank_, size_, [&] { return backend_->gloo->allreduce(tensors, {}); });
    return Gathering([rank = rank_, size = size_, work = std::move(work)] {
      Together(rank, size, [&] { work->wait(); });
    });
  }
#ifdef LATHE_NCCL
  if (backend_->nccl) return backend_->nccl->StartSum(tensor);
#endif
  return Gathering([this, tensor]() mutable { Sum(tensor); });
}

void Group::Sum(std::vector<double>& values) const {
  if (size_ == 1) return;
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kDouble);
  auto* data = static_cast<double*>(tensor.data_ptr());
  std::copy(values.begin(), values.end(), data);
  Sum(tensor);
  std::copy_n(data, values.size(), values.begin());
}

Gathering Group::Gather(const at::Tensor& part, at::Tensor whole) const {
  if (size_ == 1) {
    whole.copy_(part);
    return {};
  }
#ifdef LATHE_NCCL
  if (!whole.is_cpu() && backend_->nccl) return backend_->nccl->Gather(part, whole);
#endif
  // One broadcast a part, each into its place: Gloo's own gathering copies all of it twice.
  at::Tensor all = whole.is_cpu() ? whole : at::empty_like(whole, whole.options().device(at::kCPU));
  std::vector<at::Tensor> parts = all.chunk(size_);
  parts[static_cast<std::size_t>(rank_)].copy_(part);
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  for (int root = 0; root < size_; ++root) {
    std::vector<at::Tensor> one = {parts[static_cast<std::size_t>(root)]};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    works.push_back(
        Together(rank_, size_, [&] { return backend_->gloo->broadcast(one, options); }));
  }
  return Gathering([rank = rank_, size = size_, works, all, whole]() mutable {
    for (const auto& work : works) Together(rank, size, [&] { work->wait(); });
    if (!whole.is_cpu()) whole.copy_(all);
  });
}

bool Group::Any(bool value) const {
  std::vector<double> count = {value ? 1.0 : 0.0};
  Sum(count);
  return count[0] > 0;
}

void Group::Broadcast(std::vector<double>& values) const {
  if (!leads()) std::fill(values.begin(), values.end(), 0.0);
  Sum(values);
}

void Group::Wait() const {
  static_cast<void>(Any(false));
}

}  // namespace lathe::trainer::distributed
