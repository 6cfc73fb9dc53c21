#include "worker/trainer/adapters/selection.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lathe::trainer::adapters {
namespace {

constexpr char kHead[] = "lm_head";

/// As PEFT matches target_modules: the whole name or a suffix of whole components.
bool Matches(const std::string& name, const std::string& pattern) {
  return name == pattern || name.ends_with("." + pattern);
}

template <class Value>
Value Pattern(const std::map<std::string, Value>& patterns, const std::string& name,
              Value fallback) {
  for (const auto& [pattern, value] : patterns) {
    if (Matches(name, pattern)) return value;
  }
  return fallback;
}

bool IsTarget(const std::string& name, const std::vector<std::string>& modules) {
  if (modules.empty()) return name != kHead;
  return std::any_of(modules.begin(), modules.end(),
                     [&](const std::string& pattern) { return Matches(name, pattern); });
}

/// (field, name) of everything in the settings that names a module.
std::vector<std::pair<std::string, std::string>> AllPatterns(const LoraSettings& settings) {
  std::vector<std::pair<std::string, std::string>> patterns;
  for (const std::string& name : settings.modules) patterns.emplace_back("trainableModules", name);
  for (const auto& entry : settings.rank_pattern) patterns.emplace_back("rankPattern", entry.first);
  for (const auto& entry : settings.alpha_pattern) {
    patterns.emplace_back("alphaPattern", entry.first);
  }
  return patterns;
}

Status CheckNames(const std::vector<std::string>& names, const LoraSettings& settings) {
  std::set<std::string> components;
  for (const std::string& name : names) {
    components.insert(name.substr(name.find_last_of('.') + 1));
  }
  std::string known;
  for (const std::string& name : components) known += (known.empty() ? "" : ", ") + name;
  Error error{ErrorCode::kInvalidArgument, {}, {}};
  for (const auto& [field, pattern] : AllPatterns(settings)) {
    if (std::any_of(names.begin(), names.end(),
                    [&, &wanted = pattern](const auto& name) { return Matches(name, wanted); })) {
      continue;
    }
    error.findings.push_back({.path = "configuration.method.loraConfig." + field,
                              .code = "unknown_module",
                              .message = "the model has no linear layer \"" + pattern + "\"",
                              .given = "\"" + pattern + "\"",
                              .expected = known});
  }
  if (error.findings.empty()) return {};
  error.message = error.findings.front().message + " (there are: " + known + ")";
  return Failure(std::move(error));
}

}  // namespace

LoraModule DescribeModule(const std::string& name, const LoraSettings& settings) {
  LoraModule module{.name = name};
  module.rank = Pattern(settings.rank_pattern, name, settings.rank);
  module.alpha = Pattern(settings.alpha_pattern, name, settings.alpha);
  const auto rank = static_cast<double>(module.rank);
  module.scale = module.alpha / (settings.rslora ? std::sqrt(rank) : rank);
  return module;
}

Result<std::vector<LoraModule>> SelectModules(const model::Decoder& decoder,
                                              const LoraSettings& settings) {
  std::vector<LoraModule> selected;
  std::vector<std::string> names;
  for (std::size_t group = 0; group <= model::HeadGroupIndex(decoder); ++group) {
    const auto& parts = model::LinearAt(decoder, group).parts;
    for (std::size_t part = 0; part < parts.size(); ++part) {
      names.push_back(parts[part].name);
      if (!IsTarget(names.back(), settings.modules)) continue;
      LoraModule module = DescribeModule(names.back(), settings);
      module.group = group;
      module.part = part;
      module.begin = parts[part].begin;
      selected.push_back(std::move(module));
    }
  }
  LATHE_RETURN_IF_ERROR(CheckNames(names, settings));
  return selected;
}

std::vector<LoraBias> SelectBiases(const model::Decoder& decoder,
                                   const std::vector<LoraModule>& modules, BiasTraining training) {
  std::vector<LoraBias> selected;
  if (training == BiasTraining::kNone) return selected;
  for (std::size_t group = 0; group <= model::HeadGroupIndex(decoder); ++group) {
    const model::FusedLinear& linear = model::LinearAt(decoder, group);
    if (!linear.bias.defined()) continue;
    for (std::size_t part = 0; part < linear.parts.size(); ++part) {
      const bool adapted = std::any_of(modules.begin(), modules.end(), [&](const auto& module) {
        return module.group == group && module.part == part;
      });
      if (!adapted && training == BiasTraining::kAdaptedLayers) continue;
      selected.push_back({linear.parts[part].name, adapted, group, part, linear.parts[part].begin});
    }
  }
  return selected;
}

}  // namespace lathe::trainer::adapters
