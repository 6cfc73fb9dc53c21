#include "coordinator/cli/commands/watch_view.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/progress_bar.h"

namespace lathe::cli {
namespace {

constexpr int kCyan = 36;
constexpr int kYellow = 33;
constexpr int kMaxBar = 40;
constexpr int kMaxPlotWidth = 72;
constexpr int kPlotHeight = 6;

std::string Title(const v1::Job& job) {
  std::string text = job.id();
  if (!job.name().empty()) text += "  " + job.name();
  text += "  " + StateToken(job.state());
  if (job.attempt() > 1) text += "  attempt " + std::to_string(job.attempt());
  const std::string place = PlaceText(job);
  if (!place.empty()) text += "  on " + place;
  return text;
}

/// What it does besides training ("tokenizing"); on the bar's line, so that nothing jumps.
std::string Phase(const v1::Job& job) {
  const std::string& phase = job.progress().phase();
  return job.state() != v1::JOB_STATE_RUNNING || phase == "training" ? "" : phase;
}

std::string BarLine(const v1::Job& job, const Terminal& terminal) {
  const double fraction = job.progress().fraction();
  const int width = std::clamp(terminal.width - 24, 10, kMaxBar);
  std::string text = Colored(terminal, kCyan, ProgressBar(fraction, width, terminal.utf8)) + " " +
                     FormatPercent(fraction);
  const std::string phase = Phase(job);
  return phase.empty() ? text : text + "  " + phase;
}

}  // namespace

std::string NumbersLine(const v1::Progress& progress) {
  std::string text = ProgressText(progress);
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "  ") + part; };
  if (progress.epoch() > 0) {
    std::array<char, 32> epoch{};
    std::snprintf(epoch.data(), epoch.size(), "epoch %.2f", progress.epoch());
    add(epoch.data());
  }
  if (progress.has_loss()) add("loss " + FormatLoss(progress.loss()));
  if (progress.has_token_accuracy()) add("accuracy " + FormatPercent(progress.token_accuracy()));
  if (progress.has_evaluation_loss()) add("eval " + FormatLoss(progress.evaluation_loss()));
  if (progress.has_evaluation_perplexity()) {
    add("perplexity " + FormatLoss(progress.evaluation_perplexity()));
  }
  if (progress.has_evaluation_tool_accuracy()) {
    add("tool calls " + FormatPercent(progress.evaluation_tool_accuracy()));
  }
  if (progress.has_evaluation_response_quality()) {
    add("quality " + FormatPercent(progress.evaluation_response_quality()));
  }
  if (progress.tokens_per_second() > 0) {
    add(FormatCount(progress.tokens_per_second()) + " tokens/s");
  }
  if (progress.has_eta_seconds() && progress.fraction() < 1) {
    add("ETA " + FormatDuration(progress.eta_seconds()));
  }
  return text;
}

std::vector<std::string> WatchBlock(const WatchState& state, const Terminal& terminal) {
  const auto width = static_cast<std::size_t>(std::max(terminal.width - 1, 20));
  std::vector<std::string> lines = {Colored(terminal, 1, FitWidth(Title(state.job), width))};
  const auto add = [&](const std::string& text) {
    if (!text.empty()) lines.push_back("  " + FitWidth(text, width - 2));
  };
  if (state.job.state() != v1::JOB_STATE_RUNNING) add(state.job.reason());
  if (state.job.progress().total_steps() > 0) {
    lines.push_back("  " + BarLine(state.job, terminal));
    add(NumbersLine(state.job.progress()));
  } else {
    add(Phase(state.job));
  }
  const PlotSize size{.width = std::min(static_cast<int>(width), kMaxPlotWidth),
                      .height = kPlotHeight};
  for (std::string& line : Plot(state.losses, size, terminal.utf8))
    lines.push_back(std::move(line));
  if (!state.notice.empty()) {
    lines.push_back(Colored(terminal, kYellow, FitWidth(state.notice, width)));
  }
  return lines;
}

std::optional<std::string> PipeLines::Next(const v1::Job& job) {
  const int twentieth = static_cast<int>(job.progress().fraction() * 20 + 1e-9);
  if (job.state() != state_ || job.reason() != reason_) {
    state_ = job.state();
    reason_ = job.reason();
    shown_twentieth_ = twentieth;
    const std::string numbers = IsFinal(state_) ? NumbersLine(job.progress()) : "";
    return StateToken(state_) + (reason_.empty() ? "" : ": " + reason_) +
           (numbers.empty() ? "" : "  " + numbers);
  }
  if (twentieth <= shown_twentieth_) return std::nullopt;
  shown_twentieth_ = twentieth;
  return NumbersLine(job.progress());
}

}  // namespace lathe::cli
