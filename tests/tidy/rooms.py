"""The rooms of the house, lowest first.

A file may include from its own room and from rooms of lower tiers; rooms of one tier may include
each other as long as no cycle arises (the rule checks that too). A new room gets a line here.
"""

TIERS = [
    ["proto", "common/base"],
    ["common/domain", "common/yaml", "common/json", "worker/trainer_protocol"],
    ["common/rpc", "common/schema", "common/telemetry", "common/estimator", "common/composition"],
    ["common/artifacts", "common/daemon_config", "common/secrets"],
    # The coordinator's rooms.
    ["coordinator/scheduler"],
    ["coordinator/core"],
    ["coordinator/storage", "coordinator/simulate"],
    ["coordinator/runtime"],
    ["coordinator/access", "coordinator/sessions", "coordinator/resources"],
    ["coordinator/datasets", "coordinator/providers", "coordinator/estimation"],
    ["coordinator/api"],
    ["coordinator/gateway", "coordinator/console"],
    # The worker daemon's rooms.
    ["worker/agent"],
    ["worker/process", "worker/devices", "worker/cache", "worker/spool"],
    ["worker/session", "worker/attempt", "worker/generate"],
    ["worker/node"],
    # The trainer's rooms.
    ["worker/trainer/formats", "worker/trainer/kernels", "worker/trainer/quantization",
     "worker/trainer/device", "worker/trainer/plan"],
    ["worker/trainer/tokenizer", "worker/trainer/chat_template", "worker/trainer/distributed"],
    ["worker/trainer/data", "worker/trainer/model", "worker/trainer/adapters",
     "worker/trainer/sharding"],
    ["worker/trainer/objectives", "worker/trainer/optim", "worker/trainer/checkpoint",
     "worker/trainer/export", "worker/trainer/scoring"],
    ["worker/trainer/loop", "worker/trainer/inference", "worker/trainer/merge"],
    ["worker/trainer/commands"],
    # Programs: composition roots and the CLI.
    ["coordinator", "coordinator/cli", "worker", "worker/trainer"],
]

# No I/O, threads, clocks or third party, so that the simulator can run them on virtual time.
PURE = ["common/domain", "common/estimator", "coordinator/core", "coordinator/scheduler", "worker/agent"]

# The headers of common/base that read no clock and start nothing.
PURE_BASE_HEADERS = ["check.h", "clock.h", "error.h", "random.h", "result.h", "strong_id.h"]

# Besides the rooms' own headers a pure room may include standard headers without I/O or threads.
IMPURE_STANDARD_HEADERS = [
    "atomic", "condition_variable", "cstdio", "filesystem", "fstream", "future", "iostream",
    "mutex", "random", "shared_mutex", "stop_token", "syncstream", "thread",
]

BANNED_IN_PURE = [
    "system_clock", "steady_clock", "high_resolution_clock", "clock_gettime", "gettimeofday",
    "random_device", "sleep_for", "sleep_until", "usleep", "nanosleep", "std::thread",
    "std::jthread", "std::mutex", "std::shared_mutex", "std::condition_variable", "std::async",
    "getenv", "setenv", "fopen", "ifstream", "ofstream", "std::filesystem", "std::cout",
    "std::cerr", "printf", "socket", "SystemClock", "std::rand", "system", "popen", "fork",
]

# (rooms, what their files must not include, why)
FORBIDDEN = [
    (["coordinator"], r"^worker/", "coordinator and worker meet only in proto"),
    (["worker"], r"^coordinator/", "coordinator and worker meet only in proto"),
    (["coordinator/cli"], r"^coordinator/(?!cli/)",
     "the command line is a client: it knows proto and common, nothing of the coordinator's inside"),
    (["worker/trainer", "worker/trainer_protocol", "common/base"],
     r"^(lathe/v1/|grpc|google/protobuf/|hiredis|common/(rpc|schema|artifacts|telemetry)/)",
     "the trainer is built without gRPC, protobuf and Redis"),
    (["coordinator", "common"], r"^(torch/|ATen/|c10/)", "only the trainer knows torch"),
    (["worker/agent", "worker/process", "worker/devices", "worker/cache", "worker/spool",
      "worker/session", "worker/attempt", "worker/generate", "worker/node"],
     r"^(torch/|ATen/|c10/|worker/trainer/)", "the daemon knows the trainer by its protocol only"),
    (["coordinator/api", "coordinator/core", "coordinator/scheduler", "coordinator/runtime",
      "coordinator/sessions", "coordinator/gateway", "coordinator/cli", "worker", "common"],
     r"^hiredis", "coordinator/storage is the only room that knows Redis"),
]


def room_of(path):
    """The room of a file or include path: the longest matching one, None outside of all."""
    if path.startswith("lathe/v1/"):
        return "proto"
    known = [room for tier in TIERS for room in tier]
    matching = [room for room in known if path.startswith(room + "/")]
    return max(matching, key=len) if matching else None


def tier_of(room):
    """Its place in the order, the lowest being 0."""
    return next(number for number, tier in enumerate(TIERS) if room in tier)
