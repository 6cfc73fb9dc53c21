#include "coordinator/cli/commands/generate.h"

#include <cstdint>
#include <iterator>
#include <ostream>
#include <random>

#include "common/composition/composition_text.h"
#include "coordinator/cli/client/composition_request.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

Result<std::string> PromptOf(Context& context, const GenerateOptions& options) {
  if (options.prompt) return *options.prompt;
  std::string text{std::istreambuf_iterator<char>(context.in), std::istreambuf_iterator<char>()};
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) {
    return Failure(Error{ErrorCode::kInvalidArgument,
                         "there is no prompt",
                         {},
                         "give it with --prompt, or on standard input"});
  }
  return text;
}

/// Another answer each time, where the temperature lets answers differ.
std::int64_t FreshSeed() {
  std::random_device device;
  return static_cast<std::int64_t>((std::uint64_t{device() >> 1} << 32) | device());
}

void AddMessage(v1::GenerateRequest& request, const char* role, const std::string& content) {
  v1::ChatMessage* message = request.add_messages();
  message->set_role(role);
  message->set_content(content);
}

/// Sets `composition` when one is asked for, its jobs by their full ids.
Result<v1::GenerateRequest> RequestOf(Context& context, CoordinatorClient& client,
                                      const GenerateOptions& options,
                                      std::optional<composition::Composition>& composition) {
  v1::GenerateRequest request = options.how;
  if (!options.composition.empty()) {
    LATHE_ASSIGN_OR_RETURN(composition, ParseJobComposition(options.composition));
  }
  LATHE_ASSIGN_OR_RETURN(const std::string prompt, PromptOf(context, options));
  request.set_model(options.model);
  if (composition) {
    LATHE_RETURN_IF_ERROR(ResolveJobs(client, *composition));
    *request.mutable_composition() = ToProto(*composition);
  }
  if (!options.job.empty()) {
    LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(client, options.job));
    request.set_job_id(id);
  }
  if (!options.system.empty()) AddMessage(request, "system", options.system);
  AddMessage(request, "user", prompt);
  if (!request.has_seed()) request.set_seed(FreshSeed());
  return request;
}

std::string Summary(const v1::GenerateResponse& last) {
  const double seconds = last.milliseconds() / 1000;
  std::string text = std::to_string(last.tokens()) + " tokens in " + FormatDuration(seconds);
  if (seconds > 0) text += ", " + FormatCount(last.tokens() / seconds) + " tokens/s";
  if (last.finish_reason() == "length") text += "; cut off at --max-tokens";
  return text;
}

}  // namespace

Outcome RunGenerate(Context& context, const GenerateOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  std::optional<composition::Composition> composition;
  LATHE_ASSIGN_OR_RETURN(const v1::GenerateRequest request,
                         RequestOf(context, *client, options, composition));
  const Interrupt::Scope scope(context.interrupt, [&client] { client->CancelCalls(); });
  const bool streams = context.options.format == OutputFormat::kTable;
  std::string text;
  v1::GenerateResponse last;
  const Status status = client->Generate(request, [&](const v1::GenerateResponse& piece) {
    if (streams) context.out << piece.text() << std::flush;
    text += piece.text();
    if (piece.done()) last = piece;
  });
  if (streams && !text.empty() && text.back() != '\n') context.out << std::endl;
  if (context.interrupt.Happened()) return ExitCode::kInterrupted;
  LATHE_RETURN_IF_ERROR(status);
  if (!streams) {
    Document answer = {{"text", text},
                       {"tokens", last.tokens()},
                       {"milliseconds", last.milliseconds()},
                       {"finishReason", last.finish_reason()},
                       {"seed", request.seed()}};
    if (composition) answer["composition"] = composition::WriteComposition(*composition);
    PrintResult(context, answer, "");
  }
  if (context.terminal.err) Note(context, Summary(last));
  return ExitCode::kOk;
}

}  // namespace lathe::cli
