#pragma once
// Answers under way: from a worker's stream to the caller who waits for them. Thread-safe.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/domain/ids.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::sessions {

/// One call of Generate. The caller's side.
class Generation {
 public:
  Generation(std::string id, domain::SessionId session) : id_(std::move(id)), session_(session) {}

  const std::string& id() const { return id_; }
  domain::SessionId session() const { return session_; }
  /// The next piece, waiting at most that long: false when none came. The last one has `done`.
  bool Take(v1::GenerateChunk& chunk, Duration wait);

 private:
  friend class Generations;
  void Put(v1::GenerateChunk chunk);

  const std::string id_;
  const domain::SessionId session_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<v1::GenerateChunk> chunks_;
};

// Shared by the caller and the table that the worker's stream delivers into.
using GenerationPtr = std::shared_ptr<Generation>;

class Generations {
 public:
  GenerationPtr Begin(domain::SessionId session);
  void End(const GenerationPtr& generation);
  /// Pieces of an unknown generation, or from another session than it was sent to, are dropped.
  void Deliver(domain::SessionId session, v1::GenerateChunk chunk);
  /// The stream is over: its callers get kUnavailable.
  void FailAll(domain::SessionId session);
  std::size_t Count(domain::SessionId session) const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;
  std::map<std::string, GenerationPtr> generations_;
};

}  // namespace lathe::sessions
