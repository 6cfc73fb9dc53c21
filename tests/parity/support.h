#pragma once
// What the parity tests share: reference files, and the trainer as a program.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::parity {

/// tests/golden/NAME.
std::filesystem::path Golden(const std::string& name);

/// The values of a floating-point, I64 or I32 tensor as doubles; empty when it is not there.
std::vector<double> Values(const trainer::formats::Safetensors& file, const std::string& name);

/// Opens a file that must be there.
trainer::formats::Safetensors Open(const std::filesystem::path& path);

/// Parses a file that must be there.
nlohmann::json ReadJson(const std::filesystem::path& path);

/// Where deploy/setup puts the demo model.
std::filesystem::path DemoModel();

/// The lines of an event log.
std::vector<nlohmann::json> ReadEvents(const std::filesystem::path& path);
/// The losses of its steps.
std::vector<double> ReadLosses(const std::filesystem::path& path);

/// Writes root/OUTPUT.json, the plan of a run of golden models/llama_tiny on the CPU with
/// root/train.jsonl, and root/validation.jsonl where there is one, into root/OUTPUT.
std::filesystem::path WriteTinyPlan(const std::filesystem::path& root, const std::string& output,
                                    const nlohmann::json& configuration);

/// Starts lathe-trainer with arguments; standard error is inherited.
ChildProcess StartTrainer(const std::vector<std::string>& arguments);

/// Runs lathe-trainer with arguments to its end; standard error is inherited.
ExitStatus RunTrainer(const std::vector<std::string>& arguments);

}  // namespace lathe::parity
