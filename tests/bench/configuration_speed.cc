// How long one configuration takes to be read, checked, filled in and written: the median of many
// runs, in microseconds. Prints one line a figure; exits with 1 when a bound is not held.
//   build/release/tests/configuration_speed [REPOSITORY]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "common/schema/configuration.h"
#include "common/schema/dialects.h"
#include "common/schema/diff.h"

namespace lathe::schema {
namespace {

constexpr int kRuns = 2001;

std::string Text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

double MedianMicroseconds(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < kRuns / 10; ++i) {
    work();
  }
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = Clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  return times[kRuns / 2];
}

struct Measured {
  const char* name;
  double bound;  ///< microseconds; 0: none
  std::function<void()> work;
};

int Run(const std::filesystem::path& repository) {
  const auto golden = repository / "tests/golden";
  const std::string json = Text(golden / "configurations/good/full.json");
  const std::string yaml = Text(golden / "configurations/good/full.yaml");
  const std::string sectioned_json = Text(golden / "dialects/sectioned/tools.json");
  const std::string sectioned_yaml = Text(golden / "dialects/sectioned/dpo_basic.yaml");
  const std::string training_config = Text(golden / "dialects/training_config/adapter_page.json");
  const v1::JobConfiguration full = FromJson(json).configuration;
  // What a person says of a job: the rest is defaults.
  const std::string small_json = Text(golden / "configurations/good/minimal.json");
  const v1::JobConfiguration small = FromJson(small_json).configuration;
  const Measured all[] = {
      {"validate full", 50, [&] { Validate(full); }},
      {"resolve full", 0, [&] { Resolve(full); }},
      {"explain full", 0, [&] { Explain(full); }},
      {"write full JSON", 0, [&] { ToJson(full); }},
      {"read small JSON", 0, [&] { FromJson(small_json); }},
      {"validate small", 0, [&] { Validate(small); }},
      {"resolve small", 0, [&] { Resolve(small); }},
      {"explain small", 0, [&] { Explain(small); }},
      {"import full JSON", 200, [&] { Import(json); }},
      {"import full YAML", 200, [&] { Import(yaml); }},
      {"import sectioned JSON", 200, [&] { Import(sectioned_json); }},
      {"import sectioned YAML", 200, [&] { Import(sectioned_yaml); }},
      {"import training_config JSON", 200, [&] { Import(training_config); }},
      {"export full as sectioned", 0, [&] { Export(full, Dialect::kSectioned); }},
      {"compare full with itself", 0, [&] { Compare(full, full); }},
  };
  bool held = true;
  for (const Measured& each : all) {
    const double median = MedianMicroseconds(each.work);
    const bool slow = each.bound > 0 && median > each.bound;
    std::printf("%-30s %8.1f us%s", each.name, median, slow ? "  TOO SLOW" : "");
    std::printf(each.bound > 0 ? "  (at most %.0f)\n" : "\n", each.bound);
    held = held && !slow;
  }
  return held ? 0 : 1;
}

}  // namespace
}  // namespace lathe::schema

int main(int argc, char** argv) {
  return lathe::schema::Run(argc > 1 ? argv[1] : ".");
}
