#pragma once
// The universal job configuration as text and as message: reading JSON and YAML, writing JSON,
// checking and filling in defaults. Everything here walks the message's descriptors; what there is
// to know about a parameter stands in its `(lathe.v1.parameter)` option and nowhere else.
//
// All functions are pure, thread-safe and never throw. Problems come back as findings, all at once;
// a `path` in them is in JSON spelling: `method.loraConfig.rank`, `tools[0].name`.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/base/result.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

/// Longest text that is read, in bytes, and deepest nesting of objects and lists in it.
inline constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;
inline constexpr int kMaxDepth = 32;

struct Parsed {
  v1::JobConfiguration configuration;  ///< what could be read; complete only without errors
  std::vector<Finding> findings;       ///< structure alone: see FromJson
};

/// Reads a configuration. Findings: syntax, unknown keys (with a did-you-mean), duplicate keys,
/// wrong types, unknown tokens, limits. Ranges and what belongs together are Validate's. `null`
/// is "not set".
Parsed FromJson(std::string_view text);

/// The same from one YAML document. Plain scalars are typed as in YAML's core schema (`8` is a
/// number, `"8"` a string, `true` a boolean, `~` is null). Merge keys and tags are refused.
Parsed FromYaml(std::string_view text);

enum class Secrets { kKeep, kRedact };

/// What takes the place of a secret that is set in redacted output.
inline constexpr std::string_view kRedacted = "<redacted>";

/// Compact JSON: camelCase keys in the order of the schema, lower-case tokens, only what is set.
/// The same configuration always gives the same bytes. Anything a user can see uses kRedact.
std::string ToJson(const v1::JobConfiguration& configuration, Secrets secrets = Secrets::kKeep);

/// Paths of the parameters outside of lists that are set, in the order of the schema.
std::vector<std::string> SetPaths(const v1::JobConfiguration& configuration);

/// The value of such a parameter as JSON; nothing when it is not set or there is none of this path.
std::optional<std::string> JsonAt(const v1::JobConfiguration& configuration, std::string_view path,
                                  Secrets secrets = Secrets::kKeep);

/// The configuration with its secrets redacted.
v1::JobConfiguration Redacted(v1::JobConfiguration configuration);

/// Hard ranges, required parameters, what belongs together, and warnings, on a configuration as it
/// was given (defaults are taken into account). Without an error among the findings it can run.
std::vector<Finding> Validate(const v1::JobConfiguration& configuration);
/// The same where Resolve(configuration) is at hand.
std::vector<Finding> Validate(const v1::JobConfiguration& configuration,
                              const v1::JobConfiguration& resolved);

/// Every finding on what was read: those of the structure, then Validate's, except where they would
/// only repeat that a value could not be read. Text that cannot be read at all is not validated.
std::vector<Finding> AllFindings(const Parsed& parsed);

/// A value that somebody other than the user had to change: an engine, or the cluster.
struct Adjustment {
  std::string path;    ///< of a parameter outside of lists
  std::string value;   ///< JSON
  std::string reason;  ///< one sentence for a person
};

/// What lies below and above the values that were given.
struct ResolveOptions {
  const v1::JobConfiguration* base = nullptr;  ///< a template; null: none
  bool method_profile = false;                 ///< what a guided form fills in, see MethodProfile
  std::span<const Adjustment> adjustments;     ///< applied last; those that do not fit are left out
};

/// The configuration with every default filled in that applies to it: what was given, else the
/// base's value, else the method profile's, else what follows from other values, else the schema's
/// default. Stay not set: what has no default; what only the machine or the model decides
/// (model.precision unless the device is the CPU, prefixHiddenSize); what the run derives
/// (saveSteps, evalSteps, saveTotalLimit).
v1::JobConfiguration Resolve(const v1::JobConfiguration& configuration,
                             const ResolveOptions& options = {});

/// Where a value of a resolved configuration comes from.
enum class ValueSource { kUser, kTemplate, kProfile, kDefault, kDerived, kAdjusted };

/// "user", "template", "profile", "default", "derived", "adjusted".
std::string_view ToString(ValueSource source);

struct ResolvedValue {
  std::string path;
  std::string value;  ///< JSON; a secret is redacted
  ValueSource source = ValueSource::kUser;
  std::string reason;  ///< of derived and adjusted values; else empty
};

/// Every value of Resolve(configuration, options) and its source, in the order of the schema.
std::vector<ResolvedValue> Explain(const v1::JobConfiguration& configuration,
                                   const ResolveOptions& options = {});

/// What was given over a base (a template): the base says what the other leaves open, except where
/// its value could not apply any more (LoRA settings below another method, the other warm-up).
/// Lists and maps are taken whole.
v1::JobConfiguration Overlay(const v1::JobConfiguration& base, const v1::JobConfiguration& given);

/// What a guided form suggests for a method over the schema's defaults; common/schema/
/// method_profiles.yaml. Empty for methods without a profile.
const v1::JobConfiguration& MethodProfile(v1::MethodType method);

/// Applies `path=value` (`--set`): the path in JSON spelling; the value as JSON, or, when it is not
/// JSON or the parameter is a string or token, taken as the bare text. A map's entry is
/// `method.loraConfig.rankPattern.q_proj=16` (escape dots in the key: `\.`); a list is given whole,
/// as JSON or with commas. `path=null` unsets. Errors: kInvalidArgument with findings; the
/// configuration then stays as it was.
Status Set(v1::JobConfiguration& configuration, std::string_view assignment);

}  // namespace lathe::schema
