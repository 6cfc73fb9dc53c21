#pragma once
// A YAML text as a stream of events: the one way in which YAML is read here. Made for small,
// untrusted texts: nothing is expanded or built, the caller counts and bounds what it keeps. A
// Reader belongs to one thread; the text must outlive it. No exceptions, no I/O.

#include <cstdint>
#include <memory>
#include <string_view>
#include <tl/expected.hpp>

namespace lathe::yaml {

struct Mark {
  std::size_t line = 1;
  std::size_t column = 1;  ///< in characters
};

enum class EventKind : std::uint8_t {
  kDocumentStart,
  kAlias,
  kScalar,
  kListStart,
  kListEnd,
  kMapStart,  ///< then key, value, key, value ...
  kMapEnd,
  kTextEnd,  ///< and nothing else any more
};

/// Its texts live until the next one is asked for.
struct Event {
  EventKind kind = EventKind::kTextEnd;
  Mark mark;
  std::string_view text;    ///< of a scalar
  std::string_view anchor;  ///< the name that it is given, or that an alias refers to; may be empty
  std::string_view tag;     ///< as written out ("tag:yaml.org,2002:str"); empty: none
  bool plain = false;       ///< a scalar without quotes, whose type is for the reader to say
};

/// Says where and what, and repeats nothing of the text, which may be a secret.
struct SyntaxError {
  Mark mark;
  std::string_view reason;  ///< "did not find expected key"
};

class Reader {
 public:
  explicit Reader(std::string_view text);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// The next event. After a SyntaxError there is nothing more to read.
  tl::expected<Event, SyntaxError> Next();

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace lathe::yaml
