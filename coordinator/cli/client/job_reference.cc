#include "coordinator/cli/client/job_reference.h"

#include <string_view>
#include <vector>

namespace lathe::cli {
namespace {

constexpr std::string_view kPrefix = "job-";
constexpr std::size_t kIdLength = kPrefix.size() + 12;
constexpr std::size_t kShownMatches = 5;

Result<std::vector<std::string>> IdsBeginningWith(CoordinatorClient& client,
                                                  const std::string& beginning) {
  std::vector<std::string> found;
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  do {
    LATHE_ASSIGN_OR_RETURN(const v1::ListJobsResponse page, client.ListJobs(request));
    for (const v1::Job& job : page.jobs()) {
      if (job.id().starts_with(beginning)) found.push_back(job.id());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return found;
}

Error Ambiguous(const std::string& reference, const std::vector<std::string>& ids) {
  std::string message = "'" + reference + "' is the beginning of several jobs:";
  for (std::size_t i = 0; i < ids.size() && i < kShownMatches; ++i) message += " " + ids[i];
  if (ids.size() > kShownMatches) message += " …";
  return {ErrorCode::kFailedPrecondition, message, {}, "give more of the id"};
}

}  // namespace

Result<std::string> ResolveJobId(CoordinatorClient& client, const std::string& reference) {
  const std::string beginning =
      reference.starts_with(kPrefix) ? reference : std::string(kPrefix) + reference;
  if (beginning.size() >= kIdLength) return beginning;
  LATHE_ASSIGN_OR_RETURN(const std::vector<std::string> ids, IdsBeginningWith(client, beginning));
  if (ids.empty()) {
    return Failure(Error{ErrorCode::kNotFound,
                         "no job begins with '" + reference + "'",
                         {},
                         "`lathe list` shows the jobs"});
  }
  if (ids.size() > 1) return Failure(Ambiguous(reference, ids));
  return ids.front();
}

}  // namespace lathe::cli
