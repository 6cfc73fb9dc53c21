#include "worker/generate/generator.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/temp_dir.h"
#include "worker/generate/generation_process.h"

namespace lathe::worker::generate {

Generator::~Generator() {
  CancelAll();
  const std::lock_guard lock(mutex_);
  running_.clear();
}

void Generator::Start(const v1::GenerateAssignment& assignment) {
  const std::lock_guard lock(mutex_);
  Reap();
  const std::string& id = assignment.generation_id();
  if (running_.contains(id)) return;
  if (Unanswered() >= kMaxAtOnce) {
    return SendError(id, {ErrorCode::kResourceExhausted,
                          "the node is busy with other answers; try again in a moment",
                          {}});
  }
  auto& running = running_[id] = std::make_unique<Running>();
  running->thread =
      std::jthread([this, assignment, &running = *running] { Answer(assignment, running); });
}

void Generator::Cancel(const std::string& generation_id) {
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(generation_id);
  if (found != running_.end()) found->second->cancelled = true;
}

void Generator::CancelAll() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, running] : running_) running->cancelled = true;
}

void Generator::Reap() {
  std::erase_if(running_, [](const auto& entry) { return entry.second->ended.load(); });
}

std::size_t Generator::Unanswered() const {
  return static_cast<std::size_t>(std::count_if(
      running_.begin(), running_.end(), [](const auto& entry) { return !entry.second->answered; }));
}

void Generator::Answer(const v1::GenerateAssignment& assignment, Running& running) {
  const Status answered = TryAnswer(assignment, running);
  running.answered = true;
  if (!answered && !running.cancelled) SendError(assignment.generation_id(), answered.error());
  running.ended = true;
}

Status Generator::TryAnswer(const v1::GenerateAssignment& assignment, Running& running) {
  const auto model = surroundings_.find_model(assignment.model());
  if (!model) {
    return Failure(ErrorCode::kNotFound,
                   "base model '" + assignment.model() + "' is not on this node");
  }
  GenerationSpec spec{.program = surroundings_.trainer.string(),
                      .model_path = model->string(),
                      .device = surroundings_.device,
                      .cpu_threads = surroundings_.cpu_threads};
  LATHE_ASSIGN_OR_RETURN(const TempDir folder, TempDir::CreateIn(surroundings_.folder, "answer"));
  const auto cancelled = [&running] { return running.cancelled.load(); };
  LATHE_ASSIGN_OR_RETURN(spec.adapters,
                         FetchAdapters(assignment, surroundings_.cache, folder.path(), cancelled));
  return RunGeneration(spec, assignment, cancelled, [&](v1::GenerateChunk chunk) {
    chunk.set_generation_id(assignment.generation_id());
    if (chunk.done()) running.answered = true;
    surroundings_.send(std::move(chunk));
  });
}

void Generator::SendError(const std::string& generation_id, const Error& error) const {
  log::Warning("generation_failed", {{"generation", generation_id}, {"error", ToString(error)}});
  v1::GenerateChunk chunk;
  chunk.set_generation_id(generation_id);
  chunk.set_done(true);
  chunk.mutable_error()->set_code(std::string(ToString(error.code)));
  chunk.mutable_error()->set_message(error.message);
  surroundings_.send(std::move(chunk));
}

}  // namespace lathe::worker::generate
