#include "worker/spool/event_line.h"

#include <nlohmann/json.hpp>

#include "worker/spool/line_reader.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::worker::spool {
namespace {

namespace protocol = trainer_protocol;
using nlohmann::json;

std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::vector<Finding> Findings(const json& object) {
  std::vector<Finding> findings;
  const auto list = object.find("findings");
  if (list == object.end() || !list->is_array()) return findings;
  for (const json& entry : *list) {
    if (!entry.is_object()) continue;
    findings.push_back({.path = Text(entry, "path"),
                        .severity = Text(entry, "severity") == ToString(Severity::kWarning)
                                        ? Severity::kWarning
                                        : Severity::kError,
                        .code = Text(entry, "code"),
                        .message = Text(entry, "message"),
                        .given = Text(entry, "given"),
                        .expected = Text(entry, "expected")});
  }
  return findings;
}

}  // namespace

std::optional<EventLine> ParseEventLine(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string()) return std::nullopt;
  EventLine line{.type = type->get<std::string>()};
  const auto step = object.find("step");
  if (step != object.end() && step->is_number_unsigned()) line.step = step->get<std::uint64_t>();
  line.path = Text(object, "path");
  line.code = Text(object, "code");
  line.message = Text(object, "message");
  line.findings = Findings(object);
  return line;
}

bool ForwardRule::Forwards(const EventLine& line, std::uint64_t begin) const {
  if (line.type == protocol::kEventMetric) return line.step > reported_step;
  // The one behind the last stored metric may have got lost; the coordinator knows and drops it if
  // it has it.
  if (line.type == protocol::kEventEvaluation) return line.step >= reported_step;
  return begin >= history_end;
}

Result<std::optional<EventLine>> LastEvent(const std::filesystem::path& log, std::uint64_t begin) {
  LineReader reader(log, begin);
  std::optional<EventLine> last;
  while (true) {
    LATHE_ASSIGN_OR_RETURN(const std::vector<Line> lines, reader.Read());
    if (lines.empty()) return last;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (auto parsed = ParseEventLine(line->text)) {
        last = std::move(parsed);
        break;
      }
    }
  }
}

}  // namespace lathe::worker::spool
