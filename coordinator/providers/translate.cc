#include "coordinator/providers/translate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/schema/configuration.h"
#include "coordinator/providers/plan_view.h"

namespace lathe::providers {
namespace {

constexpr char kCreateJob[] = "/lathe.v1.JobService/CreateJob";

bool IsIndex(const std::string& segment) {
  return !segment.empty() &&
         std::all_of(segment.begin(), segment.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Sets `a.b.0.c`, making objects and lists on the way.
void Put(Json& body, const std::string& to, Json value) {
  Json* at = &body;
  std::size_t begin = 0;
  while (begin <= to.size()) {
    const std::size_t end = std::min(to.find('.', begin), to.size());
    const std::string segment = to.substr(begin, end - begin);
    at = IsIndex(segment) ? &(*at)[static_cast<std::size_t>(std::stoul(segment))] : &(*at)[segment];
    begin = end + 1;
  }
  *at = std::move(value);
}

/// Whole doubles as integers: free-form metadata knows only doubles.
Json Tidied(const Json& value, const std::string& type) {
  return type == "integer" ? Json(std::llround(value.get<double>())) : value;
}

const CustomParameter* FindCustom(const Engine& engine, const std::string& name) {
  for (const CustomParameter& parameter : engine.custom) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

std::optional<Json> CustomValue(const Engine& engine, const PlanView& view,
                                const std::string& name) {
  const std::optional<Json> given = view.Custom(engine.id);
  const CustomParameter* parameter = FindCustom(engine, name);
  if (!given || !given->is_object() || !given->contains(name)) return std::nullopt;
  const Json& value = given->at(name);
  if (parameter == nullptr || (parameter->type == "integer" && !value.is_number())) return value;
  return Tidied(value, parameter->type);
}

/// The value of a row, nothing when it is left out.
std::optional<Json> ValueOf(const Row& row, const Engine& engine, const PlanView& view) {
  if (!Applies(row, view)) return std::nullopt;
  if (!row.unless_custom.empty() && CustomValue(engine, view, row.unless_custom)) {
    return std::nullopt;
  }
  if (!row.constant.is_null()) return row.constant;
  if (!row.custom.empty()) return CustomValue(engine, view, row.custom);
  if (!row.file.empty()) {
    const std::optional<Json> file = view.Given(row.from);
    if (!file || *file == "") return std::nullopt;
    return "{" + row.file + "_file}";
  }
  const std::optional<Json> value = view.Resolved(row.from);
  if (!row.append.empty()) {
    const std::string own = !value ? "" : value->get<std::string>() + "-";
    return own + row.append;
  }
  if (!row.contains.empty()) {
    return value && std::find(value->begin(), value->end(), row.contains) != value->end();
  }
  if (!value) return std::nullopt;
  if (!row.tokens.is_null()) return row.tokens.at(value->get<std::string>());
  return row.integer ? Json(std::llround(value->get<double>())) : *value;
}

std::string PercentEncoded(const std::string& text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || c == ':';
    if (plain) {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return out;
}

template <class Encode>
std::string FillWith(const std::string& text, const Placeholders& placeholders, Encode encode) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = std::min(text.find('{', at), text.size());
    out += text.substr(at, open - at);
    const std::size_t close = text.find('}', open);
    if (open == text.size() || close == std::string::npos) return out + text.substr(open);
    const std::string name = text.substr(open + 1, close - open - 1);
    const bool whole = name.starts_with('+');
    const auto known = placeholders.find(whole ? name.substr(1) : name);
    if (known == placeholders.end()) {
      out += "{" + name + "}";
    } else {
      out += whole ? known->second : encode(known->second);
    }
    at = close + 1;
  }
  return out;
}

Json FillJson(const Json& json, const Placeholders& placeholders) {
  if (json.is_string()) return Fill(json.get<std::string>(), placeholders);
  if (!json.is_structured()) return json;
  Json out = json;
  for (auto& [key, value] : out.items()) value = FillJson(value, placeholders);
  return out;
}

}  // namespace

Placeholders KnownPlaceholders(const Engine& engine, const v1::JobConfiguration& configuration) {
  const PlanView view(configuration);
  Placeholders known;
  for (const CustomParameter& parameter : engine.custom) {
    const auto value = CustomValue(engine, view, parameter.name);
    if (value && value->is_string()) known[parameter.name] = value->get<std::string>();
  }
  for (const Variant& variant : engine.variants) {
    if (view.Holds(variant.when)) known.insert(variant.set.begin(), variant.set.end());
  }
  return known;
}

std::string Fill(const std::string& text, const Placeholders& placeholders) {
  return FillWith(text, placeholders, [](const std::string& value) { return value; });
}

std::string FillPath(const std::string& path, const Placeholders& placeholders) {
  // The whole path may be an address that the engine gave.
  if (path.starts_with("{") && path.ends_with("}")) return Fill(path, placeholders);
  return FillWith(path, placeholders, PercentEncoded);
}

EngineRequest FillRequest(const RequestTemplate& request, const Placeholders& placeholders,
                          const Json& body) {
  EngineRequest out;
  out.name = request.name;
  out.method = request.method;
  out.path = FillPath(request.path, placeholders);
  if (request.form) {
    for (const auto& [name, value] : *request.form) {
      out.form[name] =
          Fill(value.is_string() ? value.get<std::string>() : value.dump(), placeholders);
    }
  } else {
    out.body = FillJson(request.json.is_null() ? body : request.json, placeholders);
  }
  if (!request.idempotency_header.empty()) {
    out.headers[request.idempotency_header] = Fill("{marker}", placeholders);
  }
  out.file_part = request.file;
  out.file_is_body = request.file_body;
  return out;
}

Json CreateBody(const Engine& engine, const v1::JobConfiguration& configuration) {
  const PlanView view(configuration);
  Json body = Json::object();
  for (const Row& row : engine.body) {
    if (auto value = ValueOf(row, engine, view)) Put(body, row.to, std::move(*value));
  }
  return body;
}

std::vector<std::string> FileRoles(const Engine& engine,
                                   const v1::JobConfiguration& configuration) {
  const PlanView view(configuration);
  std::vector<std::string> roles;
  for (const Row& row : engine.body) {
    if (!row.file.empty() && ValueOf(row, engine, view)) roles.push_back(row.file);
  }
  return roles;
}

std::vector<EngineRequest> Translate(const Engine& engine,
                                     const v1::JobConfiguration& configuration) {
  if (engine.is_cluster()) {
    EngineRequest call{"create", "gRPC", kCreateJob, {}, {}, {}, "", false, ""};
    call.body["configuration"] = Json::parse(schema::ToJson(schema::Resolve(configuration)));
    return {call};
  }
  const Placeholders known = KnownPlaceholders(engine, configuration);
  std::vector<EngineRequest> requests;
  for (const std::string& role : FileRoles(engine, configuration)) {
    Placeholders own = known;
    own["file_role"] = role;
    for (const RequestTemplate& step : engine.upload) {
      requests.push_back(FillRequest(step, own, nullptr));
      requests.back().name += "_" + role;
      requests.back().file_role = role;
    }
  }
  requests.push_back(FillRequest(*engine.create, known, CreateBody(engine, configuration)));
  return requests;
}

}  // namespace lathe::providers
