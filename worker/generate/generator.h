#pragma once
// Answers GenerateAssignments, each in a thread of its own, a bounded number at once. Thread-safe.
// The destructor cancels what runs.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/base/result.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/cache/blob_cache.h"

namespace lathe::worker::generate {

class Generator {
 public:
  static constexpr std::size_t kMaxAtOnce = 2;

  struct Surroundings {
    std::filesystem::path trainer;
    std::string device;  ///< "cpu" or "cuda:0"
    unsigned cpu_threads = 1;
    /// For files of answers under way: where hard links from the cache can be.
    std::filesystem::path folder;
    cache::BlobCache& cache;
    std::function<std::optional<std::filesystem::path>(const std::string&)> find_model;
    std::function<void(v1::GenerateChunk)> send;  ///< called from the threads
  };

  explicit Generator(Surroundings surroundings) : surroundings_(std::move(surroundings)) {}
  ~Generator();

  /// Beyond kMaxAtOnce the answer is an error at once. One that has been told to its end counts no
  /// more, though its process and files may still be going.
  void Start(const v1::GenerateAssignment& assignment);
  /// Nothing more is sent for it. Unknown ids are fine: it may just have ended.
  void Cancel(const std::string& generation_id);
  void CancelAll();

 private:
  struct Running {
    std::atomic<bool> cancelled = false;
    std::atomic<bool> answered = false;  ///< the caller is about to have the last of it
    std::atomic<bool> ended = false;
    std::jthread thread;
  };
  void Reap();
  std::size_t Unanswered() const;
  void Answer(const v1::GenerateAssignment& assignment, Running& running);
  Status TryAnswer(const v1::GenerateAssignment& assignment, Running& running);
  void SendError(const std::string& generation_id, const Error& error) const;

  const Surroundings surroundings_;
  std::mutex mutex_;  // guards running_
  std::map<std::string, std::unique_ptr<Running>> running_;
};

}  // namespace lathe::worker::generate
