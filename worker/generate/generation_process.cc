#include "worker/generate/generation_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "worker/process/trainer_process.h"

namespace lathe::worker::generate {
namespace {

using nlohmann::json;

std::string ChatText(const v1::GenerateAssignment& assignment) {
  json messages = json::array();
  for (const auto& message : assignment.messages()) {
    messages.push_back({{"role", message.role()}, {"content", message.content()}});
  }
  return json{{"messages", messages}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// All its digits: another one may choose other tokens.
std::string Number(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

void AddFindings(const json& error, v1::ErrorDetail& detail) {
  for (const json& told : error.value("findings", json::array())) {
    v1::Finding& finding = *detail.add_findings();
    finding.set_path(told.value("path", ""));
    finding.set_severity(v1::FINDING_SEVERITY_ERROR);
    finding.set_code(told.value("code", ""));
    finding.set_message(told.value("message", ""));
    finding.set_given(told.value("given", ""));
    finding.set_expected(told.value("expected", ""));
  }
}

// An unlinked file rather than a pipe: it takes a chat of any length without waiting for a reader.
Result<UniqueFd> InputFile(const std::string& text) {
  const std::string folder = std::filesystem::temp_directory_path().string();
  UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::lseek(fd.get(), 0, SEEK_SET) != 0) {
    return Failure(ErrorCode::kResourceExhausted,
                   "cannot hand over the chat: " + std::generic_category().message(errno));
  }
  return fd;
}

// Kills the whole group when the owner leaves early.
class Guard {
 public:
  explicit Guard(ChildProcess& child) : child_(child) {}
  ~Guard() {
    child_.Signal(SIGKILL);
    child_.Wait();
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  ChildProcess& child_;
};

enum class Ending : std::uint8_t { kDone, kEndOfOutput, kCancelled };

Ending Relay(int fd, const std::function<bool()>& cancelled,
             const std::function<void(v1::GenerateChunk)>& emit) {
  constexpr int kAskMilliseconds = 100;
  std::string pending;
  std::array<char, 4096> buffer{};
  while (true) {
    if (cancelled()) return Ending::kCancelled;
    pollfd readable{fd, POLLIN, 0};
    if (::poll(&readable, 1, kAskMilliseconds) <= 0) continue;
    const ssize_t count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Ending::kEndOfOutput;
    pending.append(buffer.data(), static_cast<std::size_t>(count));
    std::size_t begin = 0;
    for (std::size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      auto chunk = ParseChunk(std::string_view(pending).substr(begin, end - begin));
      if (!chunk) continue;
      const bool last = chunk->done();
      emit(std::move(*chunk));
      if (last) return Ending::kDone;
    }
    pending.erase(0, begin);
  }
}

}  // namespace

std::vector<std::string> ArgumentsOf(const GenerationSpec& spec,
                                     const v1::GenerateAssignment& assignment) {
  std::vector<std::string> arguments = {"generate", spec.model_path, "--json", "--device",
                                        spec.device};
  const auto add = [&arguments](bool is_set, const char* option, std::string value) {
    if (is_set) arguments.insert(arguments.end(), {option, std::move(value)});
  };
  add(assignment.has_max_tokens(), "--max-tokens", std::to_string(assignment.max_tokens()));
  add(assignment.has_temperature(), "--temperature", Number(assignment.temperature()));
  add(assignment.has_top_p(), "--top-p", Number(assignment.top_p()));
  add(assignment.has_seed(), "--seed", std::to_string(assignment.seed()));
  add(assignment.has_top_k(), "--top-k", std::to_string(assignment.top_k()));
  add(assignment.has_repetition_penalty(), "--repetition-penalty",
      Number(assignment.repetition_penalty()));
  // One argument each, so that a text that begins with a dash is not taken for an option.
  for (const std::string& stop : assignment.stop()) arguments.push_back("--stop=" + stop);
  add(!spec.adapters.adapter.empty(), "--adapter", spec.adapters.adapter);
  add(!spec.adapters.composition.empty(), "--compose", spec.adapters.composition);
  return arguments;
}

std::optional<v1::GenerateChunk> ParseChunk(std::string_view line) {
  const json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  v1::GenerateChunk chunk;
  try {
    if (object.contains("error")) {
      chunk.set_done(true);
      chunk.mutable_error()->set_code(object.at("error").value("code", "internal"));
      chunk.mutable_error()->set_message(object.at("error").value("message", ""));
      AddFindings(object.at("error"), *chunk.mutable_error());
      return chunk;
    }
    chunk.set_text(object.value("text", ""));
    chunk.set_done(object.value("done", false));
    chunk.set_tokens(object.value("tokens", 0U));
    chunk.set_milliseconds(object.value("milliseconds", 0.0));
    chunk.set_finish_reason(object.value("finishReason", ""));
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return chunk;
}

Status RunGeneration(const GenerationSpec& spec, const v1::GenerateAssignment& assignment,
                     const std::function<bool()>& cancelled,
                     const std::function<void(v1::GenerateChunk)>& emit) {
  LATHE_ASSIGN_OR_RETURN(const UniqueFd input, InputFile(ChatText(assignment)));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Failure(ErrorCode::kResourceExhausted,
                   "no pipe: " + std::generic_category().message(errno));
  }
  const UniqueFd output(ends[0]);
  UniqueFd child_end(ends[1]);
  const bool on_gpu = spec.device != "cpu";
  auto environment = process::TrainerEnvironment(
      spec.cpu_threads, on_gpu ? std::vector<unsigned>{0} : std::vector<unsigned>{});
  LATHE_ASSIGN_OR_RETURN(ChildProcess child,
                         ChildProcess::Start({.program = spec.program,
                                              .arguments = ArgumentsOf(spec, assignment),
                                              .environment = std::move(environment),
                                              .standard_input = input.get(),
                                              .standard_output = child_end.get(),
                                              .new_session = true}));
  child_end.Reset();
  const Guard guard(child);
  if (Relay(output.get(), cancelled, emit) != Ending::kEndOfOutput) return {};
  return Failure(ErrorCode::kInternal,
                 "lathe-trainer generate left without an answer: " + ToString(child.Wait()));
}

}  // namespace lathe::worker::generate
