#include "worker/node/fact_finder.h"

#include <utility>

#include "common/base/log.h"
#include "worker/devices/trainer_probe.h"

namespace lathe::worker {
namespace {

/// Parameters of a model whose steps tell how fast larger ones are: of smaller ones most of a step
/// is not products, and larger ones take long.
constexpr std::int64_t kSmallestMeasured = 50'000'000;
constexpr std::int64_t kLargestMeasured = 1'000'000'000;

}  // namespace

FactFinder::FactFinder(std::filesystem::path trainer, std::string device, Found found)
    : trainer_(std::move(trainer)),
      device_(std::move(device)),
      found_(std::move(found)),
      thread_([this] { Run(); }) {}

FactFinder::~FactFinder() {
  stop_ = true;
  { const std::lock_guard lock(mutex_); }
  changed_.notify_all();
  thread_.join();
}

void FactFinder::Want(Models models) {
  {
    const std::lock_guard lock(mutex_);
    models_ = std::move(models);
  }
  changed_.notify_all();
}

bool FactFinder::WaitForWork(std::string& name, std::filesystem::path& model) {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    for (const auto& [candidate, path] : models_) {
      if (looked_at_.contains(candidate)) continue;
      name = candidate;
      model = path;
      return true;
    }
    changed_.wait(lock);
  }
  return false;
}

void FactFinder::MeasureSpeed() {
  const auto speed = devices::ProbeSpeed({trainer_, [this] { return stop_.load(); }}, device_);
  if (!speed) {
    if (stop_) return;
    log::Warning("speed_not_measured", {{"device", device_}, {"error", speed.error().message}});
    return;
  }
  *facts_.mutable_speed() = *speed;
  found_(facts_);
}

void FactFinder::MeasureSteps(const v1::ModelShape& shape, const std::filesystem::path& model) {
  const bool telling =
      shape.parameters() >= kSmallestMeasured && shape.parameters() <= kLargestMeasured;
  if (!telling || !facts_.has_speed() || facts_.speed().fp32_step_flops() > 0) return;
  const Status measured = devices::ProbeSteps({trainer_, [this] { return stop_.load(); }}, device_,
                                              model, *facts_.mutable_speed());
  if (!measured && !stop_) {
    log::Warning("steps_not_measured", {{"error", measured.error().message}});
  }
}

void FactFinder::AskCapabilities() {
  const auto told = devices::ProbeCapabilities({trainer_, [this] { return stop_.load(); }});
  if (told) {
    *facts_.mutable_trainer() = *told;
    found_(facts_);
  } else if (!stop_) {
    log::Warning("capabilities_not_told", {{"error", told.error().message}});
    // That nothing is known against it: jobs must not wait for more.
    facts_.mutable_trainer();
    found_(facts_);
  }
}

void FactFinder::Run() {
  AskCapabilities();
  MeasureSpeed();
  std::string name;
  std::filesystem::path model;
  while (WaitForWork(name, model)) {
    const auto shape =
        devices::ProbeModel({trainer_, [this] { return stop_.load(); }}, name, model);
    looked_at_.insert(name);
    if (stop_) return;
    if (!shape) {
      log::Warning("model_not_read", {{"model", name}, {"error", shape.error().message}});
      continue;
    }
    shapes_[name] = *shape;
    facts_.clear_model_shapes();
    for (const auto& [known, told] : shapes_) *facts_.add_model_shapes() = told;
    found_(facts_);
    MeasureSteps(*shape, model);
    if (!stop_) found_(facts_);
  }
}

}  // namespace lathe::worker
