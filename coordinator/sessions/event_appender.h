#pragma once
// Writes event batches of all sessions to the store: what came together is stored together, with
// one durable write. While the store is away it tries again; the sessions wait, bounded by one
// batch each. Thread-safe.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/result.h"
#include "common/telemetry/telemetry.h"
#include "coordinator/core/events.h"
#include "coordinator/runtime/change_signals.h"
#include "coordinator/sessions/event_lines.h"
#include "coordinator/storage/store.h"

namespace lathe::sessions {

using PostEvent = std::function<bool(core::Event)>;

class EventAppender {
 public:
  /// Called from the appender's thread once the batch is durable (or refused as stale), or can't be
  /// stored for good.
  using Done = std::function<void(const Status&)>;

  /// All must outlive it. `post` takes the progress to the loop.
  EventAppender(storage::Store& store, runtime::ChangeSignals& signals,
                telemetry::Telemetry& telemetry, PostEvent post);
  ~EventAppender();

  /// False after Stop: `done` is then not called.
  bool Append(ReadBatch batch, Done done);
  /// Tries once more to store what waits, then ends; what can't be stored fails with kUnavailable.
  void Stop();

 private:
  struct Item {
    ReadBatch read;
    Done done;
  };
  void Run();
  void Store(std::vector<Item> items);
  Result<std::vector<storage::AppendResult>> TryAppend(
      const std::vector<storage::EventBatch>& batches);
  void Finish(Item& item, const storage::AppendResult& result);

  storage::Store& store_;
  runtime::ChangeSignals& signals_;
  telemetry::Telemetry& telemetry_;
  PostEvent post_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::vector<Item> items_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lathe::sessions
