#pragma once
// A model's chat template: the part of Jinja that such templates are written in, rendered as
// transformers renders it (trim_blocks, lstrip_blocks, loop controls, tojson without escapes,
// {% generation %} blocks). A template is data from a model file: it cannot reach anything but its
// arguments, and a hostile one ends with an error (bounded nesting, steps and text).
//
// Immutable after parsing; Render may be called from several threads.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "worker/trainer/chat_template/ast.h"
#include "worker/trainer/chat_template/value.h"

namespace lathe::trainer::chat_template {

/// Bytes [begin, end) of the rendered text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

struct Rendered {
  std::string text;
  std::vector<Span> generated;  ///< what the {% generation %} blocks produced, in order
};

class ChatTemplate {
 public:
  /// kInvalidArgument names the line and what is wrong or not supported.
  static Result<ChatTemplate> Parse(std::string_view source);

  /// `context` holds the template's variables; `now` is what strftime_now shows (UTC).
  /// kInvalidArgument when the template raises or does what Python could not either,
  /// and when it goes beyond the limits of time or size.
  Result<Rendered> Render(const Dict& context, Instant now) const;

  /// Whether the template marks what the assistant generates.
  bool MarksGeneration() const { return marks_generation_; }

 private:
  explicit ChatTemplate(Block block);
  std::shared_ptr<const Block> block_;  ///< shared by copies; never changes
  bool marks_generation_ = false;
};

}  // namespace lathe::trainer::chat_template
