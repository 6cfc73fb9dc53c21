#include "coordinator/sessions/generations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/rpc/status.h"

namespace lathe::sessions {

bool Generation::Take(v1::GenerateChunk& chunk, Duration wait) {
  std::unique_lock lock(mutex_);
  if (!filled_.wait_for(lock, wait, [this] { return !chunks_.empty(); })) return false;
  chunk = std::move(chunks_.front());
  chunks_.pop_front();
  return true;
}

void Generation::Put(v1::GenerateChunk chunk) {
  {
    const std::lock_guard lock(mutex_);
    chunks_.push_back(std::move(chunk));
  }
  filled_.notify_one();
}

GenerationPtr Generations::Begin(domain::SessionId session) {
  const std::lock_guard lock(mutex_);
  auto generation = std::make_shared<Generation>("generation-" + std::to_string(++last_), session);
  generations_.emplace(generation->id(), generation);
  return generation;
}

void Generations::End(const GenerationPtr& generation) {
  const std::lock_guard lock(mutex_);
  generations_.erase(generation->id());
}

void Generations::Deliver(domain::SessionId session, v1::GenerateChunk chunk) {
  GenerationPtr generation;
  {
    const std::lock_guard lock(mutex_);
    const auto found = generations_.find(chunk.generation_id());
    if (found == generations_.end() || found->second->session() != session) return;
    generation = found->second;
  }
  generation->Put(std::move(chunk));
}

void Generations::FailAll(domain::SessionId session) {
  std::vector<GenerationPtr> lost;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, generation] : generations_) {
      if (generation->session() == session) lost.push_back(generation);
    }
  }
  for (const GenerationPtr& generation : lost) {
    v1::GenerateChunk chunk;
    chunk.set_generation_id(generation->id());
    chunk.set_done(true);
    *chunk.mutable_error() = rpc::ToProto(
        Error{ErrorCode::kUnavailable, "the node that was answering is gone; ask again.", {}});
    generation->Put(std::move(chunk));
  }
}

std::size_t Generations::Count(domain::SessionId session) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(generations_.begin(), generations_.end(),
                    [&](const auto& entry) { return entry.second->session() == session; }));
}

}  // namespace lathe::sessions
