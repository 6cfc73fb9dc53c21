#pragma once
// One page of stored resources, whatever their kind. Thread-safe as the store is.

#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "coordinator/storage/store.h"

namespace lathe::resources {

inline constexpr std::uint32_t kDefaultPage = 100;
inline constexpr std::uint32_t kLargestPage = 1000;
/// How many resources are looked at for one page when a filter lets few through; the page then is
/// short and says where to go on.
inline constexpr std::size_t kScanLimit = 2000;

struct PageQuery {
  storage::ResourceIndex index;
  std::uint32_t size = 0;  ///< 0: kDefaultPage
  std::string token;       ///< empty: the first page
  std::string filter;      ///< spells out what `accept` lets through: tokens are bound to it
};

struct Page {
  std::vector<storage::ListedResource> resources;
  std::string next_token;  ///< empty: that was all
};

/// The next resources that `accept` lets through. kInvalidArgument with findings for a wrong size
/// or token; errors of the store and of `accept`.
Result<Page> ReadPage(storage::Store& store, const PageQuery& query,
                      const std::function<Result<bool>(const storage::ListedResource&)>& accept);

}  // namespace lathe::resources
