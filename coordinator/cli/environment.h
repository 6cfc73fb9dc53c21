#pragma once
// What `lathe` takes from its environment, read once in main; tests make their own. A plain value.

#include <filesystem>
#include <optional>
#include <string>

namespace lathe::cli {

struct Environment {
  std::optional<std::string> address;     ///< LATHE_ADDRESS
  std::optional<std::string> data_dir;    ///< LATHE_DATA_DIR
  std::optional<std::string> state_home;  ///< XDG_STATE_HOME
  std::optional<std::string> home;        ///< HOME
  std::string user;                       ///< LATHE_USER, or the system's name of the user
  bool no_color = false;                  ///< NO_COLOR is set and not empty
  bool utf8 = true;                       ///< the locale's characters are UTF-8
  std::filesystem::path program;          ///< this program's own file
  static Environment FromProcess();
};

/// The folder `lathe up` keeps everything in unless told otherwise: LATHE_DATA_DIR, or `lathe` in
/// XDG_STATE_HOME or ~/.local/state.
std::filesystem::path DefaultDataDir(const Environment& environment);

}  // namespace lathe::cli
