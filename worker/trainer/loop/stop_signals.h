#pragma once
// TERM, INT and USR1 as something to ask for between micro-batches, instead of handlers that
// interrupt. Make one before any thread starts: threads inherit the blocked signals.

#include "common/base/unique_fd.h"

namespace lathe::trainer::loop {

class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// TERM or INT has come: write a checkpoint and leave.
  bool StopRequested();
  /// USR1 has come since the last call that returned true.
  bool TakeCheckpointRequest();

 private:
  void Read();
  UniqueFd fd_;
  bool stop_ = false;
  bool checkpoint_ = false;
};

}  // namespace lathe::trainer::loop
