#include "coordinator/cli/commands/list.h"

#include <algorithm>

#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

constexpr unsigned kMaxPage = 1000;

std::vector<v1::JobState> AllStates() {
  std::vector<v1::JobState> states;
  for (int i = v1::JobState_MIN + 1; i <= v1::JobState_MAX; ++i) {
    if (v1::JobState_IsValid(i)) states.push_back(static_cast<v1::JobState>(i));
  }
  return states;
}

Result<std::vector<v1::Job>> Fetch(CoordinatorClient& client, const ListOptions& options) {
  v1::ListJobsRequest request;
  for (const v1::JobState state : AllStates()) {
    const std::string token = StateToken(state);
    if (std::count(options.states.begin(), options.states.end(), token) > 0) {
      request.add_states(state);
    }
  }
  std::vector<v1::Job> jobs;
  do {
    const auto have = static_cast<unsigned>(jobs.size());
    request.set_page_size(options.limit == 0 ? kMaxPage : std::min(options.limit - have, kMaxPage));
    LATHE_ASSIGN_OR_RETURN(const v1::ListJobsResponse page, client.ListJobs(request));
    jobs.insert(jobs.end(), page.jobs().begin(), page.jobs().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || jobs.size() < options.limit));
  return jobs;
}

std::string TableOf(const Context& context, const std::vector<v1::Job>& jobs) {
  Table table({{"ID"},
               {"NAME"},
               {"STATE"},
               {"PROGRESS", Align::kRight},
               {"LOSS", Align::kRight},
               {"NODE"},
               {"CREATED"},
               {"REASON"}});
  for (const v1::Job& job : jobs) {
    table.AddRow({job.id(), FitWidth(job.name(), 24), StateToken(job.state()),
                  ProgressText(job.progress()),
                  job.progress().has_loss() ? FormatLoss(job.progress().loss()) : "",
                  PlaceText(job), AgeText(job.create_time(), NowSeconds()), job.reason()});
  }
  return table.Render(context.terminal.out ? context.terminal.width : 0);
}

}  // namespace

std::vector<std::string> StateTokens() {
  std::vector<std::string> tokens;
  for (const v1::JobState state : AllStates()) tokens.push_back(StateToken(state));
  return tokens;
}

Outcome RunList(Context& context, const ListOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, Fetch(*client, options));
  Document list = Document::array();
  for (const v1::Job& job : jobs) list.push_back(ToDocument(job));
  PrintResult(context, list, TableOf(context, jobs));
  if (jobs.empty()) Note(context, "No jobs. `lathe submit --help` shows how to start one.");
  return ExitCode::kOk;
}

}  // namespace lathe::cli
