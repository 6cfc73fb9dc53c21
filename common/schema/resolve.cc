#include <map>
#include <optional>

#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/tree_internal.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// The defaults that apply under one condition.
struct ConditionalDefaults {
  const std::optional<Condition>* condition;
  v1::JobConfiguration values;
};

/// The schema's defaults, parsed once. They are laid below what was given by merging messages,
/// which takes a single value from the upper one; a list would become both.
struct DefaultTable {
  v1::JobConfiguration plain;
  std::vector<ConditionalDefaults> conditional;
  std::vector<std::string> json;  ///< of each accessible parameter; empty: none
};

v1::JobConfiguration& ValuesUnder(const AccessibleParameter& parameter, DefaultTable& table,
                                  std::map<std::string_view, std::size_t>& places) {
  if (!parameter.condition) {
    return table.plain;
  }
  const auto [place, added] =
      places.try_emplace(parameter.parameter->depends_on, table.conditional.size());
  if (added) {
    table.conditional.push_back({&parameter.condition, {}});
  }
  return table.conditional[place->second].values;
}

const DefaultTable& Defaults() {
  static const DefaultTable defaults = [] {
    DefaultTable table;
    std::map<std::string_view, std::size_t> places;
    for (const AccessibleParameter& accessible : AccessibleParameters()) {
      table.json.emplace_back();
      const auto& literal = accessible.parameter->spec->default_value();
      if (literal.empty()) {
        continue;
      }
      const FieldDescriptor& field = *accessible.chain.back();
      LATHE_CHECK(!field.is_repeated() && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE,
                  "only a single value has a default: " + accessible.parameter->path);
      Message& owner = MutableOwner(ValuesUnder(accessible, table, places), accessible.chain);
      ReadDefault(literal, owner, field);
      table.json.back() = FieldToJson(owner, field);
    }
    return table;
  }();
  return defaults;
}

/// Lays the conditional defaults that apply below the configuration.
void FillConditional(v1::JobConfiguration& configuration) {
  const std::vector<ConditionalDefaults>& all = Defaults().conditional;
  std::vector<bool> done(all.size());
  for (bool again = true; again;) {
    again = false;  // a default may make another one apply
    v1::JobConfiguration below;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!done[i] && Holds(configuration, *all[i].condition)) {
        below.MergeFrom(all[i].values);
        done[i] = again = true;
      }
    }
    if (again) {
      below.MergeFrom(configuration);
      configuration.Swap(&below);
    }
  }
}

/// A default that follows from other values.
struct Derivation {
  const char* path;
  const char* reason;
  bool (*applies)(const v1::JobConfiguration& given);
  void (*fill)(v1::JobConfiguration& configuration);
};

constexpr Derivation kDerivations[] = {
    {"datasets.trainSplit", "there is a validation file, so nothing is held out",
     [](const v1::JobConfiguration& given) {
       return !given.datasets().validation_file_id().empty();
     },
     [](v1::JobConfiguration& out) { out.mutable_datasets()->set_train_split(1); }},
    {"model.precision", "CPUs compute in fp32",
     [](const v1::JobConfiguration& given) {
       return given.hardware().device() == v1::DEVICE_CHOICE_CPU;
     },
     [](v1::JobConfiguration& out) { out.mutable_model()->set_precision(v1::PRECISION_FP32); }},
    {"datasets.type", "dpo learns from pairs",
     [](const v1::JobConfiguration& given) {
       return given.objective().type() == v1::OBJECTIVE_TYPE_DPO;
     },
     [](v1::JobConfiguration& out) {
       out.mutable_datasets()->set_type(v1::DATASET_TYPE_PREFERENCE);
     }},
};

constexpr char kSeedPath[] = "datasets.seed";
constexpr char kSeedReason[] = "the job's seed";

/// In the place of plain defaults.
void FillDerived(const v1::JobConfiguration& given, v1::JobConfiguration& configuration) {
  static const std::vector<FieldChain> chains = [] {
    std::vector<FieldChain> all;
    for (const Derivation& derivation : kDerivations) {
      all.push_back(FindAccessible(derivation.path)->chain);
    }
    return all;
  }();
  for (std::size_t i = 0; i < chains.size(); ++i) {
    if (kDerivations[i].applies(given) && !IsSet(given, chains[i])) {
      kDerivations[i].fill(configuration);
    }
  }
}

std::string ReasonOf(const std::string& path) {
  for (const Derivation& derivation : kDerivations) {
    if (path == derivation.path) {
      return derivation.reason;
    }
  }
  return path == kSeedPath ? kSeedReason : "";
}

v1::JobConfiguration FillIn(const v1::JobConfiguration& given) {
  v1::JobConfiguration resolved = Defaults().plain;
  FillDerived(given, resolved);
  resolved.MergeFrom(given);
  FillConditional(resolved);
  if (!given.datasets().has_seed()) {
    resolved.mutable_datasets()->set_seed(resolved.seed());
  }
  if (given.optimizer().scheduler().has_warmup_steps() &&
      !given.optimizer().scheduler().has_warmup_ratio()) {
    resolved.mutable_optimizer()->mutable_scheduler()->clear_warmup_ratio();
  }
  for (auto& tool : *resolved.mutable_tools()) {
    if (!tool.has_type()) {
      tool.set_type(v1::TOOL_TYPE_FUNCTION);
    }
  }
  return resolved;
}

/// What was given with all that lies below it, before defaults.
v1::JobConfiguration Given(const v1::JobConfiguration& configuration,
                           const ResolveOptions& options) {
  v1::JobConfiguration given =
      options.base == nullptr ? configuration : Overlay(*options.base, configuration);
  if (options.method_profile) {
    given = Overlay(MethodProfile(FillIn(given).method().type()), given);
  }
  return given;
}

/// Whether the adjustment fits its parameter; then it is made.
bool Apply(const Adjustment& adjustment, v1::JobConfiguration& configuration) {
  const AccessibleParameter* target = FindAccessible(adjustment.path);
  const ParsedTree value = ParseJsonTree(adjustment.value);
  if (target == nullptr || !value.tree) {
    return false;
  }
  v1::JobConfiguration changed = configuration;
  Message& owner = MutableOwner(changed, target->chain);
  owner.GetReflection()->ClearField(&owner, target->chain.back());
  std::vector<Finding> findings;
  ReadValue(*value.tree, adjustment.path, owner, *target->chain.back(), findings);
  if (!findings.empty()) {
    return false;
  }
  configuration = std::move(changed);
  return true;
}

/// What the source of a value that nobody adjusted depends on.
struct Layers {
  Sections configuration;
  Sections given;
  std::optional<Sections> base;
};

/// `json`: the value and its default.
ValueSource SourceOf(const AccessibleParameter& parameter, const Layers& layers,
                     const std::string& json, const std::string& default_json) {
  if (layers.configuration.IsSet(parameter)) {
    return ValueSource::kUser;
  }
  if (layers.given.IsSet(parameter)) {
    const bool from_base = layers.base && layers.base->IsSet(parameter);
    return from_base ? ValueSource::kTemplate : ValueSource::kProfile;
  }
  return json == default_json ? ValueSource::kDefault : ValueSource::kDerived;
}

/// Makes sections that hold nothing not set.
void DropEmptySections(Message& message) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated() || !IsSection(*field)) continue;
    Message& section = *reflection.MutableMessage(&message, field);
    DropEmptySections(section);
    if (section.ByteSizeLong() == 0) reflection.ClearField(&message, field);
  }
}

}  // namespace

v1::JobConfiguration Overlay(const v1::JobConfiguration& base, const v1::JobConfiguration& given) {
  if (base.ByteSizeLong() == 0) {
    v1::JobConfiguration alone = given;
    DropEmptySections(alone);
    return alone;
  }
  v1::JobConfiguration both = base;
  const Sections upper(given);
  const Sections lower(base);
  std::vector<const AccessibleParameter*> from_base;
  for (const AccessibleParameter& parameter : AccessibleParameters()) {
    if (upper.IsSet(parameter)) {
      Message& owner = MutableOwner(both, parameter.chain);
      CopyField(*upper.OwnerOf(parameter), owner, *parameter.chain.back());
    } else if (lower.IsSet(parameter)) {
      from_base.push_back(&parameter);
    }
  }
  const v1::JobConfiguration filled = FillIn(both);
  for (const AccessibleParameter* parameter : from_base) {
    if (!Holds(filled, parameter->condition)) {
      Clear(both, parameter->chain);
    }
  }
  const auto& warmup = given.optimizer().scheduler();
  if (warmup.has_warmup_ratio() != warmup.has_warmup_steps()) {
    auto& scheduler = *both.mutable_optimizer()->mutable_scheduler();
    warmup.has_warmup_ratio() ? scheduler.clear_warmup_steps() : scheduler.clear_warmup_ratio();
  }
  return both;
}

v1::JobConfiguration Resolve(const v1::JobConfiguration& configuration,
                             const ResolveOptions& options) {
  v1::JobConfiguration resolved = FillIn(Given(configuration, options));
  for (const Adjustment& adjustment : options.adjustments) {
    Apply(adjustment, resolved);
  }
  return resolved;
}

std::string_view ToString(ValueSource source) {
  constexpr std::string_view kNames[] = {"user",    "template", "profile",
                                         "default", "derived",  "adjusted"};
  return kNames[static_cast<std::size_t>(source)];
}

std::vector<ResolvedValue> Explain(const v1::JobConfiguration& configuration,
                                   const ResolveOptions& options) {
  const v1::JobConfiguration given = Given(configuration, options);
  v1::JobConfiguration resolved = FillIn(given);
  std::map<std::string_view, const Adjustment*> adjusted;
  for (const Adjustment& adjustment : options.adjustments) {
    if (Apply(adjustment, resolved)) {
      adjusted[adjustment.path] = &adjustment;
    }
  }
  const Sections sections(resolved);
  const Layers layers{
      Sections(configuration), Sections(given),
      options.base == nullptr ? std::nullopt : std::optional<Sections>(*options.base)};
  std::vector<ResolvedValue> values;
  for (std::size_t i = 0; i < AccessibleParameters().size(); ++i) {
    const AccessibleParameter& accessible = AccessibleParameters()[i];
    if (!sections.IsSet(accessible)) {
      continue;
    }
    const std::string& path = accessible.parameter->path;
    ResolvedValue value{
        path, FieldToJson(*sections.OwnerOf(accessible), *accessible.chain.back()), {}, {}};
    if (const auto found = adjusted.find(path); found != adjusted.end()) {
      value.source = ValueSource::kAdjusted;
      value.reason = found->second->reason;
    } else {
      value.source = SourceOf(accessible, layers, value.value, Defaults().json[i]);
      value.reason = value.source == ValueSource::kDerived ? ReasonOf(path) : "";
    }
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace lathe::schema
