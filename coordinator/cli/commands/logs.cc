#include "coordinator/cli/commands/logs.h"

#include <array>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/clock.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/follow.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/output/document.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

constexpr std::array kLogTypes = {"log", "warning", "state", "failed"};
constexpr std::size_t kTypeWidth = 13;

Document Fields(const v1::JobEvent& event) {
  Document fields = Document::parse(event.json(), nullptr, false);
  return fields.is_object() ? fields : Document::object();
}

std::string TextOf(const Document& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Document::error_handler_t::replace);
}

/// The sentence of an event, where it has one, else its fields as key=value.
std::string Sentence(const Document& fields) {
  for (const char* key : {"line", "message"}) {
    if (fields.contains(key)) return TextOf(fields[key]);
  }
  if (fields.contains("state")) {
    const std::string reason = fields.contains("reason") ? TextOf(fields["reason"]) : "";
    return TextOf(fields["state"]) + (reason.empty() ? "" : ": " + reason);
  }
  std::string text;
  for (const auto& [key, value] : fields.items()) {
    if (key == "seq" || key == "time" || key == "type") continue;
    text += (text.empty() ? "" : " ") + key + "=" + TextOf(value);
  }
  return text;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  std::string text = ToRfc3339(FromMicros(time.seconds() * 1000000 + time.nanos() / 1000));
  text[10] = ' ';
  return text.substr(0, 19);
}

Document EventDocument(const v1::JobEvent& event) {
  Document document = ToDocument(event);
  document.erase("json");
  document["fields"] = Fields(event);
  return document;
}

void PrintEvent(Context& context, const v1::JobEvent& event) {
  switch (context.options.format) {
    case OutputFormat::kTable:
      context.out << LogLine(event) << "\n";
      break;
    case OutputFormat::kJson:
      context.out << EventDocument(event).dump() << "\n";
      break;
    case OutputFormat::kYaml:
      context.out << "---\n" << ToYaml(EventDocument(event));
      break;
  }
  context.out << std::flush;
}

Outcome FollowLogs(Context& context, CoordinatorClient& client,
                   v1::StreamJobEventsRequest& request) {
  const Interrupt::Scope scope(context.interrupt, [&client] { client.CancelCalls(); });
  bool ended = false;
  const Status status = Follow({
      .call =
          [&](const std::function<void()>& heard) {
            Status streamed = client.StreamJobEvents(request, [&](const v1::JobEvent& event) {
              heard();
              request.set_after_id(event.id());
              PrintEvent(context, event);
            });
            ended = streamed.has_value();
            return streamed;
          },
      .finished = [&] { return ended; },
      .stopped = [&] { return context.interrupt.Happened(); },
      .on_connection =
          [&](const std::string& loss) {
            if (!loss.empty()) Note(context, loss + "; reconnecting ...");
          },
  });
  if (context.interrupt.Happened()) return ExitCode::kInterrupted;
  LATHE_RETURN_IF_ERROR(status);
  return ExitCode::kOk;
}

Document Number(const Document& fields, const char* key) {
  return fields.contains(key) ? fields[key] : Document();
}

std::vector<std::string> MetricRow(const Document& fields) {
  std::vector<std::string> cells;
  for (const char* key : {"step", "epoch", "loss", "learningRate", "gradientNorm"}) {
    const Document value = Number(fields, key);
    cells.push_back(value.is_number_integer() ? value.dump()
                    : value.is_number()       ? FormatLoss(value.get<double>())
                                              : "");
  }
  for (const char* key : {"targetTokens", "tokensPerSecond"}) {
    const Document value = Number(fields, key);
    cells.push_back(value.is_number() ? FormatCount(value.get<double>()) : "");
  }
  return cells;
}

}  // namespace

std::string LogLine(const v1::JobEvent& event) {
  std::string type = event.type();
  type.resize(std::max(type.size(), kTypeWidth), ' ');
  return TimeText(event.time()) + "  " + type + Sentence(Fields(event));
}

Outcome RunLogs(Context& context, const LogsOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  v1::StreamJobEventsRequest request;
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  request.set_id(id);
  request.set_follow(options.follow);
  if (!options.all) {
    for (const char* type : kLogTypes) request.add_types(type);
  }
  if (options.follow) return FollowLogs(context, *client, request);
  LATHE_RETURN_IF_ERROR(client->StreamJobEvents(
      request, [&](const v1::JobEvent& event) { PrintEvent(context, event); }));
  return ExitCode::kOk;
}

Outcome RunMetrics(Context& context, const MetricsOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  v1::StreamJobEventsRequest request;
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  request.set_id(id);
  request.add_types(options.evaluations ? "evaluation" : "metric");
  Document list = Document::array();
  Table table({{"STEP", Align::kRight},
               {"EPOCH", Align::kRight},
               {"LOSS", Align::kRight},
               {"LEARNING RATE", Align::kRight},
               {"GRADIENT NORM", Align::kRight},
               {"TARGET TOKENS", Align::kRight},
               {"TOKENS/S", Align::kRight}});
  LATHE_RETURN_IF_ERROR(client->StreamJobEvents(request, [&](const v1::JobEvent& event) {
    Document fields = Fields(event);
    table.AddRow(MetricRow(fields));
    list.push_back(std::move(fields));
  }));
  PrintResult(context, list, table.Render());
  return ExitCode::kOk;
}

}  // namespace lathe::cli
