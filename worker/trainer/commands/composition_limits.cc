#include "worker/trainer/commands/composition_limits.h"

#include <nlohmann/json.hpp>
#include <string>

#include "worker/trainer/plan/generation_table.h"

namespace lathe::trainer::commands {
namespace {

using plan::CompositionParameter;

constexpr CompositionParameter kAdapters = plan::CompositionRow("adapters");
constexpr CompositionParameter kWeight = plan::CompositionRow("adapters[].weight");
constexpr CompositionParameter kWeights = plan::CompositionRow("adapters[].weights");
constexpr CompositionParameter kHeadWeight = plan::CompositionRow("adapters[].headWeight");

class Check {
 public:
  void operator()(const composition::Weights& weights, const std::string& path) {
    if (weights.IsOne()) return Number(kWeight, path + ".weight", weights.head);
    Count(kWeights, path + ".weights", weights.layers.size());
    for (std::size_t layer = 0; layer < weights.layers.size(); ++layer) {
      Number(kWeights, path + ".weights[" + std::to_string(layer) + "]", weights.layers[layer]);
    }
    Number(kHeadWeight, path + ".headWeight", weights.head);
  }
  void Count(const CompositionParameter& row, const std::string& path, std::size_t count) {
    if (count > row.max_items) Add(row, path, "has " + std::to_string(count) + " values", "");
  }
  std::vector<Finding> Take() && { return std::move(findings_); }

 private:
  void Number(const CompositionParameter& row, const std::string& path, double value) {
    if (plan::InRange(row.value, value)) return;
    Add(row, path, "outside the range", nlohmann::json(value).dump());
  }
  void Add(const CompositionParameter& row, const std::string& path, std::string message,
           std::string given) {
    findings_.push_back({.path = path,
                         .code = "out_of_range",
                         .message = std::move(message),
                         .given = std::move(given),
                         .expected = std::string(row.limits)});
  }

  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> CheckLimits(const composition::Composition& composition) {
  Check check;
  check.Count(kAdapters, "adapters", composition.members.size());
  for (std::size_t i = 0; i < composition.members.size(); ++i) {
    check(composition.members[i].weights, "adapters[" + std::to_string(i) + "]");
  }
  return std::move(check).Take();
}

}  // namespace lathe::trainer::commands
