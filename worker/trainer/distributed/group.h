#pragma once
// The processes that work on one job together, and what they do at the same time. Every process
// makes the same calls in the same order, each of which waits for all. Sums are over all processes
// in an order that depends on their number and the tensor's size alone, and come out the same, bit
// for bit, in each.
//
// A call that fails throws, as tensor operations do: another process has ended, or has not come for
// as long as World::timeout. Whoever catches it (device::Guard) cannot go on with the group.
// Not thread-safe.

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/distributed/environment.h"
#include "worker/trainer/distributed/gathering.h"

namespace lathe::trainer::distributed {

class Group {
 public:
  /// One process alone: every call below is done at once.
  Group();
  /// Waits for all others. kUnavailable when they do not come in time.
  static Result<Group> Join(const World& world);

  /// Each process computes on that device; all call it, or none. From then on, GPUs talk to each
  /// other where the program is built for it. kUnavailable when they cannot.
  Status UseDevice(const at::Device& device);

  Group(Group&&) noexcept;
  Group& operator=(Group&&) noexcept;
  ~Group();

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// The one process that writes files.
  bool leads() const { return rank_ == 0; }

  /// The sum over all processes, in place; contiguous fp32 or fp64 on any device.
  void Sum(at::Tensor& tensor) const;
  void Sum(std::vector<double>& values) const;
  /// Begins what Sum does of a tensor; it must live, and be left alone, until that is done.
  Gathering StartSum(at::Tensor tensor) const;
  /// Whether it is true in any process.
  bool Any(bool value) const;
  /// Rank 0's values in every process.
  void Broadcast(std::vector<double>& values) const;
  /// Begins to put the equal parts of all processes, by rank, into `whole` in each: uint8 [n] and
  /// [n * size()], contiguous, on one device; both must live until it is done.
  Gathering Gather(const at::Tensor& part, at::Tensor whole) const;
  /// Goes on when all have come.
  void Wait() const;

 private:
  struct Backend;

  int rank_ = 0;
  int size_ = 1;
  std::unique_ptr<Backend> backend_;  ///< null: alone
};

}  // namespace lathe::trainer::distributed
