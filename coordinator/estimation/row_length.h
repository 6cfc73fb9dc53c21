#pragma once
// How long one line of a training file is as a sequence, as far as its text tells. Pure.

#include <optional>
#include <string_view>

namespace lathe::estimation {

/// Of one sequence: a preference pair is two, and this is the mean of them.
struct RowLength {
  double text_bytes = 0;         ///< what is said, without the JSON around it
  double answer_bytes = 0;       ///< the part of it that the model is to learn to say
  double messages = 0;           ///< of a conversation; each has a few tokens of the chat template
  std::optional<double> tokens;  ///< of a row that is tokens already
};

/// A line that is no JSON object, or has no text in it, counts as it stands.
RowLength MeasureRow(std::string_view line);

}  // namespace lathe::estimation
