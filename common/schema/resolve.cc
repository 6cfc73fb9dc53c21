#include <map>

#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/tree_internal.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Every default of the schema, whether it applies or not: parsed once, copied from then on.
const v1::JobConfiguration& Defaults() {
  static const v1::JobConfiguration defaults = [] {
    v1::JobConfiguration all;
    for (const AccessibleParameter& accessible : AccessibleParameters()) {
      if (const auto& literal = accessible.parameter->spec->default_value(); !literal.empty()) {
        ReadDefault(literal, MutableOwner(all, accessible.chain), *accessible.chain.back());
      }
    }
    return all;
  }();
  return defaults;
}

/// The parameters with a default; `conditional` chooses those with a depends_on.
std::vector<const AccessibleParameter*> WithDefault(bool conditional) {
  std::vector<const AccessibleParameter*> chosen;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (!accessible.parameter->spec->default_value().empty() &&
        accessible.condition.has_value() == conditional) {
      chosen.push_back(&accessible);
    }
  }
  return chosen;
}

/// True when anything was filled in.
bool FillDefaults(const std::vector<const AccessibleParameter*>& parameters,
                  v1::JobConfiguration& configuration) {
  bool filled = false;
  for (const AccessibleParameter* accessible : parameters) {
    if (!IsSet(configuration, accessible->chain) && Holds(configuration, accessible->condition)) {
      CopyField(*OwnerOf(Defaults(), accessible->chain),
                MutableOwner(configuration, accessible->chain), *accessible->chain.back());
      filled = true;
    }
  }
  return filled;
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

/// First, so that the plain defaults leave them alone.
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

v1::JobConfiguration FillIn(v1::JobConfiguration given) {
  static const std::vector<const AccessibleParameter*> plain = WithDefault(false);
  static const std::vector<const AccessibleParameter*> conditional = WithDefault(true);
  v1::JobConfiguration resolved = given;
  FillDerived(given, resolved);
  FillDefaults(plain, resolved);
  while (FillDefaults(conditional, resolved)) {
    // a default may make another one apply
  }
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

bool HasEqual(const v1::JobConfiguration& a, const Message& b_owner,
              const AccessibleParameter& parameter) {
  return IsSet(a, parameter.chain) &&
         FieldToJson(*OwnerOf(a, parameter.chain), *parameter.chain.back()) ==
             FieldToJson(b_owner, *parameter.chain.back());
}

/// The source of a value that nobody adjusted.
ValueSource SourceOf(const AccessibleParameter& parameter, const Message& owner,
                     const v1::JobConfiguration& configuration, const ResolveOptions& options,
                     const v1::JobConfiguration& given) {
  if (IsSet(configuration, parameter.chain)) {
    return ValueSource::kUser;
  }
  if (IsSet(given, parameter.chain)) {
    const bool from_base = options.base != nullptr && IsSet(*options.base, parameter.chain);
    return from_base ? ValueSource::kTemplate : ValueSource::kProfile;
  }
  return HasEqual(Defaults(), owner, parameter) ? ValueSource::kDefault : ValueSource::kDerived;
}

}  // namespace

v1::JobConfiguration Overlay(const v1::JobConfiguration& base, const v1::JobConfiguration& given) {
  v1::JobConfiguration both = base;
  std::vector<const AccessibleParameter*> from_base;
  for (const AccessibleParameter& parameter : AccessibleParameters()) {
    if (IsSet(given, parameter.chain)) {
      Message& owner = MutableOwner(both, parameter.chain);
      CopyField(*OwnerOf(given, parameter.chain), owner, *parameter.chain.back());
    } else if (IsSet(base, parameter.chain)) {
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
  std::vector<ResolvedValue> values;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (!IsSet(resolved, accessible.chain)) {
      continue;
    }
    const Message& owner = *OwnerOf(resolved, accessible.chain);
    const std::string& path = accessible.parameter->path;
    ResolvedValue value{path, FieldToJson(owner, *accessible.chain.back()), {}, {}};
    if (const auto found = adjusted.find(path); found != adjusted.end()) {
      value.source = ValueSource::kAdjusted;
      value.reason = found->second->reason;
    } else {
      value.source = SourceOf(accessible, owner, configuration, options, given);
      value.reason = value.source == ValueSource::kDerived ? ReasonOf(path) : "";
    }
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace lathe::schema
