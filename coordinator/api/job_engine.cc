#include "coordinator/api/job_engine.h"

#include <algorithm>
#include <utility>

#include "coordinator/api/model_names.h"
#include "coordinator/providers/capabilities.h"
#include "coordinator/providers/check.h"

namespace lathe::api {
namespace {

constexpr double kBytesPerGib = 1024.0 * 1024.0 * 1024.0;
constexpr char kPath[] = "provider";
constexpr char kCannotStart[] = "cannot_start";

Finding Wrong(const char* code, std::string message, const std::string& given) {
  return {kPath,
          Severity::kError,
          code,
          std::move(message),
          '"' + given + '"',
          "an engine that can start jobs: `lathe provider list`"};
}

/// Whether `earlier` says as much of the same parameter.
bool IsSaid(const Finding& finding, const std::vector<Finding>& earlier) {
  return std::any_of(earlier.begin(), earlier.end(), [&](const Finding& said) {
    return said.path == finding.path && said.severity <= finding.severity;
  });
}

}  // namespace

EngineChoice ChooseEngine(const std::string& id, const providers::Settings* settings) {
  EngineChoice choice;
  const auto found = providers::FindEngine(id.empty() ? providers::Engines().front().id : id);
  if (!found) {
    choice.findings.push_back(Wrong("unknown_provider", found.error().message, id));
    return choice;
  }
  choice.engine = *found;
  if (!choice.is_service()) return choice;
  const providers::Access access =
      providers::AccessOf(settings == nullptr ? providers::Settings() : *settings, *choice.engine);
  const auto capabilities =
      providers::DescribeCapabilities(*choice.engine, {.has_key = !access.api_key.empty()});
  if (!capabilities.can_start) {
    choice.findings.push_back(Wrong(kCannotStart, capabilities.reason, id));
  }
  return choice;
}

domain::ResourceRequest ResourcesFor(const v1::JobConfiguration& configuration,
                                     const std::vector<runtime::NodeView>& nodes) {
  const v1::HardwareConfiguration& hardware = configuration.hardware();
  const bool open = hardware.device() == v1::DEVICE_CHOICE_UNSPECIFIED ||
                    hardware.device() == v1::DEVICE_CHOICE_AUTO;
  const v1::DeviceChoice device = open ? configuration.model().device_map() : hardware.device();
  const bool cuda_node = std::any_of(nodes.begin(), nodes.end(), [](const auto& node) {
    return node.node.description.resources.cuda && !node.node.description.resources.gpus.empty();
  });
  const bool on_gpu =
      device == v1::DEVICE_CHOICE_CUDA || (device != v1::DEVICE_CHOICE_CPU && cuda_node);
  domain::ResourceRequest request;
  if (!on_gpu) {
    request.cpu_slots = 1;
    return request;
  }
  request.gpus = hardware.has_num_gpus() ? static_cast<std::uint32_t>(hardware.num_gpus()) : 1;
  request.gpu_type = hardware.gpu_type();
  request.min_gpu_memory_bytes =
      static_cast<std::uint64_t>(hardware.min_memory_gib() * kBytesPerGib);
  return request;
}

std::vector<Finding> CheckForCluster(const CheckedConfiguration& configuration,
                                     const std::vector<runtime::NodeView>& nodes,
                                     const providers::ClusterEngines& cluster,
                                     const std::vector<Finding>& earlier) {
  const bool on_gpu = ResourcesFor(configuration.given, nodes).gpus > 0;
  std::vector<Finding> findings = providers::CheckEngine(
      on_gpu ? cluster.cuda : cluster.cpu, configuration.given, configuration.resolved);
  std::erase_if(findings, [&](const Finding& finding) { return IsSaid(finding, earlier); });
  if (configuration.given.model().has_base_model()) {
    if (auto finding = CheckBaseModel(configuration.given.model().base_model(), nodes)) {
      findings.push_back(std::move(*finding));
    }
  }
  return findings;
}

std::vector<Finding> CheckForService(const providers::Engine& engine,
                                     const CheckedConfiguration& configuration,
                                     const std::vector<Finding>& earlier) {
  std::vector<Finding> findings =
      providers::CheckEngine(engine, configuration.given, configuration.resolved);
  std::erase_if(findings, [&](const Finding& finding) {
    // Whether it can start is an error here and said by ChooseEngine.
    return finding.code == kCannotStart || IsSaid(finding, earlier);
  });
  return findings;
}

}  // namespace lathe::api
