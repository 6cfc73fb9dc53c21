#include "coordinator/providers/check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/schema/configuration.h"
#include "common/schema/suggest.h"
#include "coordinator/providers/pattern.h"
#include "coordinator/providers/plan_view.h"

namespace lathe::providers {
namespace {

/// Longer lists are told elsewhere.
constexpr std::size_t kMostListed = 8;

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Number(double value) {
  return Json(value == std::floor(value) ? Json(static_cast<std::int64_t>(value)) : Json(value))
      .dump();
}

/// Collects what one engine finds in one configuration.
class Checker {
 public:
  Checker(const Engine& engine, PlanView view) : engine_(engine), view_(std::move(view)) {}

  std::vector<Finding> Run() {
    if (!engine_.can_start) Warn("provider", "cannot_start", engine_.reason);
    if (!engine_.note.empty()) Warn("provider", "note", engine_.note);
    CheckModel();
    CheckAccepted();
    CheckOptimizations();
    CheckRanges();
    CheckRequirements();
    CheckCustom();
    CheckLeftOut();
    return std::move(findings_);
  }

 private:
  void Add(const std::string& path, Severity severity, const char* code, std::string message,
           const Json* given, std::string expected) {
    findings_.push_back({path, severity, code, std::move(message),
                         given == nullptr ? "" : given->dump(), std::move(expected)});
  }
  void Warn(const std::string& path, const char* code, std::string message) {
    Add(path, Severity::kWarning, code, std::move(message), nullptr, "");
  }
  void Fail(const std::string& path, const char* code, std::string message, const Json* given,
            std::string expected) {
    Add(path, Severity::kError, code, std::move(message), given, std::move(expected));
  }

  void CheckModel() {
    const std::optional<Json> model = view_.Given("model.baseModel");
    if (!model || !model->is_string() || engine_.models.empty()) return;
    const auto name = model->get<std::string>();
    const bool known =
        std::any_of(engine_.models.begin(), engine_.models.end(), [&](const std::string& listed) {
          return listed.ends_with('*') ? name.starts_with(listed.substr(0, listed.size() - 1))
                                       : name == listed;
        });
    if (known) return;
    Add("model.baseModel", Severity::kWarning, "unlisted_model",
        engine_.title + " was not known to fine-tune " + name + " when its list was made" +
            schema::DidYouMean(name, engine_.models) + ".",
        &*model,
        engine_.models.size() <= kMostListed
            ? "one of: " + Join(engine_.models) + ", or a newer one"
            : "one that `lathe provider capabilities " + engine_.id + "` lists, or a newer one");
  }

  void CheckAccepted() {
    for (const auto& [path, tokens] : engine_.accepts) {
      const std::optional<Json> value = view_.Resolved(path);
      if (!value || !value->is_string() || Contains(tokens, value->get<std::string>())) {
        continue;
      }
      Fail(path, "unsupported_by_engine",
           engine_.title + " does not do " + path + " " + value->get<std::string>() + ".", &*value,
           "one of: " + Join(tokens));
    }
  }

  void CheckOptimizations() {
    const std::optional<Json> enabled = view_.Given("optimizations.enabled");
    if (!enabled) return;
    for (const Json& token : *enabled) {
      if (Contains(engine_.optimizations, token.get<std::string>())) continue;
      if (engine_.is_cluster()) {
        Fail("optimizations.enabled", "unsupported_by_engine",
             engine_.title + " does not do " + token.get<std::string>() + ".", &token,
             "any of: " + Join(engine_.optimizations));
        continue;
      }
      Add("optimizations.enabled", Severity::kWarning, "left_out",
          engine_.title + " cannot be asked for " + token.get<std::string>() + "; it is left out.",
          &token, engine_.optimizations.empty() ? "" : "any of: " + Join(engine_.optimizations));
    }
  }

  void CheckRanges() {
    for (const auto& [path, range] : engine_.ranges) {
      const std::optional<Json> value = view_.Resolved(path);
      if (!value || !value->is_number()) continue;
      const double number = value->get<double>();
      const bool low = range.min && number < *range.min;
      const bool high =
          range.max && (number > *range.max || (range.exclusive_max && number == *range.max));
      if (!low && !high) continue;
      const std::string expected =
          low ? "at least " + Number(*range.min)
              : (range.exclusive_max ? "less than " : "at most ") + Number(*range.max);
      Fail(path, "out_of_range_of_engine",
           path + " must be " + expected + " for " + engine_.title + ".", &*value, expected);
    }
    for (const auto& [path, length] : engine_.lengths) {
      const std::optional<Json> value = view_.Given(path);
      if (!value || value->get<std::string>().size() <= length) continue;
      const std::string expected = "at most " + std::to_string(length) + " characters";
      Fail(path, "too_long", path + " may have " + expected + " for " + engine_.title + ".",
           &*value, expected);
    }
  }

  void CheckRequirements() {
    for (const Requirement& requirement : engine_.requirements) {
      const bool applies = requirement.if_set.empty() || view_.IsSet(requirement.if_set);
      if (!applies || view_.IsSet(requirement.path)) continue;
      Fail(requirement.path, "required_by_engine", requirement.message, nullptr, "set");
    }
  }

  std::string CustomPath(const std::string& name) const {
    return "metadata." + engine_.id + "." + name;
  }

  void CheckCustom() {
    const std::optional<Json> given = view_.Custom(engine_.id);
    if (given && !given->is_object()) {
      return Fail("metadata." + engine_.id, "wrong_type",
                  "metadata." + engine_.id + " must be an object of custom parameters.", &*given,
                  "an object");
    }
    std::vector<std::string> names;
    for (const CustomParameter& parameter : engine_.custom) {
      names.push_back(parameter.name);
      const bool set = given && given->contains(parameter.name);
      if (set) {
        CheckCustomValue(parameter, given->at(parameter.name));
      } else if (parameter.required) {
        Fail(CustomPath(parameter.name), "required_by_engine",
             engine_.title + " needs " + CustomPath(parameter.name) + ": " + parameter.description,
             nullptr, "set");
      }
    }
    if (!given) return;
    for (const auto& [name, value] : given->items()) {
      if (Contains(names, name)) continue;
      Fail(CustomPath(name), "unknown_key",
           engine_.title + " has no custom parameter " + name + schema::DidYouMean(name, names) +
               ".",
           &value, names.empty() ? "" : "one of: " + Join(names));
    }
  }

  void CheckCustomValue(const CustomParameter& parameter, const Json& value) {
    const std::string path = CustomPath(parameter.name);
    // Free-form numbers are stored as doubles: a whole one is an integer.
    const bool whole = value.is_number() && value.get<double>() == std::floor(value.get<double>());
    const bool fits = (parameter.type == "string" && value.is_string()) ||
                      (parameter.type == "boolean" && value.is_boolean()) ||
                      (parameter.type == "number" && value.is_number()) ||
                      (parameter.type == "integer" && whole);
    if (!fits)
      return Fail(path, "wrong_type", path + " must be of type " + parameter.type + ".", &value,
                  parameter.type);
    if (value.is_number()) return CheckCustomRange(parameter, value);
    if (!value.is_string()) return;
    const auto text = value.get<std::string>();
    if (!parameter.values.empty() && !Contains(parameter.values, text)) {
      Fail(path, "unknown_value", path + " has no value " + text + ".", &value,
           "one of: " + Join(parameter.values));
    }
    if (!parameter.pattern.empty() && !MatchesAll(parameter.pattern, text)) {
      Fail(path, "invalid_value", path + " is not of the right form.", &value, parameter.pattern);
    }
  }

  void CheckCustomRange(const CustomParameter& parameter, const Json& value) {
    const double number = value.get<double>();
    const bool low = parameter.min && (number < *parameter.min ||
                                       (parameter.exclusive_min && number == *parameter.min));
    const bool high = parameter.max && number > *parameter.max;
    if (!low && !high) return;
    const std::string expected =
        low ? (parameter.exclusive_min ? "more than " : "at least ") + Number(*parameter.min)
            : "at most " + Number(*parameter.max);
    Fail(CustomPath(parameter.name), "out_of_range",
         CustomPath(parameter.name) + " must be " + expected + ".", &value, expected);
  }

  bool IsUsed(const std::string& path) const {
    if (Contains(engine_.uses, path) || path == "optimizations.enabled") return true;
    const bool noted = engine_.notes.contains(path);
    if (engine_.accepts.contains(path) && !noted) return true;
    if (engine_.is_cluster()) return !noted;
    return std::any_of(engine_.body.begin(), engine_.body.end(),
                       [&](const Row& row) { return row.from == path && Applies(row, view_); });
  }

  void CheckLeftOut() {
    for (const std::string& path : view_.set_paths()) {
      if (IsUsed(path)) continue;
      if (engine_.is_cluster() && view_.Given(path) == Json(false)) continue;
      const auto note = engine_.notes.find(path);
      Warn(path, "left_out",
           engine_.title + (engine_.is_cluster() ? " makes no use of " : " has no place for ") +
               path + "; it is left out" +
               (note == engine_.notes.end() ? "." : ": " + note->second + "."));
    }
  }

  const Engine& engine_;
  const PlanView view_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> CheckEngine(const Engine& engine, const v1::JobConfiguration& configuration) {
  return Checker(engine, PlanView(configuration)).Run();
}

std::vector<Finding> CheckEngine(const Engine& engine, const v1::JobConfiguration& configuration,
                                 const v1::JobConfiguration& resolved) {
  return Checker(engine, PlanView(configuration, resolved)).Run();
}

std::vector<Finding> Validate(const Engine& engine, const v1::JobConfiguration& configuration) {
  std::vector<Finding> findings = schema::Validate(configuration);
  for (Finding& finding : CheckEngine(engine, configuration)) {
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace lathe::providers
