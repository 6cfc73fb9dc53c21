#pragma once
// Asks the trainer program what a base model looks like and what this machine can compute: the
// daemon itself reads no weights and links no tensor library. Blocking; the program runs at the
// lowest priority so that it takes nothing from jobs.

#include <filesystem>
#include <functional>
#include <string>

#include "common/base/result.h"
#include "lathe/v1/estimate.pb.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::worker::devices {

struct TrainerProbe {
  std::filesystem::path trainer;
  /// Asked several times a second: once it is true the program is killed and kAborted returned.
  std::function<bool()> cancelled;
};

/// kDataLoss when the trainer cannot read the model, with what it said.
Result<v1::ModelShape> ProbeModel(const TrainerProbe& probe, const std::string& name,
                                  const std::filesystem::path& model);

/// `device` is "cpu" or "cuda:N"; it also tells whether the trainer can use it at all.
Result<v1::MeasuredSpeed> ProbeSpeed(const TrainerProbe& probe, const std::string& device);

/// Adds to `speed` how fast steps of a model are.
Status ProbeSteps(const TrainerProbe& probe, const std::string& device,
                  const std::filesystem::path& model, v1::MeasuredSpeed& speed);

/// What the trainer can do, by parameters and devices.
Result<v1::TrainerCapabilities> ProbeCapabilities(const TrainerProbe& probe);

}  // namespace lathe::worker::devices
