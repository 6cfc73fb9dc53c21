#include "worker/attempt/checkpoint_uploader.h"

#include <utility>

#include "common/base/log.h"

namespace lathe::worker::attempt {

CheckpointUploader::CheckpointUploader(UploadFolder upload, Uploaded uploaded)
    : upload_(std::move(upload)),
      uploaded_(std::move(uploaded)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void CheckpointUploader::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void CheckpointUploader::Submit(std::uint64_t step, const std::filesystem::path& folder) {
  const std::lock_guard lock(mutex_);
  waiting_ = Job{step, folder};
  changed_.notify_all();
}

std::optional<UploadedCheckpoint> CheckpointUploader::newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

void CheckpointUploader::Run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return waiting_.has_value(); })) {
    const Job job = *std::exchange(waiting_, std::nullopt);
    lock.unlock();
    const auto manifest = upload_(job.folder);
    if (!manifest) {
      log::Warning("checkpoint_not_uploaded",
                   {{"folder", job.folder.string()}, {"error", ToString(manifest.error())}});
    }
    lock.lock();
    if (!manifest) {
      const bool worth_another_try = IsPassing(manifest.error().code);
      constexpr std::chrono::seconds kPause{2};
      if (worth_another_try &&
          !changed_.wait_for(lock, stop, kPause, [this] { return waiting_.has_value(); }) &&
          !stop.stop_requested()) {
        waiting_ = job;
      }
      continue;
    }
    newest_ = UploadedCheckpoint{job.step, *manifest};
    const UploadedCheckpoint announced = *newest_;
    lock.unlock();
    uploaded_(announced);
    lock.lock();
  }
}

}  // namespace lathe::worker::attempt
