#include <algorithm>
#include <functional>
#include <utility>

#include "coordinator/providers/engine.h"

namespace lathe::providers {
namespace {

/// Takes an object apart key by key; what nobody asked for is an error. Wrong types throw inside
/// and are caught in ReadEngine.
class ObjectReader {
 public:
  ObjectReader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw std::invalid_argument(where_ + " is not an object");
  }

  template <class T>
  ObjectReader& Get(const char* key, T& value) {
    known_.emplace_back(key);
    if (object_.contains(key)) value = object_.at(key).get<T>();
    return *this;
  }
  ObjectReader& Get(const char* key, Json& value) {
    known_.emplace_back(key);
    if (object_.contains(key)) value = object_.at(key);
    return *this;
  }
  ObjectReader& Get(const char* key, std::optional<double>& value) {
    known_.emplace_back(key);
    if (object_.contains(key)) value = object_.at(key).get<double>();
    return *this;
  }
  template <class T, class Read>
  ObjectReader& List(const char* key, std::vector<T>& values, Read read) {
    known_.emplace_back(key);
    if (!object_.contains(key)) return *this;
    for (const Json& entry : object_.at(key)) values.push_back(read(entry));
    return *this;
  }
  template <class T, class Read>
  ObjectReader& One(const char* key, std::optional<T>& value, Read read) {
    known_.emplace_back(key);
    if (object_.contains(key)) value = read(object_.at(key));
    return *this;
  }

  void Finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        throw std::invalid_argument(where_ + " has the unknown key " + key);
      }
    }
  }

 private:
  const Json& object_;
  std::string where_;
  std::vector<std::string> known_;
};

CustomParameter ReadCustom(const Json& json) {
  CustomParameter out;
  ObjectReader(json, "a custom parameter")
      .Get("name", out.name)
      .Get("type", out.type)
      .Get("description", out.description)
      .Get("required", out.required)
      .Get("default", out.default_value)
      .Get("values", out.values)
      .Get("min", out.min)
      .Get("max", out.max)
      .Get("exclusiveMin", out.exclusive_min)
      .Get("pattern", out.pattern)
      .Finish();
  return out;
}

Range ReadRange(const Json& json) {
  Range out;
  ObjectReader(json, "a range")
      .Get("min", out.min)
      .Get("max", out.max)
      .Get("exclusiveMax", out.exclusive_max)
      .Finish();
  return out;
}

Row ReadRow(const Json& json) {
  Row out;
  ObjectReader(json, "a row of the body")
      .Get("from", out.from)
      .Get("custom", out.custom)
      .Get("const", out.constant)
      .Get("to", out.to)
      .Get("file", out.file)
      .Get("when", out.when)
      .Get("whenSet", out.when_set)
      .Get("unlessSet", out.unless_set)
      .Get("unlessCustom", out.unless_custom)
      .Get("onlyIfSet", out.only_if_set)
      .Get("contains", out.contains)
      .Get("map", out.tokens)
      .Get("integer", out.integer)
      .Get("append", out.append)
      .Finish();
  const int sources =
      (out.from.empty() ? 0 : 1) + (out.custom.empty() ? 0 : 1) + (out.constant.is_null() ? 0 : 1);
  if (sources != 1 || out.to.empty()) {
    throw std::invalid_argument("a row has exactly one of from, custom and const, and a `to`");
  }
  return out;
}

Requirement ReadRequirement(const Json& json) {
  Requirement out;
  ObjectReader(json, "a requirement")
      .Get("path", out.path)
      .Get("ifSet", out.if_set)
      .Get("message", out.message)
      .Finish();
  return out;
}

Pages ReadPages(const Json& json) {
  Pages out;
  ObjectReader(json, "pages")
      .Get("parameter", out.parameter)
      .Get("more", out.more)
      .Get("full", out.full)
      .Finish();
  if (out.parameter.empty() || out.more.empty() == (out.full == 0)) {
    throw std::invalid_argument("pages have a parameter, and exactly one of more and full");
  }
  return out;
}

RequestTemplate ReadRequest(const Json& json) {
  RequestTemplate out;
  Json form;
  Json save;
  ObjectReader(json, "a request")
      .Get("name", out.name)
      .Get("method", out.method)
      .Get("path", out.path)
      .Get("json", out.json)
      .Get("form", form)
      .Get("file", out.file)
      .Get("fileBody", out.file_body)
      .Get("expect", out.expect)
      .Get("save", save)
      .Get("known", out.known)
      .Get("onlyIfSaved", out.only_if_saved)
      .Get("withoutKey", out.without_key)
      .Get("repeatable", out.repeatable)
      .Get("exists", out.exists)
      .Get("idempotencyHeader", out.idempotency_header)
      .Get("list", out.list)
      .Get("match", out.match)
      .Get("contains", out.contains)
      .Get("id", out.id)
      .One("pages", out.pages, ReadPages)
      .Finish();
  if (!form.is_null()) out.form = form.get<std::map<std::string, Json>>();
  if (save.is_null()) return out;
  for (const auto& [name, places] : save.items()) {
    if (places.is_string()) {
      out.save[name] = {places.get<std::string>()};
    } else {
      out.save[name] = places.get<std::vector<std::string>>();
    }
  }
  return out;
}

EventTemplate ReadEvents(const Json& json) {
  EventTemplate out;
  std::string name;
  std::string method;
  std::string path;
  bool in_query = false;
  ObjectReader(json, "events")
      .Get("name", name)
      .Get("method", method)
      .Get("path", path)
      .Get("inQuery", in_query)
      .Get("list", out.list)
      .Get("id", out.id)
      .Get("time", out.time)
      .Get("message", out.message)
      .Get("newestFirst", out.newest_first)
      .One("pages", out.pages, ReadPages)
      .Get("since", out.since)
      .Get("metrics", out.metrics)
      .Get("failure", out.failure)
      .Get("failureIf", out.failure_if)
      .Finish();
  if (in_query) return out;
  out.request = RequestTemplate{};
  out.request->name = name;
  out.request->method = method;
  out.request->path = path;
  return out;
}

StatusTemplate ReadStatus(const Json& json) {
  StatusTemplate out;
  ObjectReader(json, "status")
      .Get("state", out.state)
      .Get("states", out.states)
      .Get("error", out.error)
      .Get("model", out.model)
      .Get("percent", out.percent)
      .Get("epoch", out.epoch)
      .Finish();
  return out;
}

Variant ReadVariant(const Json& json) {
  Variant out;
  ObjectReader(json, "a variant").Get("when", out.when).Get("set", out.set).Finish();
  return out;
}

Engine Read(const Json& json) {
  Engine out;
  std::map<std::string, Json> ranges;
  std::optional<StatusTemplate> status;
  ObjectReader(json, "the engine")
      .Get("id", out.id)
      .Get("title", out.title)
      .Get("sources", out.sources)
      .Get("baseUrl", out.base_url)
      .Get("canStart", out.can_start)
      .Get("reason", out.reason)
      .Get("note", out.note)
      .Get("accepts", out.accepts)
      .Get("ranges", ranges)
      .Get("lengths", out.lengths)
      .Get("optimizations", out.optimizations)
      .Get("notes", out.notes)
      .List("custom", out.custom, ReadCustom)
      .List("requires", out.requirements, ReadRequirement)
      .Get("uses", out.uses)
      .Get("models", out.models)
      .List("body", out.body, ReadRow)
      .List("variants", out.variants, ReadVariant)
      .List("upload", out.upload, ReadRequest)
      .Get("fileReference", out.file_reference)
      .One("discard", out.discard, ReadRequest)
      .One("create", out.create, ReadRequest)
      .One("find", out.find, ReadRequest)
      .One("query", out.query, ReadRequest)
      .One("cancel", out.cancel, ReadRequest)
      .One("status", status, ReadStatus)
      .List("events", out.events, ReadEvents)
      .Finish();
  for (const auto& [path, range] : ranges) out.ranges[path] = ReadRange(range);
  if (status) out.status = std::move(*status);
  if (!out.can_start && out.reason.empty()) throw std::invalid_argument("canStart needs a reason");
  return out;
}

}  // namespace

Result<Engine> ReadEngine(std::string_view text) {
  try {
    return Read(Json::parse(text));
  } catch (const std::exception& error) {
    return Failure(ErrorCode::kInvalidArgument,
                   std::string("the description of an engine is wrong: ") + error.what());
  }
}

}  // namespace lathe::providers
