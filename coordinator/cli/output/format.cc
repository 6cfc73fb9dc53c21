#include "coordinator/cli/output/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace lathe::cli {
namespace {

template <class... Values>
std::string Print(const char* format, Values... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

bool StartsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

}  // namespace

std::string FormatDuration(double seconds) {
  if (!(seconds > 0)) return "0 s";
  if (seconds < 9.95) return Print("%.1f s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return Print("%lld s", static_cast<long long>(whole));
  const auto units = [&](std::int64_t large, std::int64_t small, const char* format) {
    return Print(format, static_cast<long long>(whole / large),
                 static_cast<long long>(whole % large / small));
  };
  if (whole < 3600) return units(60, 1, "%lldm %02llds");
  if (whole < 86400) return units(3600, 60, "%lldh %02lldm");
  return units(86400, 3600, "%lldd %lldh");
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return Print("%.1f %s", value, unit);
}

std::string FormatLoss(double value) {
  return Print("%.4g", value);
}

std::string FormatCount(double value) {
  if (!std::isfinite(value)) return "-";
  const std::string plain = Print("%.0f", std::abs(value));
  std::string digits;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (i > 0 && (plain.size() - i) % 3 == 0) digits += ',';
    digits += plain[i];
  }
  if (std::signbit(value) && digits != "0") digits.insert(digits.begin(), '-');
  return digits;
}

std::string FormatPercent(double fraction) {
  const double percent = std::clamp(fraction, 0.0, 1.0) * 100;
  return Print("%.0f %%", std::floor(percent + 1e-9));
}

std::string Indented(std::string_view lines) {
  std::string text;
  for (std::size_t start = 0; start < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', start), lines.size());
    text += "  " + std::string(lines.substr(start, end - start)) + "\n";
    start = end + 1;
  }
  return text;
}

std::size_t DisplayWidth(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), StartsCharacter));
}

std::string FitWidth(std::string_view text, std::size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t seen = 0;
  std::size_t end = 0;
  while (end < text.size() && (seen < width - 1 || !StartsCharacter(text[end]))) {
    if (StartsCharacter(text[end])) ++seen;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace lathe::cli
