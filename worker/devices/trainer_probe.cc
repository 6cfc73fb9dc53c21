#include "worker/devices/trainer_probe.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "common/base/child_process.h"
#include "common/base/unique_fd.h"

namespace lathe::worker::devices {
namespace {

using nlohmann::json;

constexpr auto kPatience = std::chrono::milliseconds(100);
constexpr auto kLimit = std::chrono::seconds(120);
constexpr std::size_t kLargestAnswer = 4 << 20;

Result<UniqueFd> Unlinked() {
  const std::string folder = std::filesystem::temp_directory_path().string();
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  return Failure(ErrorCode::kResourceExhausted,
                 "no temporary file: " + std::generic_category().message(errno));
}

std::string Content(const UniqueFd& fd) {
  std::string text(kLargestAnswer, '\0');
  const ssize_t size = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

/// What is measured and read for later must not take time from jobs; what jobs wait for may.
constexpr char kBehindJobs[] = "19";
constexpr char kBesideJobs[] = "0";

/// Runs `trainer arguments...` and returns the JSON object that it prints.
Result<json> Ask(const TrainerProbe& probe, const std::vector<std::string>& arguments,
                 const char* niceness = kBehindJobs) {
  LATHE_ASSIGN_OR_RETURN(const UniqueFd out, Unlinked());
  LATHE_ASSIGN_OR_RETURN(const UniqueFd err, Unlinked());
  std::vector<std::string> whole = {"-n", niceness, probe.trainer.string()};
  whole.insert(whole.end(), arguments.begin(), arguments.end());
  LATHE_ASSIGN_OR_RETURN(ChildProcess child,
                         ChildProcess::Start({.program = "nice",
                                              .arguments = std::move(whole),
                                              .environment = {{"OMP_WAIT_POLICY", "passive"}},
                                              .working_directory = {},
                                              .standard_output = out.get(),
                                              .standard_error = err.get()}));
  std::optional<ExitStatus> status;
  for (Duration waited{0}; !status && waited < kLimit && !probe.cancelled(); waited += kPatience) {
    status = child.WaitFor(kPatience);
  }
  if (!status) {
    child.Signal(SIGKILL);
    child.Wait();
    return Failure(ErrorCode::kAborted, "lathe-trainer " + arguments.front() + " was stopped");
  }
  if (!status->Succeeded()) {
    return Failure(ErrorCode::kDataLoss, Content(err).substr(0, 1000));
  }
  json answer = json::parse(Content(out), nullptr, false);
  if (answer.is_object()) return answer;
  return Failure(ErrorCode::kDataLoss, "lathe-trainer " + arguments.front() + " told no JSON");
}

template <class T>
T Value(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<T>() : T{};
}

}  // namespace

Result<v1::ModelShape> ProbeModel(const TrainerProbe& probe, const std::string& name,
                                  const std::filesystem::path& model) {
  LATHE_ASSIGN_OR_RETURN(const json answer, Ask(probe, {"inspect", model.string(), "--json"}));
  const json shape = answer.value("model", json::object());
  v1::ModelShape out;
  out.set_name(name);
  out.set_architecture(shape.value("architecture", std::string()));
  out.set_vocabulary(Value<std::int64_t>(shape, "vocabulary"));
  out.set_hidden(Value<std::int64_t>(shape, "hidden"));
  out.set_layers(Value<std::int64_t>(shape, "layers"));
  out.set_heads(Value<std::int64_t>(shape, "heads"));
  out.set_kv_heads(Value<std::int64_t>(shape, "kvHeads"));
  out.set_head_dim(Value<std::int64_t>(shape, "headDim"));
  out.set_intermediate(Value<std::int64_t>(shape, "intermediate"));
  out.set_context(Value<std::int64_t>(shape, "context"));
  out.set_tied_embeddings(shape.value("tiedEmbeddings", false));
  out.set_parameters(Value<std::int64_t>(shape, "parameters"));
  out.set_bytes_per_token(Value<double>(answer, "bytesPerToken"));
  return out;
}

Result<v1::MeasuredSpeed> ProbeSpeed(const TrainerProbe& probe, const std::string& device) {
  LATHE_ASSIGN_OR_RETURN(const json answer,
                         Ask(probe, {"bench", "--device", device, "--seconds", "0.1", "--json"}));
  const json rates = answer.value("matmulFlops", json::object());
  v1::MeasuredSpeed speed;
  speed.set_fp32_flops(Value<double>(rates, "fp32"));
  speed.set_bf16_flops(Value<double>(rates, "bf16"));
  speed.set_packs_bf16_weights(answer.value("packsBf16Weights", false));
  speed.set_process_bytes(Value<std::uint64_t>(answer, "processBytes"));
  return speed;
}

Status ProbeSteps(const TrainerProbe& probe, const std::string& device,
                  const std::filesystem::path& model, v1::MeasuredSpeed& speed) {
  LATHE_ASSIGN_OR_RETURN(const json answer,
                         Ask(probe, {"bench", "--device", device, "--seconds", "0.05", "--model",
                                     model.string(), "--json"}));
  const json rates = answer.value("stepFlops", json::object());
  speed.set_fp32_step_flops(Value<double>(rates, "fp32"));
  speed.set_bf16_step_flops(Value<double>(rates, "bf16"));
  return {};
}

Result<v1::TrainerCapabilities> ProbeCapabilities(const TrainerProbe& probe) {
  LATHE_ASSIGN_OR_RETURN(const json answer, Ask(probe, {"capabilities"}, kBesideJobs));
  try {
    v1::TrainerCapabilities capabilities;
    for (const auto& [device, parameters] : answer.at("devices").items()) {
      for (const auto& [path, tokens] : parameters.items()) {
        auto& accepted = *capabilities.add_accepted();
        accepted.set_device(device);
        accepted.set_path(path);
        for (const json& token : tokens) accepted.add_values(token.get<std::string>());
      }
    }
    for (const auto& [path, why] : answer.at("withoutEffect").items()) {
      (*capabilities.mutable_without_effect())[path] = why.get<std::string>();
    }
    return capabilities;
  } catch (const json::exception& error) {
    return Failure(ErrorCode::kDataLoss,
                   std::string("lathe-trainer capabilities: ") + error.what());
  }
}

}  // namespace lathe::worker::devices
