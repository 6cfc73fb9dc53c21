#include "tests/worker/trainer/kernels/amx_emulator.h"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace lathe::trainer::kernels {
namespace {

#if defined(__x86_64__)

constexpr int kRegisters = 8;
constexpr int kRows = 16;
constexpr int kRowBytes = 64;
constexpr int kLanes = kRowBytes / 4;

std::atomic<std::int64_t> products = 0;
std::atomic<std::int64_t> configured_threads = 0;

struct Register {
  int rows = 0;
  int row_bytes = 0;
  std::uint8_t data[kRows][kRowBytes] = {};
};

struct MatrixUnit {
  bool configured = false;
  Register registers[kRegisters];
};
thread_local MatrixUnit unit;

/// Ends the process; nothing but what a signal handler may call.
[[noreturn]] void Refuse(const char* why) {
  constexpr char kBegin[] = "AMX: the processor would refuse this: ";
  (void)!::write(STDERR_FILENO, kBegin, sizeof(kBegin) - 1);
  (void)!::write(STDERR_FILENO, why, std::strlen(why));
  (void)!::write(STDERR_FILENO, "\n", 1);
  std::abort();
}
void Require(bool holds, const char* why) {
  if (!holds) Refuse(why);
}

/// As ldtilecfg reads it.
struct Configuration {
  std::uint8_t palette;
  std::uint8_t start_row;
  std::uint8_t reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};
static_assert(sizeof(Configuration) == 64);

void Release() {
  if (unit.configured) configured_threads.fetch_sub(1);
  unit = {};
}

void Configure(const void* from) {
  Configuration configuration;
  std::memcpy(&configuration, from, sizeof(configuration));
  Require(configuration.palette <= 1, "a palette that does not exist");
  Release();
  if (configuration.palette == 0) return;
  Require(configuration.start_row == 0, "a start row in a configuration from the beginning");
  Require(std::all_of(std::begin(configuration.reserved), std::end(configuration.reserved),
                      [](std::uint8_t byte) { return byte == 0; }),
          "reserved bytes of a configuration");
  for (int i = 0; i < 16; ++i) {
    const int rows = configuration.rows[i];
    const int row_bytes = configuration.row_bytes[i];
    Require(rows <= kRows && row_bytes <= kRowBytes, "a tile register that is too large");
    Require((rows == 0) == (row_bytes == 0), "a tile register without rows, or without columns");
    Require(i < kRegisters || rows == 0, "a tile register beyond the last");
    if (i < kRegisters) unit.registers[i] = {rows, row_bytes, {}};
  }
  unit.configured = true;
  configured_threads.fetch_add(1);
}

/// The register, which must be one of the configuration.
Register& At(int number) {
  Require(unit.configured, "tile registers without a configuration");
  Require(number < kRegisters, "a ninth tile register");
  Register& tile = unit.registers[number];
  Require(tile.rows > 0, "a tile register that the configuration leaves out");
  return tile;
}

void Load(Register& tile, const char* from, std::int64_t stride) {
  std::memset(tile.data, 0, sizeof(tile.data));
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(tile.data[row], from + row * stride, static_cast<std::size_t>(tile.row_bytes));
  }
}
void Store(const Register& tile, char* to, std::int64_t stride) {
  for (int row = 0; row < tile.rows; ++row) {
    std::memcpy(to + row * stride, tile.data[row], static_cast<std::size_t>(tile.row_bytes));
  }
}

/// Subnormal numbers count as zero, as operands and as results.
inline float Flushed(float value) {
  return std::fabs(value) < FLT_MIN ? std::copysign(0.0F, value) : value;
}

/// Lane n of a row: its first (even) or second bf16 value.
inline float Value(const std::uint8_t* row, int lane, bool second) {
  std::uint32_t pair;
  std::memcpy(&pair, row + 4 * lane, 4);
  const std::uint32_t bits = second ? pair & 0xFFFF0000U : pair << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return Flushed(value);
}

/// tdpbf16ps as Intel defines it: first and second values are summed apart, each step rounded once.
__attribute__((target("avx2,fma"))) void AddProduct(Register& sums, const Register& left,
                                                    const Register& right) {
  float firsts[kRows][kLanes] = {};
  float seconds[kRows][kLanes] = {};
  for (int k = 0; k < right.rows; ++k) {
    for (int n = 0; n < kLanes; ++n) {
      firsts[k][n] = Value(right.data[k], n, false);
      seconds[k][n] = Value(right.data[k], n, true);
    }
  }
  for (int m = 0; m < sums.rows; ++m) {
    float even[kLanes] = {};
    float odd[kLanes] = {};
    for (int k = 0; k < left.row_bytes / 4; ++k) {
      const float first = Value(left.data[m], k, false);
      const float second = Value(left.data[m], k, true);
      for (int n = 0; n < kLanes; ++n) {
        even[n] = Flushed(__builtin_fmaf(first, firsts[k][n], even[n]));
        odd[n] = Flushed(__builtin_fmaf(second, seconds[k][n], odd[n]));
      }
    }
    float sum[kLanes];
    std::memcpy(sum, sums.data[m], sizeof(sum));
    for (int n = 0; n < sums.row_bytes / 4; ++n) {
      sum[n] = Flushed(Flushed(sum[n]) + Flushed(even[n] + odd[n]));
    }
    std::memcpy(sums.data[m], sum, sizeof(sum));
  }
}

void Multiply(int sums_number, int left_number, int right_number) {
  Require(sums_number != left_number && sums_number != right_number && left_number != right_number,
          "one tile register twice in a product");
  Register& sums = At(sums_number);
  const Register& left = At(left_number);
  const Register& right = At(right_number);
  Require(sums.row_bytes % 4 == 0 && left.row_bytes % 4 == 0 && right.row_bytes % 4 == 0,
          "parts of units in a product");
  Require(sums.rows == left.rows, "sums with other rows than the left operand");
  Require(sums.row_bytes == right.row_bytes, "sums with other columns than the right operand");
  Require(left.row_bytes / 4 == right.rows, "operands of different depths");
  AddProduct(sums, left, right);
  products.fetch_add(1, std::memory_order_relaxed);
}

/// An instruction with a VEX prefix of three bytes, and the processor's registers.
class Instruction {
 public:
  explicit Instruction(ucontext_t& context)
      : context_(context), at_(reinterpret_cast<const std::uint8_t*>(Get(REG_RIP))), next_(at_) {}

  /// False: not one of ours.
  bool Run() {
    if (at_[0] != 0xC4 || (at_[1] & 0x1F) != 2 || (at_[2] & 0x84) != 0) return false;
    const int prefix = at_[2] & 3;  // None, 66, F3, F2.
    const int opcode = at_[3];
    const int modrm = at_[4];
    const bool memory = modrm >> 6 != 3;
    const int reg = (modrm >> 3 & 7) | ((at_[1] & 0x80) == 0 ? 8 : 0);
    const int rm = (modrm & 7) | ((at_[1] & 0x20) == 0 ? 8 : 0);
    next_ = at_ + 5;
    if (opcode == 0x5C && prefix == 2 && !memory) {
      Multiply(reg, rm, ~at_[2] >> 3 & 15);
    } else if (opcode == 0x49 && !memory && prefix == 0 && modrm == 0xC0) {
      Release();
    } else if (opcode == 0x49 && !memory && prefix == 3) {
      Register& tile = At(reg);
      std::memset(tile.data, 0, sizeof(tile.data));
    } else if (opcode == 0x49 && memory && prefix == 0) {
      Configure(Address(modrm).base);
    } else if (opcode == 0x4B && memory && prefix != 0) {
      const Place place = Address(modrm);
      Require((modrm & 7) == 4, "a tile register's memory without a stride");
      if (prefix == 2) {
        Store(At(reg), place.base, place.stride);
      } else {
        Load(At(reg), place.base, place.stride);
      }
    } else {
      return false;
    }
    context_.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(next_);
    return true;
  }

 private:
  struct Place {
    char* base = nullptr;
    std::int64_t stride = 0;
  };

  greg_t Get(int index) const { return context_.uc_mcontext.gregs[index]; }
  greg_t General(int number) const {
    constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                              REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                              REG_R12, REG_R13, REG_R14, REG_R15};
    return Get(kOrder[number]);
  }
  std::int64_t Displacement(int bytes) {
    std::int32_t value = 0;
    if (bytes == 1) value = static_cast<std::int8_t>(*next_);
    if (bytes == 4) std::memcpy(&value, next_, 4);
    next_ += bytes;
    return value;
  }

  /// The memory operand; with a stride, the index register is not added to its base.
  Place Address(int modrm) {
    const int mode = modrm >> 6;
    const int high_base = (at_[1] & 0x20) == 0 ? 8 : 0;
    const int bytes = mode == 1 ? 1 : mode == 2 ? 4 : 0;
    if ((modrm & 7) == 4) {
      const int sib = *next_++;
      const int index = (sib >> 3 & 7) | ((at_[1] & 0x40) == 0 ? 8 : 0);
      const std::int64_t stride = index == 4 ? 0 : General(index) << (sib >> 6);
      const bool no_base = (sib & 7) == 5 && mode == 0;
      const greg_t base = no_base ? 0 : General((sib & 7) | high_base);
      return {reinterpret_cast<char*>(base + Displacement(no_base ? 4 : bytes)), stride};
    }
    if ((modrm & 7) == 5 && mode == 0) {
      const std::int64_t displacement = Displacement(4);
      return {reinterpret_cast<char*>(reinterpret_cast<std::intptr_t>(next_) + displacement), 0};
    }
    const greg_t base = General((modrm & 7) | high_base);
    return {reinterpret_cast<char*>(base + Displacement(bytes)), 0};
  }

  ucontext_t& context_;
  const std::uint8_t* at_;
  const std::uint8_t* next_;
};

void Handle(int signal, siginfo_t*, void* context) {
  if (Instruction(*static_cast<ucontext_t*>(context)).Run()) return;
  // Back to the instruction, which then ends the process as it would have without this.
  ::signal(signal, SIG_DFL);
}

#endif

}  // namespace

#if defined(__x86_64__)

bool CanEmulateMatrixUnits() {
  return __builtin_cpu_supports("x86-64-v4") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
}
void EmulateMatrixUnits() {
  struct sigaction action = {};
  action.sa_sigaction = &Handle;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGILL, &action, nullptr);
}
std::int64_t EmulatedProducts() {
  return products.load();
}
std::int64_t ConfiguredThreads() {
  return configured_threads.load();
}

#else

bool CanEmulateMatrixUnits() {
  return false;
}
void EmulateMatrixUnits() {}
std::int64_t EmulatedProducts() {
  return 0;
}
std::int64_t ConfiguredThreads() {
  return 0;
}

#endif

}  // namespace lathe::trainer::kernels
