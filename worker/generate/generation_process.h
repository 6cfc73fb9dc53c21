#pragma once
// One run of `lathe-trainer generate`: the chat goes in, lines of JSON come out. Dies with its
// owner: nobody would read the rest.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "common/base/child_process.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"
#include "lathe/v1/inference_service.pb.h"
#include "lathe/v1/worker_service.pb.h"
#include "worker/generate/adapter_files.h"

namespace lathe::worker::generate {

struct GenerationSpec {
  std::string program;
  std::string model_path;
  AdapterFiles adapters;
  std::string device;  ///< "cpu" or "cuda:0"
  unsigned cpu_threads = 1;
};

/// The arguments of the program for one assignment.
std::vector<std::string> ArgumentsOf(const GenerationSpec& spec,
                                     const v1::GenerateAssignment& assignment);

/// One line of its output as a chunk (without id); nullopt for a line that is none.
std::optional<v1::GenerateChunk> ParseChunk(std::string_view line);

/// Runs it to its end, handing out chunks as they come; the last one is done or carries an error.
/// `cancelled` is asked ten times a second: once it is true the process is killed and nothing more
/// is handed out. Blocking.
Status RunGeneration(const GenerationSpec& spec, const v1::GenerateAssignment& assignment,
                     const std::function<bool()>& cancelled,
                     const std::function<void(v1::GenerateChunk)>& emit);

}  // namespace lathe::worker::generate
