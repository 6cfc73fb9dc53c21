#include "coordinator/api/model_names.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/schema/suggest.h"

namespace lathe::api {
namespace {

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::optional<Finding> CheckBaseModel(const std::string& model,
                                      const std::vector<runtime::NodeView>& nodes) {
  const bool found = std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
    const std::vector<std::string>& models = node.node.description.models;
    return std::find(models.begin(), models.end(), model) != models.end();
  });
  if (found) return std::nullopt;
  const std::string given =
      nlohmann::json(model).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (nodes.empty()) {
    return Finding{"model.baseModel",
                   Severity::kWarning,
                   "no_node_registered",
                   "No node has registered yet, so nobody knows whether the base model exists; the "
                   "job waits for a node that has it.",
                   given,
                   ""};
  }
  std::set<std::string> known;
  for (const runtime::NodeView& node : nodes) {
    known.insert(node.node.description.models.begin(), node.node.description.models.end());
  }
  const std::vector<std::string> names(known.begin(), known.end());
  const std::string closest = schema::Nearest(model, names);
  std::string message = "No node has the base model " + given + ".";
  if (!closest.empty()) message += " Did you mean \"" + closest + "\"?";
  if (names.empty()) message += " Put models into a worker's models_dir and restart it.";
  return Finding{
      "model.baseModel",       Severity::kError, "unknown_model", std::move(message), given,
      "one of: " + Join(names)};
}

}  // namespace lathe::api
