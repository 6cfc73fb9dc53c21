#pragma once
// YAML from values, one document in block style that reads back as the same values. Calls nest as
// the document does; in a map they come as key, value, key, value. A Writer belongs to one thread.
// Calls that do not nest are bugs.

#include <memory>
#include <string>
#include <string_view>

namespace lathe::yaml {

class Writer {
 public:
  Writer();
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void BeginMap();
  void EndMap();
  void BeginList();
  void EndList();

  /// A string, quoted where a reader could take it for anything else. Of a text that is not UTF-8,
  /// only what is ASCII is kept; U+FFFD takes the place of the other bytes.
  void String(std::string_view text);

  /// A number, `true`, `false` or `null` as it stands.
  void Bare(std::string_view text);

  /// Ends the document and gives it, with a newline at its end. Nothing can be written after it.
  std::string Take();

 private:
  class Emitter;
  std::unique_ptr<Emitter> emitter_;
};

}  // namespace lathe::yaml
