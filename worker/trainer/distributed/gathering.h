#pragma once
// Something that the processes of a group do together while each goes on with its own work.

#include <functional>
#include <utility>

namespace lathe::trainer::distributed {

class Gathering {
 public:
  Gathering() = default;
  explicit Gathering(std::function<void()> finish) : finish_(std::move(finish)) {}
  /// What is computed from here on sees the result. Does nothing the second time.
  void Wait() {
    if (finish_) std::exchange(finish_, nullptr)();
  }

 private:
  std::function<void()> finish_;
};

}  // namespace lathe::trainer::distributed
