#include "common/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>

#include "common/base/clock.h"

namespace lathe::log {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};

std::atomic<Level>& Threshold() {
  static std::atomic<Level> threshold{Level::kInfo};
  return threshold;
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](unsigned char c) {
           return c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f;
         });
}

void AppendQuoted(std::string& line, std::string_view value) {
  line += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
      line += escape.data();
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

void SetLevel(Level level) {
  Threshold() = level;
}

bool SetLevel(std::string_view name) {
  const auto found = std::find(kLevelNames.begin(), kLevelNames.end(), name);
  if (found == kLevelNames.end()) return false;
  SetLevel(static_cast<Level>(found - kLevelNames.begin()));
  return true;
}

void Write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < Threshold().load(std::memory_order_relaxed)) return;
  std::string line = ToRfc3339(SystemClock().Now());
  line += ' ';
  line += kLevelNames[static_cast<std::size_t>(level)];
  line += ' ';
  line += event;
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (NeedsQuotes(field.value)) {
      AppendQuoted(line, field.value);
    } else {
      line += field.value;
    }
  }
  line += '\n';
  // A log line that cannot be written is lost; there is nowhere left to say so.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lathe::log
