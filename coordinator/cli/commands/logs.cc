#include "coordinator/cli/commands/logs.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>

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

constexpr std::array kLogTypes = {"log", "warning", "state", "started", "checkpoint", "failed"};
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

/// A column of the table: a field of the event and how it is read.
struct MetricColumn {
  const char* header;
  const char* field;
  std::string (*text)(double);
  bool only_if_present = false;  ///< shown when some event has the field
};

std::string Whole(double value) {
  return std::to_string(static_cast<std::uint64_t>(value));
}

constexpr MetricColumn kEvaluationColumns[] = {{"STEP", "step", &Whole},
                                               {"EPOCH", "epoch", &FormatLoss},
                                               {"LOSS", "loss", &FormatLoss},
                                               {"PERPLEXITY", "perplexity", &FormatLoss, true},
                                               {"ACCURACY", "tokenAccuracy", &FormatPercent, true},
                                               {"TOOL CALLS", "toolAccuracy", &FormatPercent, true},
                                               {"QUALITY", "responseQuality", &FormatPercent, true},
                                               {"MARGIN", "rewardMargin", &FormatLoss, true},
                                               {"ACCURACY", "rewardAccuracy", &FormatLoss, true},
                                               {"TARGET TOKENS", "targetTokens", &FormatCount}};
constexpr MetricColumn kTrainingColumns[] = {{"STEP", "step", &Whole},
                                             {"EPOCH", "epoch", &FormatLoss},
                                             {"LOSS", "loss", &FormatLoss},
                                             {"ACCURACY", "tokenAccuracy", &FormatPercent, true},
                                             {"MARGIN", "rewardMargin", &FormatLoss, true},
                                             {"ACCURACY", "rewardAccuracy", &FormatLoss, true},
                                             {"LEARNING RATE", "learningRate", &FormatLoss},
                                             {"GRADIENT NORM", "gradientNorm", &FormatLoss},
                                             {"TARGET TOKENS", "targetTokens", &FormatCount},
                                             {"TOKENS/S", "tokensPerSecond", &FormatCount}};

Table TableOf(std::span<const MetricColumn> all, const Document& list) {
  std::vector<MetricColumn> columns;
  for (const MetricColumn& column : all) {
    const bool present = std::any_of(list.begin(), list.end(), [&](const Document& fields) {
      return fields.contains(column.field);
    });
    if (present || !column.only_if_present) columns.push_back(column);
  }
  std::vector<Column> headers;
  for (const MetricColumn& column : columns) headers.push_back({column.header, Align::kRight});
  Table table(std::move(headers));
  for (const Document& fields : list) {
    std::vector<std::string> cells;
    for (const MetricColumn& column : columns) {
      const auto value = fields.find(column.field);
      const bool known = value != fields.end() && value->is_number();
      cells.push_back(known ? column.text(value->get<double>()) : "");
    }
    table.AddRow(std::move(cells));
  }
  return table;
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
  LATHE_RETURN_IF_ERROR(client->StreamJobEvents(
      request, [&](const v1::JobEvent& event) { list.push_back(Fields(event)); }));
  const std::span<const MetricColumn> columns =
      options.evaluations ? std::span<const MetricColumn>(kEvaluationColumns) : kTrainingColumns;
  PrintResult(context, list, TableOf(columns, list).Render());
  return ExitCode::kOk;
}

}  // namespace lathe::cli
