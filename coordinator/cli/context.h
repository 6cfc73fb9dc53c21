#pragma once
// What a command works with: streams, the wanted output form, the connection's settings. Commands
// are functions (Context&, options) -> Result<ExitCode>; main alone knows the process's own
// streams. Standard output is for data; everything else goes to `err`.

#include <iosfwd>
#include <string>

#include "common/base/result.h"
#include "common/rpc/credentials.h"
#include "coordinator/cli/environment.h"
#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/interrupt.h"

namespace lathe::cli {

enum class OutputFormat { kTable, kJson, kYaml };

/// What the terminal can show; all off on a pipe.
struct Terminal {
  bool out = false;    ///< standard output is one
  bool err = false;    ///< standard error is one
  bool color = false;  ///< escape sequences for colour are welcome
  bool utf8 = true;
  int width = 80;  ///< columns
};

struct GlobalOptions {
  OutputFormat format = OutputFormat::kTable;
  std::string address;  ///< as given by --address; empty: see client/address.h
  rpc::TlsFiles tls;
};

struct Context {
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  Interrupt& interrupt;
  Environment environment;
  Terminal terminal;
  GlobalOptions options;
};

using Outcome = Result<ExitCode>;

}  // namespace lathe::cli
