#pragma once
// The same calls as Group's, between GPUs: one a process, over NCCL, in the order of the current
// stream and without waiting for it on the host. In programs that are built for CUDA. Failures are
// exceptions; when another process dies, calls may hang: whoever started the processes ends them.
// Not thread-safe.

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <vector>

#include "worker/trainer/distributed/gathering.h"

namespace lathe::trainer::distributed {

class NcclChannel {
 public:
  /// What one process makes and all others must know, as small numbers.
  static std::vector<double> MakeId();

  /// Waits for all others.
  NcclChannel(const std::vector<double>& id, int rank, int size, const at::Device& device);
  ~NcclChannel();
  NcclChannel(const NcclChannel&) = delete;
  NcclChannel& operator=(const NcclChannel&) = delete;

  /// See Group::Sum, of a tensor on the device. In the order of NCCL's algorithm for this tensor's
  /// size and these GPUs: the same from run to run.
  void Sum(at::Tensor& tensor) const;
  /// See Group::StartSum. On a stream of the channel's own, behind what is queued on the current
  /// one.
  Gathering StartSum(const at::Tensor& tensor) const;
  /// See Group::Gather, likewise.
  Gathering Gather(const at::Tensor& part, const at::Tensor& whole) const;

 private:
  void FollowCurrentStream() const;
  Gathering Behind(std::vector<at::Tensor> held) const;

  void* communicator_;
  int size_;
  at::Device device_;
  /// One for all: a communicator's calls must come in the same order everywhere.
  c10::Stream side_;
};

}  // namespace lathe::trainer::distributed
