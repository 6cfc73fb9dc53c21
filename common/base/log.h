#pragma once
// Structured log: one line per event on standard error, a stable event name and key=value fields.
//
//   log::Info("attempt_started", {{"job", id}, {"attempt", 2}});
//   -> 2026-11-21T10:22:00.123Z info attempt_started job=j-1 attempt=2
//
// Never used for control flow; tests do not read it. Thread-safe: a line is one write.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace lathe::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// One key=value pair; values with spaces or quotes are quoted as JSON strings.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  Field(std::string_view k, double v) : key(k), value(std::to_string(v)) {}
  template <class Integer>
  requires std::is_integral_v<Integer> Field(std::string_view k, Integer v)
      : key(k), value(std::to_string(v)) {}

  std::string key;
  std::string value;
};

/// Lines below this level are dropped. Default kInfo.
void SetLevel(Level level);
/// "debug", "info", "warning", "error"; false when the name is another.
bool SetLevel(std::string_view name);

void Write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void Debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, event, fields);
}
inline void Info(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, event, fields);
}
inline void Warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarning, event, fields);
}
inline void Failure(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, event, fields);
}

}  // namespace lathe::log
