#include "coordinator/cli/client/address.h"

#include "common/base/file_io.h"
#include "coordinator/cli/local/layout.h"

namespace lathe::cli {
namespace {

constexpr std::uintmax_t kMaxAddressBytes = 4096;

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace

Address ChooseAddress(const std::string& flag, const Environment& environment) {
  if (!flag.empty()) return {flag, "from --address"};
  if (environment.address) return {*environment.address, "from LATHE_ADDRESS"};
  const std::filesystem::path file = Layout(DefaultDataDir(environment)).address_file();
  if (const Result<std::string> text = ReadFile(file, kMaxAddressBytes)) {
    const std::string address = FirstLine(*text);
    if (!address.empty()) return {address, "from " + file.string()};
  }
  return {kDefaultAddress, "the default"};
}

}  // namespace lathe::cli
