#include "worker/trainer/kernels/cuda/emulation.h"

#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "common/base/check.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr unsigned kWarpThreads = 32;
constexpr std::size_t kStackBytes = 64 * 1024;

enum class State { kReady, kWithWarp, kAtBarrier, kDone };

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack;
  State state = State::kReady;
  /// By turns: a thread can be one turn ahead of those that still look, and no more.
  char shown[2][emulation::kMostShown] = {};
  unsigned turn = 0;
};

/// One block at a time.
class Machine {
 public:
  emulation::Order order = emulation::Order::kRising;
  unsigned block = 0;
  unsigned grid = 0;
  unsigned thread = 0;

  unsigned threads() const { return threads_; }
  Fiber& current() { return fibers_[thread]; }
  Fiber& At(unsigned index) { return fibers_[index]; }

  void Run(std::int64_t blocks, int threads, const std::function<void()>& kernel) {
    threads_ = static_cast<unsigned>(threads);
    grid = static_cast<unsigned>(blocks);
    kernel_ = &kernel;
    if (fibers_.size() < threads_) fibers_.resize(threads_);
    for (block = 0; block < grid; ++block) RunBlock();
  }

  /// Back to whoever runs the fibers, until the state is kReady again.
  void Wait(State state) {
    Fiber& fiber = current();
    fiber.state = state;
    swapcontext(&fiber.context, &runner_);
  }

 private:
  static void Body();

  void RunBlock() {
    for (unsigned i = 0; i < threads_; ++i) Prepare(fibers_[i]);
    while (true) {
      for (unsigned warp = 0; warp < threads_; warp += kWarpThreads) RunWarp(warp);
      unsigned waiting = 0;
      for (unsigned i = 0; i < threads_; ++i) waiting += fibers_[i].state == State::kAtBarrier;
      if (waiting == 0) return;
      LATHE_CHECK(waiting == threads_, "every thread of a block reaches each barrier");
      for (unsigned i = 0; i < threads_; ++i) fibers_[i].state = State::kReady;
    }
  }

  /// Until all threads of the warp wait at a barrier or are done.
  void RunWarp(unsigned begin) {
    const unsigned count = std::min(kWarpThreads, threads_ - begin);
    while (true) {
      for (unsigned i = 0; i < count; ++i) {
        thread = begin + (order == emulation::Order::kRising ? i : count - 1 - i);
        if (current().state == State::kReady) swapcontext(&runner_, &current().context);
      }
      unsigned together = 0;
      for (unsigned i = 0; i < count; ++i) {
        together += fibers_[begin + i].state == State::kWithWarp;
      }
      if (together == 0) return;
      LATHE_CHECK(together == kWarpThreads,
                  "every thread of a warp takes part in what it does together");
      for (unsigned i = 0; i < count; ++i) fibers_[begin + i].state = State::kReady;
    }
  }

  void Prepare(Fiber& fiber) {
    if (!fiber.stack) fiber.stack = std::make_unique<char[]>(kStackBytes);
    fiber.state = State::kReady;
    fiber.turn = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = &runner_;
    makecontext(&fiber.context, &Machine::Body, 0);
  }

  unsigned threads_ = 0;
  const std::function<void()>* kernel_ = nullptr;
  std::vector<Fiber> fibers_;
  ucontext_t runner_{};
};

Machine& TheMachine() {
  static Machine machine;
  return machine;
}

void Machine::Body() {
  Machine& machine = TheMachine();
  (*machine.kernel_)();
  machine.current().state = State::kDone;
}

}  // namespace

unsigned ThreadIndex() {
  return TheMachine().thread;
}
unsigned BlockIndex() {
  return TheMachine().block;
}
unsigned BlockSize() {
  return TheMachine().threads();
}
unsigned GridSize() {
  return TheMachine().grid;
}
void SyncBlock() {
  TheMachine().Wait(State::kAtBarrier);
}

namespace emulation {

void SetOrder(Order order) {
  TheMachine().order = order;
}

void Show(const void* bytes, std::size_t size) {
  Machine& machine = TheMachine();
  Fiber& fiber = machine.current();
  ++fiber.turn;
  std::memcpy(fiber.shown[fiber.turn % 2], bytes, size);
  machine.Wait(State::kWithWarp);
}

const void* ShownBy(unsigned lane) {
  Machine& machine = TheMachine();
  const unsigned turn = machine.current().turn;
  return machine.At(machine.thread / kWarpThreads * kWarpThreads + lane).shown[turn % 2];
}

void Run(std::int64_t blocks, int threads, const std::function<void()>& kernel) {
  TheMachine().Run(blocks, threads, kernel);
}

}  // namespace emulation
}  // namespace lathe::trainer::kernels::cuda
