#include "common/daemon_config/yaml_file.h"

#include <optional>
#include <set>

#include "common/base/file_io.h"
#include "common/yaml/reader.h"

namespace lathe::daemon_config {
namespace {

using yaml::Event;
using yaml::EventKind;

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxDepth = 8;  ///< sections in sections

/// Follows the events of a file and keeps its scalars by their dotted keys.
class Flattener {
 public:
  explicit Flattener(const std::filesystem::path& path) : path_(path) {}

  Status Take(const Event& event) {
    switch (event.kind) {
      case EventKind::kDocumentStart:
        return ++documents_ == 1 ? Status{} : Bad(event, "a second YAML document.");
      case EventKind::kMapStart:
        return Open(event);
      case EventKind::kMapEnd:
        sections_.pop_back();
        key_.reset();
        return {};
      case EventKind::kScalar:
        return TakeScalar(event);
      case EventKind::kAlias:
        return Bad(event, "aliases are not read here.");
      case EventKind::kListStart:
        return sections_.empty() ? Bad(event, "expected \"key: value\" lines.")
                                 : Bad(event, key_.value_or("a key") + " must be one value.");
      default:
        return {};
    }
  }

  std::vector<FileValue> values;

 private:
  Status Bad(const Event& event, const std::string& what) const {
    return Failure(ErrorCode::kInvalidArgument,
                   path_.string() + ":" + std::to_string(event.mark.line) + ": " + what);
  }

  Status Open(const Event& event) {
    if (!sections_.empty() && !key_) return Bad(event, "a key must be plain text.");
    if (sections_.size() == kMaxDepth) return Bad(event, "nested too deeply.");
    sections_.push_back(sections_.empty() ? "" : *key_ + ".");
    key_.reset();
    return {};
  }

  Status TakeScalar(const Event& event) {
    const bool null = event.plain && (event.text.empty() || event.text == "~" ||
                                      event.text == "null" || event.text == "Null");
    if (sections_.empty()) {
      return null ? Status{} : Bad(event, "expected \"key: value\" lines.");
    }
    if (!key_) {
      key_ = sections_.back() + std::string(event.text);
      line_ = event.mark.line;
      return seen_.insert(*key_).second ? Status{} : Bad(event, *key_ + " is given twice.");
    }
    values.push_back({*key_, null ? "" : std::string(event.text), static_cast<int>(line_)});
    key_.reset();
    return {};
  }

  const std::filesystem::path& path_;
  int documents_ = 0;
  std::vector<std::string> sections_;  ///< prefixes of the keys in the maps that are open
  std::optional<std::string> key_;     ///< while its value is read
  std::size_t line_ = 0;               ///< of the key
  std::set<std::string> seen_;
};

}  // namespace

Result<std::vector<FileValue>> ReadYamlFile(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  yaml::Reader reader(text);
  Flattener flattener(path);
  while (true) {
    const auto event = reader.Next();
    if (!event) {
      return Failure(ErrorCode::kInvalidArgument,
                     path.string() + ":" + std::to_string(event.error().mark.line) + ": " +
                         std::string(event.error().reason) + ".");
    }
    if (event->kind == EventKind::kTextEnd) return std::move(flattener.values);
    LATHE_RETURN_IF_ERROR(flattener.Take(*event));
  }
}

}  // namespace lathe::daemon_config
