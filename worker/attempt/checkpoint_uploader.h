#pragma once
// Uploads an attempt's checkpoints beside its training, newest first: one that waits is dropped
// when a newer one comes. Thread-safe; owns one thread. The destructor waits for the upload under
// way.

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "common/base/result.h"
#include "lathe/v1/artifact.pb.h"

namespace lathe::worker::attempt {

struct UploadedCheckpoint {
  std::uint64_t step = 0;
  v1::Manifest manifest;
};

class CheckpointUploader {
 public:
  /// Blocking; safe to repeat.
  using UploadFolder = std::function<Result<v1::Manifest>(const std::filesystem::path&)>;
  using Uploaded = std::function<void(const UploadedCheckpoint&)>;

  CheckpointUploader(UploadFolder upload, Uploaded uploaded);
  ~CheckpointUploader() { Stop(); }

  void Submit(std::uint64_t step, const std::filesystem::path& folder);
  /// Waits for the upload under way and takes no more. From one thread.
  void Stop();
  std::optional<UploadedCheckpoint> newest() const;

 private:
  struct Job {
    std::uint64_t step = 0;
    std::filesystem::path folder;
  };
  void Run(const std::stop_token& stop);

  const UploadFolder upload_;
  const Uploaded uploaded_;
  mutable std::mutex mutex_;  // guards waiting_ and newest_
  std::condition_variable_any changed_;
  std::optional<Job> waiting_;
  std::optional<UploadedCheckpoint> newest_;
  std::jthread thread_;
};

}  // namespace lathe::worker::attempt
