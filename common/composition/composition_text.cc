#include "common/composition/composition_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "common/base/file_io.h"
#include "common/json/parse_json.h"

namespace lathe::composition {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, Method> kMethods[] = {{"additive", Method::kAdditive},
                                                       {"gated", Method::kGated},
                                                       {"sequential", Method::kSequential}};

std::string NameOf(Method method) {
  for (const auto& [name, known] : kMethods) {
    if (known == method) return name;
  }
  return {};
}

/// What has been found wrong.
class Findings {
 public:
  void Add(std::string path, std::string message, std::string given, std::string expected) {
    findings_.push_back({.path = std::move(path),
                         .code = "invalid_composition",
                         .message = std::move(message),
                         .given = std::move(given),
                         .expected = std::move(expected)});
  }
  /// The composition if nothing is wrong.
  Result<Composition> Of(Composition composition) && {
    if (findings_.empty()) return composition;
    Error error{ErrorCode::kInvalidArgument, {}, std::move(findings_), {}};
    const Finding& first = error.findings.front();
    error.message = first.path + ": " + first.message + "; expected " + first.expected;
    return Failure(std::move(error));
  }

 private:
  std::vector<Finding> findings_;
};

std::string Methods() {
  std::string text;
  for (const auto& [name, method] : kMethods) {
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

void SetMethod(const std::string& name, const std::string& path, Composition& composition,
               Findings& findings) {
  for (const auto& [known, method] : kMethods) {
    if (name != known) continue;
    composition.method = method;
    return;
  }
  findings.Add(path, "there is no method \"" + name + "\"", ToText(name), Methods());
}

void CheckMembers(const Composition& composition, const std::string& path, Findings& findings) {
  if (composition.members.empty()) {
    findings.Add(path, "no adapter is named", {}, "one or more adapters");
  }
  std::set<std::string> names;
  for (const Member& member : composition.members) {
    if (member.adapter.empty() || names.insert(member.adapter).second) continue;
    findings.Add(path, "\"" + member.adapter + "\" is named twice", {},
                 "each adapter once, with one weight");
  }
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

std::optional<double> NumberIn(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

/// "ADAPTER[=WEIGHT]".
Member ParseMember(const std::string& given, const std::string& path,
                   const NamesAdapter& names_adapter, Findings& findings) {
  const std::size_t at = given.rfind('=');
  if (given.empty() || at == 0) {
    findings.Add(path, "an adapter has no name", ToText(given), "ADAPTER=WEIGHT");
  }
  if (at == std::string::npos || names_adapter(given)) return {given, {}};
  Member member{given.substr(0, at), {}};
  const std::string text = given.substr(at + 1);
  if (const auto weight = NumberIn(text)) {
    member.weights = {{*weight}, *weight};
  } else {
    findings.Add(path, "the weight of " + member.adapter + " is \"" + text + "\"", ToText(text),
                 "a number, as in " + member.adapter + "=0.5");
  }
  return member;
}

Result<Composition> ReadFileOf(const std::string& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  auto json = ParseJson(text);
  if (!json) return Failure(json.error().WithContext(path));
  if (json->is_discarded()) return Failure(ErrorCode::kInvalidArgument, path + ": is not JSON");
  auto composition = ReadComposition(*json);
  if (!composition) return Failure(composition.error().WithContext(path));
  return composition;
}

/// What an object of JSON says about one adapter.
class MemberReader {
 public:
  MemberReader(const Json& json, std::string path, Method method, Findings& findings)
      : json_(json), path_(std::move(path)), method_(method), findings_(findings) {}

  Member Read() {
    Member member;
    if (!json_.is_object() || !json_.value("adapter", Json()).is_string()) {
      Add("", "names no adapter", json_, "{\"adapter\": NAME, ...}");
      return member;
    }
    member.adapter = json_["adapter"].get<std::string>();
    for (const auto& [key, value] : json_.items()) {
      if (key == "adapter") continue;
      if (key == "weight") {
        ReadWeight(value, member.weights);
      } else if (key == "weights" || key == "headWeight") {
        ReadGate(key, value, member.weights);
      } else {
        Add("." + key, "is no key of an adapter", value, "adapter, weight, weights, headWeight");
      }
    }
    if (json_.contains("weight") && (json_.contains("weights") || json_.contains("headWeight"))) {
      Add("", "has both a weight and weights of parts", json_, "one of the two");
    }
    return member;
  }

 private:
  void ReadWeight(const Json& value, Weights& weights) {
    if (!value.is_number()) return Add(".weight", "is no number", value, "a number");
    weights = {{value.get<double>()}, value.get<double>()};
  }

  void ReadGate(const std::string& key, const Json& value, Weights& weights) {
    if (method_ != Method::kGated) {
      return Add("." + key, "is for method gated only", value, "one \"weight\"");
    }
    if (key == "headWeight") {
      if (!value.is_number()) return Add(".headWeight", "is no number", value, "a number");
      weights.head = value.get<double>();
      return;
    }
    const auto is_number = [](const Json& weight) { return weight.is_number(); };
    if (!value.is_array() || value.empty() || !std::all_of(value.begin(), value.end(), is_number)) {
      return Add(".weights", "is no list of numbers", value, "a number for each layer");
    }
    weights.layers = value.get<std::vector<double>>();
  }

  void Add(const std::string& field, const std::string& message, const Json& given,
           const std::string& expected) {
    findings_.Add(path_ + field, message, ToText(given), expected);
  }

  const Json& json_;
  std::string path_;
  Method method_;
  Findings& findings_;
};

}  // namespace

Result<Composition> ParseComposition(const std::string& given, const NamesAdapter& names_adapter) {
  Composition composition{.name = given};
  std::string rest = given;
  const std::size_t equals = given.find('=');
  if (equals < given.find(':') && !Exists(given)) {
    composition.name = given.substr(0, equals);
    rest = given.substr(equals + 1);
  }
  if (Exists(rest)) {
    LATHE_ASSIGN_OR_RETURN(Composition read, ReadFileOf(rest));
    if (rest != given || read.name.empty()) read.name = composition.name;
    return read;
  }
  Findings findings;
  const std::string path = "--compose " + given;
  if (composition.name.empty()) findings.Add(path, "the name is empty", {}, "NAME=...");
  const std::size_t colon = rest.find(':');
  SetMethod(rest.substr(0, colon), path, composition, findings);
  for (std::size_t begin = colon; begin < rest.size();) {
    const std::size_t end = std::min(rest.find(',', begin + 1), rest.size());
    composition.members.push_back(
        ParseMember(rest.substr(begin + 1, end - begin - 1), path, names_adapter, findings));
    begin = end;
  }
  CheckMembers(composition, path, findings);
  return std::move(findings).Of(std::move(composition));
}

Result<Composition> ReadComposition(const Json& json) {
  Composition composition;
  Findings findings;
  if (!json.is_object()) {
    findings.Add("composition", "is no object", ToText(json), "{\"method\", \"adapters\"}");
    return std::move(findings).Of({});
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "name" && value.is_string()) {
      composition.name = value.get<std::string>();
    } else if (key == "method" && value.is_string()) {
      SetMethod(value.get<std::string>(), key, composition, findings);
    } else if (key != "adapters" || !value.is_array()) {
      findings.Add(key, "is not what a composition has", ToText(value),
                   "texts \"name\" and \"method\", and a list \"adapters\"");
    }
  }
  if (!json.contains("method")) findings.Add("method", "is missing", {}, Methods());
  const Json adapters = json.value("adapters", Json::array());
  for (std::size_t i = 0; adapters.is_array() && i < adapters.size(); ++i) {
    const std::string path = "adapters[" + std::to_string(i) + "]";
    composition.members.push_back(
        MemberReader(adapters[i], path, composition.method, findings).Read());
  }
  CheckMembers(composition, "adapters", findings);
  return std::move(findings).Of(std::move(composition));
}

Json WriteComposition(const Composition& composition) {
  Json json = Json::object();
  if (!composition.name.empty()) json["name"] = composition.name;
  json["method"] = NameOf(composition.method);
  json["adapters"] = Json::array();
  for (const Member& member : composition.members) {
    Json written = {{"adapter", member.adapter}};
    if (member.weights.IsOne()) {
      written["weight"] = member.weights.head;
    } else {
      written["weights"] = member.weights.layers;
      written["headWeight"] = member.weights.head;
    }
    json["adapters"].push_back(std::move(written));
  }
  return json;
}

}  // namespace lathe::composition
