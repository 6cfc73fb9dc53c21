#include "coordinator/providers/plan_view.h"

#include <algorithm>
#include <utility>

#include "common/schema/configuration.h"

namespace lathe::providers {
namespace {

constexpr std::string_view kMetadata = "metadata";

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::optional<Json> Find(const v1::JobConfiguration& configuration, std::string_view path) {
  const auto value = schema::JsonAt(configuration, path);
  return value ? std::optional(Json::parse(*value)) : std::nullopt;
}

}  // namespace

PlanView::PlanView(const v1::JobConfiguration& configuration)
    : PlanView(configuration, schema::Resolve(configuration)) {}

PlanView::PlanView(v1::JobConfiguration given, v1::JobConfiguration resolved)
    : given_(std::move(given)),
      resolved_(std::move(resolved)),
      set_paths_(schema::SetPaths(given_)) {
  std::erase(set_paths_, kMetadata);
}

std::optional<Json> PlanView::Given(std::string_view path) const {
  return Find(given_, path);
}

std::optional<Json> PlanView::Resolved(std::string_view path) const {
  return Find(resolved_, path);
}

bool PlanView::IsSet(std::string_view path) const {
  return std::find(set_paths_.begin(), set_paths_.end(), path) != set_paths_.end();
}

std::optional<Json> PlanView::Custom(std::string_view engine) const {
  const std::optional<Json> metadata = Given(kMetadata);
  if (!metadata) return std::nullopt;
  const auto own = metadata->find(std::string(engine));
  return own == metadata->end() ? std::nullopt : std::optional(*own);
}

bool PlanView::Holds(const Conditions& conditions) const {
  return std::all_of(conditions.begin(), conditions.end(), [this](const auto& condition) {
    const std::optional<Json> value = Resolved(condition.first);
    if (!value) return false;
    const auto& wanted = condition.second;
    return std::find(wanted.begin(), wanted.end(), Text(*value)) != wanted.end();
  });
}

bool Applies(const Row& row, const PlanView& view) {
  return view.Holds(row.when) && (row.when_set.empty() || view.IsSet(row.when_set)) &&
         (row.unless_set.empty() || !view.IsSet(row.unless_set)) &&
         (!row.only_if_set || view.IsSet(row.from));
}

}  // namespace lathe::providers
