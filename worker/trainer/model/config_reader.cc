#include "worker/trainer/model/config_reader.h"

namespace lathe::trainer::model {

using Json = nlohmann::json;

const Json* ConfigReader::Find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

template <class T>
T ConfigReader::Fail(const std::string& key, const std::string& expected, const Json* given) {
  Refuse(given == nullptr ? "key \"" + key + "\" is missing"
                          : "key \"" + key + "\" is " + given->dump() + ", expected " + expected);
  return T{};
}

std::int64_t ConfigReader::Integer(const char* key, std::optional<std::int64_t> fallback) {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_number_integer()) return value->get<std::int64_t>();
  return Fail<std::int64_t>(key, "an integer", value);
}

double ConfigReader::Number(const char* key, std::optional<double> fallback) {
  const Json* value = Find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value != nullptr && value->is_number()) return value->get<double>();
  return Fail<double>(key, "a number", value);
}

bool ConfigReader::Flag(const char* key, bool fallback) {
  const Json* value = Find(key);
  if (value == nullptr) return fallback;
  return value->is_boolean() ? value->get<bool>() : Fail<bool>(key, "true or false", value);
}

std::string ConfigReader::Text(const char* key, const std::string& fallback) {
  const Json* value = Find(key);
  if (value == nullptr) return fallback;
  return value->is_string() ? value->get<std::string>() : Fail<std::string>(key, "text", value);
}

std::vector<float> ConfigReader::Numbers(const char* key) {
  const Json* value = Find(key);
  const auto is_number = [](const Json& element) { return element.is_number(); };
  if (value == nullptr || !value->is_array() ||
      !std::all_of(value->begin(), value->end(), is_number)) {
    return Fail<std::vector<float>>(key, "a list of numbers", value);
  }
  return value->get<std::vector<float>>();
}

void ConfigReader::Refuse(const std::string& message) {
  if (status_) status_ = Failure(ErrorCode::kInvalidArgument, source_ + ": " + message);
}

void ConfigReader::RefuseUnlessOff(const char* key) {
  const Json* value = Find(key);
  if (value == nullptr || *value == false || (value->is_number() && value->get<double>() == 0)) {
    return;
  }
  Refuse("key \"" + std::string(key) + "\" is " + value->dump() + ", which is not supported");
}

}  // namespace lathe::trainer::model
