#pragma once
// Activation offloading: what a layer keeps for its backward pass waits in pinned host memory
// instead of the device's. Copies go over a stream of their own, beside the computation, and the
// host waits for none of them. On a CPU, where tensors are on the host already, nothing happens.

#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <deque>
#include <optional>
#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::model {

/// Of one pass. Not thread-safe.
class Offloader {
 public:
  explicit Offloader(const at::Device& device);
  Offloader(const Offloader&) = delete;
  Offloader& operator=(const Offloader&) = delete;
  /// What is computed from now on finds every copy done.
  ~Offloader();

  /// The large tensors of a tape, to the host. Device memory is free for others when the copies of
  /// the second layer after this are queued: no more than two layers wait there.
  void Store(LayerTape& tape);
  /// Queues the copies back. One tape at a time.
  void StartFetch(LayerTape& tape);
  /// What is computed from now on finds the fetched tape.
  void FinishFetch();

 private:
  struct Copies {
    c10::Event done;
    std::vector<at::Tensor> held;  ///< device memory that they read
  };
  template <class Copy>
  c10::Event Queue(LayerTape& tape, const Copy& copy);
  void FinishOldest();

  at::Device device_;
  std::optional<c10::Stream> stream_;  ///< none on a CPU
  std::deque<Copies> stored_;          ///< the oldest first
  std::optional<c10::Event> fetched_;
};

}  // namespace lathe::trainer::model
