#pragma once
// Numbers as people read them. Pure.

#include <cstdint>
#include <string>
#include <string_view>

namespace lathe::cli {

/// Seconds, two units at most: "0.4 s", "42 s", "3m 05s", "2h 14m", "3d 4h". Negative counts as 0.
std::string FormatDuration(double seconds);

/// "512 B", "1.5 KiB", "90.2 MiB".
std::string FormatBytes(std::uint64_t bytes);

/// Four significant digits, as losses are read: "2.413", "0.0123", "1.2e-05".
std::string FormatLoss(double value);

/// "812", "1,234", "15,210": whole numbers with thousands separated.
std::string FormatCount(double value);

/// "62 %" of a fraction from 0 to 1, never "100 %" before it is reached.
std::string FormatPercent(double fraction);

/// Every line two columns further right.
std::string Indented(std::string_view lines);

/// Columns a UTF-8 text takes in a terminal, counting each character as one.
std::size_t DisplayWidth(std::string_view text);

/// The text, or as much of its beginning as fits, ending in an ellipsis.
std::string FitWidth(std::string_view text, std::size_t width);

}  // namespace lathe::cli
