#include "common/yaml/writer.h"

#include <yaml.h>

#include <algorithm>
#include <cctype>

#include "common/base/check.h"

namespace lathe::yaml {
namespace {

const yaml_char_t* Bytes(std::string_view text) {
  return reinterpret_cast<const yaml_char_t*>(text.data());
}

/// Whether a reader would take the bare text for something that is no string.
bool LooksTyped(std::string_view text) {
  if (text.empty() || text == "~") {
    return true;
  }
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) {
      return true;
    }
  }
  const auto first = static_cast<unsigned char>(text[0]);
  return std::isdigit(first) != 0 || first == '-' || first == '+' || first == '.';
}

std::string AsciiOf(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    clean += static_cast<unsigned char>(c) < 0x80 ? std::string(1, c) : "\xEF\xBF\xBD";
  }
  return clean;
}

}  // namespace

class Writer::Emitter {
 public:
  Emitter() {
    LATHE_CHECK(yaml_emitter_initialize(&emitter_) != 0, "out of memory");
    yaml_emitter_set_output(&emitter_, &Emitter::Append, &text_);
    yaml_emitter_set_unicode(&emitter_, 1);
    yaml_emitter_set_width(&emitter_, -1);
    yaml_event_t event;
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    Emit(event);
    yaml_document_start_event_initialize(&event, nullptr, nullptr, nullptr, 1);
    Emit(event);
  }
  ~Emitter() { yaml_emitter_delete(&emitter_); }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  /// libyaml takes the event over.
  void Emit(yaml_event_t& event) {
    LATHE_CHECK(yaml_emitter_emit(&emitter_, &event) != 0, "YAML that does not nest");
  }

  void Scalar(std::string_view text, yaml_scalar_style_t style) {
    yaml_event_t event;
    const auto start = [&](std::string_view bytes) {
      return yaml_scalar_event_initialize(&event, nullptr, nullptr, Bytes(bytes),
                                          static_cast<int>(bytes.size()), 1, 1, style) != 0;
    };
    if (!start(text)) {
      LATHE_CHECK(start(AsciiOf(text)), "out of memory");
    }
    Emit(event);
  }

  std::string Take() {
    yaml_event_t event;
    yaml_document_end_event_initialize(&event, 1);
    Emit(event);
    yaml_stream_end_event_initialize(&event);
    Emit(event);
    return std::move(text_);
  }

 private:
  static int Append(void* text, unsigned char* bytes, std::size_t size) {
    static_cast<std::string*>(text)->append(reinterpret_cast<char*>(bytes), size);
    return 1;
  }

  yaml_emitter_t emitter_{};
  std::string text_;
};

Writer::Writer() : emitter_(std::make_unique<Emitter>()) {}
Writer::~Writer() = default;

void Writer::BeginMap() {
  yaml_event_t event;
  yaml_mapping_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_MAPPING_STYLE);
  emitter_->Emit(event);
}

void Writer::EndMap() {
  yaml_event_t event;
  yaml_mapping_end_event_initialize(&event);
  emitter_->Emit(event);
}

void Writer::BeginList() {
  yaml_event_t event;
  yaml_sequence_start_event_initialize(&event, nullptr, nullptr, 1, YAML_BLOCK_SEQUENCE_STYLE);
  emitter_->Emit(event);
}

void Writer::EndList() {
  yaml_event_t event;
  yaml_sequence_end_event_initialize(&event);
  emitter_->Emit(event);
}

void Writer::String(std::string_view text) {
  const bool quoted = text.find('\n') != std::string_view::npos || LooksTyped(text);
  emitter_->Scalar(text, quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
}

void Writer::Bare(std::string_view text) {
  emitter_->Scalar(text, YAML_PLAIN_SCALAR_STYLE);
}

std::string Writer::Take() {
  return emitter_->Take();
}

}  // namespace lathe::yaml
