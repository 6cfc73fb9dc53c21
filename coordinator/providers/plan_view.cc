#include "coordinator/providers/plan_view.h"

#include <algorithm>

#include "common/schema/configuration.h"
#include "common/schema/parameters.h"

namespace lathe::providers {
namespace {

constexpr std::string_view kMetadata = "metadata";

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

PlanView::PlanView(const v1::JobConfiguration& configuration)
    : given_(Json::parse(schema::ToJson(configuration))),
      resolved_(Json::parse(schema::ToJson(schema::Resolve(configuration)))) {
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    if (parameter.path == kMetadata || parameter.path.find("[]") != std::string::npos) continue;
    if (Given(parameter.path) != nullptr) set_paths_.push_back(parameter.path);
  }
}

bool PlanView::IsSet(std::string_view path) const {
  return std::find(set_paths_.begin(), set_paths_.end(), path) != set_paths_.end();
}

const Json* PlanView::Custom(std::string_view engine) const {
  const Json* metadata = Given(kMetadata);
  if (metadata == nullptr || !metadata->is_object()) return nullptr;
  const auto own = metadata->find(std::string(engine));
  return own == metadata->end() ? nullptr : &*own;
}

bool PlanView::Holds(const Conditions& conditions) const {
  return std::all_of(conditions.begin(), conditions.end(), [this](const auto& condition) {
    const Json* value = Resolved(condition.first);
    if (value == nullptr) return false;
    const auto& wanted = condition.second;
    return std::find(wanted.begin(), wanted.end(), Text(*value)) != wanted.end();
  });
}

const Json* PlanView::Find(const Json& tree, std::string_view path) {
  const Json* at = &tree;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const auto next = at->is_object() ? at->find(std::string(path.substr(0, dot))) : at->end();
    if (!at->is_object() || next == at->end()) return nullptr;
    at = &*next;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return at;
}

bool Applies(const Row& row, const PlanView& view) {
  return view.Holds(row.when) && (row.when_set.empty() || view.IsSet(row.when_set)) &&
         (row.unless_set.empty() || !view.IsSet(row.unless_set)) &&
         (!row.only_if_set || view.IsSet(row.from));
}

}  // namespace lathe::providers
