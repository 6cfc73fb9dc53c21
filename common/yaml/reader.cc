#include "common/yaml/reader.h"

#include <yaml.h>

#include <algorithm>
#include <string>

#include "common/base/check.h"

namespace lathe::yaml {
namespace {

std::string_view View(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

Mark MarkOf(const yaml_mark_t& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// Of a byte, for errors below the level where libyaml counts lines.
Mark MarkAt(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  return {1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')),
          1 + before.size() - start};
}

}  // namespace

/// libyaml's parser and the event that was last read from it.
class Reader::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    LATHE_CHECK(yaml_parser_initialize(&parser_) != 0, "out of memory");
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Parser() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// The next of libyaml's events that say something; null on an error.
  const yaml_event_t* Next() {
    if (done_) {
      return &event_;
    }
    do {
      yaml_event_delete(&event_);
      if (yaml_parser_parse(&parser_, &event_) == 0) {
        return nullptr;
      }
    } while (event_.type == YAML_STREAM_START_EVENT || event_.type == YAML_DOCUMENT_END_EVENT);
    done_ = event_.type == YAML_STREAM_END_EVENT;
    return &event_;
  }

  SyntaxError Error() const {
    const std::string_view reason =
        parser_.problem == nullptr ? "cannot be read" : std::string_view(parser_.problem);
    if (parser_.error == YAML_READER_ERROR) {
      return {MarkAt(text_, parser_.problem_offset), reason};
    }
    // The end of the text counts as a line of its own.
    const bool at_end = parser_.problem_mark.index >= text_.size();
    return {at_end ? MarkAt(text_, text_.size()) : MarkOf(parser_.problem_mark), reason};
  }

 private:
  std::string_view text_;
  yaml_parser_t parser_{};
  yaml_event_t event_{};
  bool done_ = false;
};

namespace {

Event Translate(const yaml_event_t& event) {
  Event out{.mark = MarkOf(event.start_mark)};
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      out.kind = EventKind::kDocumentStart;
      break;
    case YAML_ALIAS_EVENT:
      out.kind = EventKind::kAlias;
      out.anchor = View(event.data.alias.anchor);
      break;
    case YAML_SCALAR_EVENT:
      out.kind = EventKind::kScalar;
      out.text = {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
      out.anchor = View(event.data.scalar.anchor);
      out.tag = View(event.data.scalar.tag);
      out.plain = event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
      break;
    case YAML_SEQUENCE_START_EVENT:
      out.kind = EventKind::kListStart;
      out.anchor = View(event.data.sequence_start.anchor);
      out.tag = View(event.data.sequence_start.tag);
      break;
    case YAML_SEQUENCE_END_EVENT:
      out.kind = EventKind::kListEnd;
      break;
    case YAML_MAPPING_START_EVENT:
      out.kind = EventKind::kMapStart;
      out.anchor = View(event.data.mapping_start.anchor);
      out.tag = View(event.data.mapping_start.tag);
      break;
    case YAML_MAPPING_END_EVENT:
      out.kind = EventKind::kMapEnd;
      break;
    default:
      break;
  }
  return out;
}

}  // namespace

Reader::Reader(std::string_view text) : parser_(std::make_unique<Parser>(text)) {}
Reader::~Reader() = default;

tl::expected<Event, SyntaxError> Reader::Next() {
  const yaml_event_t* event = parser_->Next();
  if (event == nullptr) {
    return tl::unexpected(parser_->Error());
  }
  return Translate(*event);
}

}  // namespace lathe::yaml
