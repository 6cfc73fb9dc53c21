#pragma once
// Reads keys of one JSON object and remembers the first thing that is wrong, so that a description
// is read in one go and judged at the end. Private to the readers of descriptions.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace lathe::trainer::model {

class ConfigReader {
 public:
  /// object must outlive the reader; source is what messages begin with.
  ConfigReader(const nlohmann::json& object, std::string source)
      : object_(object), source_(std::move(source)) {}

  /// nullptr when the key is missing or null.
  const nlohmann::json* Find(const char* key) const;
  /// There, even as null: null turns something off that is on by default.
  bool Has(const char* key) const { return object_.contains(key); }

  std::int64_t Integer(const char* key, std::optional<std::int64_t> fallback = {});
  double Number(const char* key, std::optional<double> fallback = {});
  bool Flag(const char* key, bool fallback);
  std::string Text(const char* key, const std::string& fallback);
  std::vector<float> Numbers(const char* key);

  /// The fallback is for a missing key; null is 0, which means none.
  double NumberOrNone(const char* key, double fallback) {
    return Has(key) && Find(key) == nullptr ? 0 : Number(key, fallback);
  }
  std::int64_t IntegerOrNone(const char* key, std::int64_t fallback) {
    return Has(key) && Find(key) == nullptr ? 0 : Integer(key, fallback);
  }

  void Refuse(const std::string& message);
  /// Refuses a key that is neither missing, null, false nor 0.
  void RefuseUnlessOff(const char* key);

  const std::string& source() const { return source_; }
  Status status() const { return status_; }

 private:
  template <class T>
  T Fail(const std::string& key, const std::string& expected, const nlohmann::json* given);

  const nlohmann::json& object_;
  std::string source_;
  Status status_;
};

}  // namespace lathe::trainer::model
