#include "worker/trainer/distributed/environment.h"

#include <charconv>
#include <cstdlib>

#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::distributed {
namespace {

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::int64_t Integer(const char* name, std::int64_t least, std::int64_t most) {
    const std::optional<std::string> text = environment_(name);
    std::int64_t value = 0;
    if (text) {
      const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
      const bool whole = error == std::errc() && end == text->data() + text->size();
      if (whole && value >= least && value <= most) return value;
    }
    Find(name, text,
         "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return least;
  }
  std::string Text(const char* name, const std::string& expected) {
    const std::optional<std::string> text = environment_(name);
    if (text && !text->empty()) return *text;
    Find(name, text, expected);
    return "";
  }
  bool IsSet(const char* name) const { return environment_(name).has_value(); }

  std::vector<Finding> findings;

 private:
  void Find(const char* name, const std::optional<std::string>& given,
            const std::string& expected) {
    findings.push_back(
        {.path = std::string("environment.") + name,
         .code = given ? "wrong_value" : "required",
         .message = given ? "is not " + expected : "is missing, but WORLD_SIZE is set",
         .given = given.value_or(""),
         .expected = expected});
  }

  const Environment& environment_;
};

constexpr std::int64_t kMostProcesses = 65536;
constexpr std::int64_t kLongestTimeout = 86400;

}  // namespace

Result<World> ReadWorld(const Environment& environment) {
  Reader reader(environment);
  World world;
  if (!reader.IsSet("WORLD_SIZE")) return world;
  world.size = static_cast<int>(reader.Integer("WORLD_SIZE", 1, kMostProcesses));
  if (world.size > 1 || !reader.findings.empty()) {
    world.rank = static_cast<int>(reader.Integer("RANK", 0, world.size - 1));
    world.local_rank = world.rank;
    if (reader.IsSet("LOCAL_RANK")) {
      world.local_rank = static_cast<int>(reader.Integer("LOCAL_RANK", 0, world.size - 1));
    }
    if (reader.IsSet(trainer_protocol::kRendezvousVariable)) {
      world.rendezvous_file = reader.Text(trainer_protocol::kRendezvousVariable, "a path");
    } else {
      world.master_address = reader.Text("MASTER_ADDR", "the address of the machine of rank 0");
      world.master_port = static_cast<std::uint16_t>(reader.Integer("MASTER_PORT", 1, 65535));
    }
    if (reader.IsSet("LATHE_DISTRIBUTED_TIMEOUT")) {
      world.timeout =
          std::chrono::seconds(reader.Integer("LATHE_DISTRIBUTED_TIMEOUT", 1, kLongestTimeout));
    }
  }
  if (reader.findings.empty()) return world;
  const std::string message = reader.findings[0].path + " " + reader.findings[0].message +
                              " (set by torchrun and the like)";
  return Failure(Error{ErrorCode::kInvalidArgument, message, std::move(reader.findings)});
}

Result<World> ReadWorld() {
  return ReadWorld([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  });
}

}  // namespace lathe::trainer::distributed
