#include "coordinator/resources/page.h"

#include <algorithm>
#include <utility>

#include "coordinator/resources/page_token.h"

namespace lathe::resources {
namespace {

// With a filter most of what is read may be dropped: more at a time saves round trips.
constexpr std::size_t kFilteredBatch = 500;

std::string Question(const PageQuery& query) {
  std::string question;
  for (const std::string* part :
       {&query.index.kind, &query.index.scope, &query.index.order, &query.filter}) {
    question += *part;
    question += '\0';
  }
  return question;
}

tl::unexpected<Error> Wrong(const char* path, std::string message, std::string given,
                            std::string expected) {
  return Failure(Error{ErrorCode::kInvalidArgument,
                       message,
                       {{path, Severity::kError, "invalid_value", std::move(message),
                         std::move(given), std::move(expected)}}});
}

}  // namespace

Result<Page> ReadPage(storage::Store& store, const PageQuery& query,
                      const std::function<Result<bool>(const storage::ListedResource&)>& accept) {
  if (query.size > kLargestPage) {
    return Wrong("page_size", "page_size must be at most 1000.", std::to_string(query.size),
                 "0 to 1000");
  }
  const std::string question = Question(query);
  std::string position;
  if (!query.token.empty()) {
    auto read = ReadPageToken(query.token, question);
    if (!read) {
      return Wrong("page_token", "page_token is not one that an earlier answer to this list gave.",
                   "", "next_page_token of an answer with the same scope, order and filter");
    }
    position = std::move(*read);
  }
  const std::size_t size = query.size == 0 ? kDefaultPage : query.size;
  const std::size_t batch_size =
      query.filter.empty() ? size + 1 : std::max<std::size_t>(size + 1, kFilteredBatch);
  Page page;
  std::size_t seen = 0;
  while (true) {
    LATHE_ASSIGN_OR_RETURN(auto batch, store.ListResources(query.index, position, batch_size));
    for (storage::ListedResource& resource : batch) {
      if (page.resources.size() == size || seen == kScanLimit) {
        page.next_token = MakePageToken(position, question);
        return page;
      }
      ++seen;
      position = resource.position;
      LATHE_ASSIGN_OR_RETURN(const bool wanted, accept(resource));
      if (wanted) page.resources.push_back(std::move(resource));
    }
    if (batch.size() < batch_size) return page;
  }
}

}  // namespace lathe::resources
