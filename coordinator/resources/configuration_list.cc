#include "coordinator/resources/configuration_list.h"

#include <algorithm>
#include <string>
#include <utility>

#include "coordinator/resources/page.h"
#include "coordinator/resources/saved_configuration.h"

namespace lathe::resources {
namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool Contains(const std::string& text, const std::string& part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) != text.end();
}

bool Matches(const v1::SavedConfiguration& saved, const v1::SavedConfigurationFilter& filter) {
  const auto equal = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  return Contains(saved.name(), filter.name()) && equal(filter.template_(), saved.template_()) &&
         equal(filter.method(), saved.method()) && equal(filter.base_model(), saved.base_model()) &&
         (!filter.has_validated() || filter.validated() == saved.validated());
}

Result<std::string> ScopeOf(const domain::Caller& caller,
                            const v1::ListSavedConfigurationsRequest& request) {
  const std::string project =
      request.project().empty() ? domain::kDefaultProject : request.project();
  switch (request.scope()) {
    case v1::SAVED_CONFIGURATION_SCOPE_UNSPECIFIED:
    case v1::SAVED_CONFIGURATION_SCOPE_OWN:
      return OwnerScope(caller.user);
    case v1::SAVED_CONFIGURATION_SCOPE_PROJECT:
      if (caller.is_service || caller.IsMember(project)) return ProjectScope(project);
      return Failure(ErrorCode::kPermissionDenied, "you are no member of project " + project + ".");
    case v1::SAVED_CONFIGURATION_SCOPE_ALL:
      if (caller.is_service) return std::string(kScopeAll);
      return Failure(ErrorCode::kPermissionDenied,
                     "only a service sees what everybody has; list your own, or a project's.");
    default:
      return Failure(ErrorCode::kInvalidArgument, "scope is none that this program knows.");
  }
}

Result<std::string> OrderOf(const v1::ListSavedConfigurationsRequest& request) {
  switch (request.order()) {
    case v1::SAVED_CONFIGURATION_ORDER_UNSPECIFIED:
    case v1::SAVED_CONFIGURATION_ORDER_NAME:
      return std::string(kOrderName);
    case v1::SAVED_CONFIGURATION_ORDER_UPDATED:
      return std::string(kOrderUpdated);
    case v1::SAVED_CONFIGURATION_ORDER_USED:
      return std::string(storage::kOrderUsed);
    default:
      return Failure(ErrorCode::kInvalidArgument, "order is none that this program knows.");
  }
}

}  // namespace

Result<v1::ListSavedConfigurationsResponse> ListSavedConfigurations(
    storage::Store& store, const domain::Caller& caller,
    const v1::ListSavedConfigurationsRequest& request) {
  PageQuery query;
  query.index.kind = kSavedConfigurationKind;
  LATHE_ASSIGN_OR_RETURN(query.index.scope, ScopeOf(caller, request));
  LATHE_ASSIGN_OR_RETURN(query.index.order, OrderOf(request));
  query.size = request.page_size();
  query.token = request.page_token();
  query.filter = request.filter().SerializeAsString();
  v1::ListSavedConfigurationsResponse response;
  const auto accept = [&](const storage::ListedResource& listed) -> Result<bool> {
    LATHE_ASSIGN_OR_RETURN(auto saved, DecodeHead(listed.head, listed.revision, listed.use));
    if (!Matches(saved, request.filter())) return false;
    *response.add_saved_configurations() = std::move(saved);
    return true;
  };
  LATHE_ASSIGN_OR_RETURN(Page page, ReadPage(store, query, accept));
  response.set_next_page_token(std::move(page.next_token));
  return response;
}

}  // namespace lathe::resources
