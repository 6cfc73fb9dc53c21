#include "worker/trainer/loop/run.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/file_io.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/loop/job.h"
#include "worker/trainer/loop/reference.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::loop {
namespace {

namespace fs = std::filesystem;
namespace protocol = trainer_protocol;
using Json = nlohmann::json;

/// Steps in a row without a finite loss and gradient after which a run gives up.
constexpr std::int64_t kNonfiniteLimit = 5;

Json Finite(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

std::string Short(double value) {
  return Json(value).dump();
}

class Runner {
 public:
  Runner(Job job, EventLog& log, StopSignals& signals, const Clock& clock)
      : job_(std::move(job)), log_(log), signals_(signals), clock_(clock) {}

  Result<Outcome> Run();

 private:
  /// False when told to leave.
  Result<bool> MeasureReferenceIfNeeded();
  Status TellStart();
  /// False when told to leave.
  Result<bool> TrainStep();
  Status TellStep(const StepResult& result, double learning_rate, double seconds);
  void AddMeasures(const std::vector<double>& measures, Json& fields) const;
  Status CheckFinite(const StepResult& result);
  Error NonfiniteAdvice(std::int64_t count) const;
  /// False when told to leave.
  Result<bool> EvaluateIfDue();
  /// What generated answers are worth, where that is asked for; false when told to leave.
  bool AddAnswerScores(Json& fields);
  void NoteEvaluation(double loss);
  /// Whether the best evaluation so far was made of the values as they are, and matters.
  bool IsBestToKeep() const;
  Status SaveCheckpoint();
  /// Down to what may be kept up to that step, and room for so many more.
  void PruneCheckpoints(std::int64_t step, std::int64_t room) const;
  /// What early stopping ends with are the best values, not the last. In every process: what comes
  /// with values, such as DoRA's norms, may need them all.
  Status ReturnToBest();
  Status SaveAdapter(Json& files);
  Result<Outcome> Interrupt();
  Result<Outcome> Finish();
  bool Done() const {
    return progress().step >= job_.milestones.total_steps || progress().stopped_early;
  }
  std::function<bool()> Stop() {
    return [this] { return signals_.StopRequested(); };
  }
  double Seconds() const {
    return static_cast<double>(clock_.MonotonicNow().time_since_epoch().count()) * 1e-6;
  }
  double Epoch() { return job_.sampler->EpochsAt(progress().step); }
  Status Phase(const char* name) { return log_.Append(protocol::kEventPhase, {{"phase", name}}); }
  checkpoint::Progress& progress() { return job_.progress; }
  const checkpoint::Progress& progress() const { return job_.progress; }

  Job job_;
  EventLog& log_;
  StopSignals& signals_;
  const Clock& clock_;
  std::int64_t saved_step_ = -1;
  std::int64_t former_best_ = 0;   ///< a step whose checkpoint was the best one
  std::int64_t adapter_step_ = 0;  ///< the step that the saved values are of
};

Result<bool> Runner::MeasureReferenceIfNeeded() {
  if (job_.plan.objective.type != "dpo" || job_.plan.objective.reference_free) return true;
  LATHE_RETURN_IF_ERROR(Phase("reference"));
  return MeasureReference({*job_.decoder, job_.plan.paths.output, job_.identity.settings,
                           job_.plan.schedule.batch_size, *job_.group},
                          job_.data, Stop());
}

Result<Outcome> Runner::Run() {
  LATHE_ASSIGN_OR_RETURN(const bool measured, MeasureReferenceIfNeeded());
  if (!measured) return Interrupt();
  LATHE_RETURN_IF_ERROR(Resume(job_, log_));
  saved_step_ = progress().step > 0 ? progress().step : -1;
  LATHE_RETURN_IF_ERROR(TellStart());
  LATHE_RETURN_IF_ERROR(Phase("training"));
  // A run that was told to leave in the middle of an evaluation begins with it.
  LATHE_ASSIGN_OR_RETURN(const bool made_up, EvaluateIfDue());
  if (!made_up) return Interrupt();
  while (!Done()) {
    LATHE_ASSIGN_OR_RETURN(const bool trained, TrainStep());
    if (!trained) return Interrupt();
    LATHE_ASSIGN_OR_RETURN(const bool evaluated, EvaluateIfDue());
    if (!evaluated) return Interrupt();
    const bool asked = job_.group->Any(signals_.TakeCheckpointRequest());
    if (asked || job_.milestones.IsSave(progress().step) || IsBestToKeep()) {
      LATHE_RETURN_IF_ERROR(SaveCheckpoint());
    }
  }
  return Finish();
}

Status Runner::TellStart() {
  std::int64_t total = 0;
  const auto count = [&](const at::Tensor& tensor) {
    total += tensor.defined() ? tensor.numel() : 0;
  };
  const model::Decoder& decoder = *job_.decoder;
  for (std::size_t group = 0; group < model::HeadGroupIndex(decoder); ++group) {
    count(model::LinearAt(decoder, group).weight);
    count(model::LinearAt(decoder, group).bias);
  }
  for (const model::LayerWeights& layer : decoder.layers) {
    count(layer.attention_norm);
    count(layer.mlp_norm);
  }
  count(decoder.embedding);
  count(decoder.final_norm);
  if (!decoder.description.tied_embeddings) count(decoder.head.weight);
  const std::int64_t trainable = job_.stepper->trainable().parameters.numel();
  return log_.Append(protocol::kEventStarted,
                     {{"attempt", job_.plan.attempt},
                      {"device", job_.plan.device},
                      {"precision", job_.plan.precision},
                      {"threads", device::Threads()},
                      {"processes", job_.group->size()},
                      {"baseWeights", decoder.source ? "sharded" : "replicated"},
                      {"totalSteps", job_.milestones.total_steps},
                      {"stepsDone", progress().step},
                      {"trainableParameters", trainable},
                      {"totalParameters", job_.plan.method == "full" ? total : total + trainable},
                      {"trainExamples", job_.data.train.size() / job_.data.group},
                      {"validationExamples", job_.data.validation.size() / job_.data.group},
                      {"cutRows", job_.data.counts.cut_rows},
                      {"cutTokens", job_.data.counts.cut_tokens},
                      {"droppedRows", job_.data.counts.dropped_rows},
                      {"droppedTokens", job_.data.counts.dropped_tokens}});
}

Result<bool> Runner::TrainStep() {
  const double begin = Seconds();
  const std::int64_t step = progress().step;
  const double learning_rate = optim::LearningRate(job_.schedule, step);
  const auto micro_batches = job_.sampler->MicroBatches(step);
  const auto result = job_.stepper->Step(
      {step, learning_rate, job_.data.train, micro_batches, progress().loss_scale.value}, Stop());
  if (!result) return false;
  progress().step = step + 1;
  progress().loss = result->loss;
  progress().skipped_steps += result->finite ? 0 : 1;
  const double seconds = Seconds() - begin;
  progress().seconds += seconds;
  LATHE_RETURN_IF_ERROR(TellStep(*result, learning_rate, seconds));
  LATHE_RETURN_IF_ERROR(CheckFinite(*result));
  return true;
}

Status Runner::TellStep(const StepResult& result, double learning_rate, double seconds) {
  Json fields = {{"step", progress().step},
                 {"epoch", Epoch()},
                 {"loss", Finite(result.loss)},
                 {"learningRate", learning_rate},
                 {"gradientNorm", Finite(result.gradient_norm)},
                 {"targetTokens", result.targets},
                 {"skippedSteps", progress().skipped_steps},
                 {"tokensPerSecond", static_cast<double>(result.tokens) / std::max(seconds, 1e-9)},
                 {"memoryBytes", result.memory_bytes}};
  AddMeasures(result.measures, fields);
  return log_.AppendStep(protocol::kEventMetric, fields);
}

void Runner::AddMeasures(const std::vector<double>& measures, Json& fields) const {
  const std::vector<std::string>& names = job_.stepper->objective().measures;
  for (std::size_t i = 0; i < names.size(); ++i) fields[names[i]] = Finite(measures[i]);
}

Status Runner::CheckFinite(const StepResult& result) {
  checkpoint::Progress& p = progress();
  const double loss_scale = p.loss_scale.value;
  const bool scaled = job_.plan.precision == "fp16";
  if (scaled) p.loss_scale.Note(result.finite);
  if (result.finite) {
    p.nonfinite_in_a_row = 0;
    return {};
  }
  // Gradients that overflow at a large scale are how the right scale is found.
  const bool searching = scaled && loss_scale > 1 && std::isfinite(result.loss);
  const std::int64_t count = searching ? p.nonfinite_in_a_row : ++p.nonfinite_in_a_row;
  if (count >= kNonfiniteLimit) return Failure(NonfiniteAdvice(count));
  const std::string why = searching ? "fp16 gradients overflowed at a loss scale of " +
                                          Short(loss_scale) + ", which is halved"
                                    : "its loss or gradient is not a finite number";
  return log_.Append(protocol::kEventWarning,
                     {{"message", "step " + std::to_string(p.step) + " was skipped: " + why}});
}

Error Runner::NonfiniteAdvice(std::int64_t count) const {
  const std::string precision = job_.plan.precision;
  std::string advice = "lower optimizer.learningRate (now " +
                       Short(job_.plan.optimizer.learning_rate) +
                       "), add warm-up or lower optimizer.maxGradientNorm";
  if (precision == "fp16") advice += ", or use model.precision bf16 or fp32: fp16 ends at 65504";
  if (precision == "bf16") advice += ", or use model.precision fp32";
  return {ErrorCode::kInvalidArgument,
          "the loss or gradient of " + std::to_string(count) +
              " steps in a row was not a finite number, the last of them step " +
              std::to_string(progress().step) + ": " + advice};
}

Result<bool> Runner::EvaluateIfDue() {
  const std::int64_t step = progress().step;
  if (step == progress().evaluated_step || job_.data.validation.empty()) return true;
  if (!job_.milestones.IsEvaluation(step)) return true;
  LATHE_RETURN_IF_ERROR(Phase("evaluating"));
  const auto evaluation =
      job_.stepper->Evaluate(job_.data.validation, job_.plan.schedule.batch_size, Stop());
  if (!evaluation) return false;
  Json fields = {{"step", progress().step},
                 {"epoch", Epoch()},
                 {"loss", Finite(evaluation->loss)},
                 {"targetTokens", evaluation->targets}};
  if (job_.plan.objective.type == "sft") fields["perplexity"] = Finite(std::exp(evaluation->loss));
  AddMeasures(evaluation->measures, fields);
  if (!AddAnswerScores(fields)) return false;
  LATHE_RETURN_IF_ERROR(log_.AppendStep(protocol::kEventEvaluation, fields));
  NoteEvaluation(evaluation->loss);
  LATHE_RETURN_IF_ERROR(Phase("training"));
  return true;
}

bool Runner::AddAnswerScores(Json& fields) {
  if (!job_.answers) return true;
  const auto scores =
      job_.answers->Score(*job_.decoder, job_.stepper->trainable().additions, *job_.group, Stop());
  if (!scores) return false;
  if (scores->tool_accuracy) fields["toolAccuracy"] = *scores->tool_accuracy;
  if (scores->response_quality) fields["responseQuality"] = *scores->response_quality;
  if (scores->answers == 0) return true;
  fields["generatedAnswers"] = scores->answers;
  fields["generatedTokens"] = scores->tokens;
  return true;
}

void Runner::NoteEvaluation(double loss) {
  checkpoint::Progress& p = progress();
  p.evaluated_step = p.step;
  p.evaluation_loss = loss;
  const plan::SchedulePlan& schedule = job_.plan.schedule;
  // A loss that is no number is never the best: nothing could be better than it later.
  const double best = p.best_evaluation_loss.value_or(std::numeric_limits<double>::infinity());
  const bool gain = std::isfinite(loss) && loss < best - schedule.early_stopping_threshold;
  p.evaluations_without_gain = gain ? 0 : p.evaluations_without_gain + 1;
  if (std::isfinite(loss) && loss < best) {
    p.best_evaluation_loss = loss;
    former_best_ = std::exchange(p.best_step, p.step);
  }
  p.stopped_early = schedule.early_stopping_patience &&
                    p.evaluations_without_gain >= *schedule.early_stopping_patience;
}

bool Runner::IsBestToKeep() const {
  const plan::SchedulePlan& schedule = job_.plan.schedule;
  return progress().step > 0 && progress().best_step == progress().step &&
         (schedule.save_total_limit || schedule.early_stopping_patience);
}

void Runner::PruneCheckpoints(std::int64_t step, std::int64_t room) const {
  const fs::path folder = job_.plan.paths.output / protocol::kCheckpointsFolder;
  if (const auto keep = job_.plan.schedule.save_total_limit; keep && *keep > room) {
    checkpoint::Prune(folder, {.keep = *keep - room, .step = step, .best = progress().best_step});
  }
}

Status Runner::SaveCheckpoint() {
  if (saved_step_ == progress().step || !job_.group->leads()) return {};
  LATHE_RETURN_IF_ERROR(Phase("saving"));
  const fs::path folder = job_.plan.paths.output / protocol::kCheckpointsFolder;
  PruneCheckpoints(progress().step - 1, 1);  // Before writing: the disk may be nearly full.
  LATHE_ASSIGN_OR_RETURN(const auto written,
                         checkpoint::Write(folder, job_.identity, progress(),
                                           job_.stepper->trainable(), job_.stepper->optimizer()));
  saved_step_ = progress().step;
  PruneCheckpoints(progress().step, 0);
  if (former_best_ > 0 && IsBestToKeep() && !job_.milestones.IsSave(former_best_)) {
    checkpoint::Remove(folder, former_best_);  // It was kept for being the best alone.
  }
  LATHE_RETURN_IF_ERROR(
      log_.Append(protocol::kEventCheckpoint,
                  {{"step", progress().step},
                   {"path", fs::relative(written.path, job_.plan.paths.output).string()},
                   {"bytes", written.bytes}}));
  return Phase("training");
}

Status Runner::ReturnToBest() {
  adapter_step_ = progress().step;
  const std::int64_t best = progress().best_step;
  if (!job_.plan.schedule.early_stopping_patience || best == 0 || best == progress().step) {
    return {};
  }
  // The checkpoint of the end, for a run that is killed now: it comes here again.
  LATHE_RETURN_IF_ERROR(SaveCheckpoint());
  LATHE_RETURN_IF_ERROR(checkpoint::RestoreValues(
      job_.plan.paths.output / protocol::kCheckpointsFolder, best, job_.stepper->trainable()));
  adapter_step_ = best;
  return {};
}

Result<Outcome> Runner::Interrupt() {
  if (progress().step > 0) LATHE_RETURN_IF_ERROR(SaveCheckpoint());
  LATHE_RETURN_IF_ERROR(log_.Append(protocol::kEventInterrupted, {{"step", progress().step}}));
  job_.group->Wait();  // Nobody says that it is saved before it is.
  return Outcome::kInterrupted;
}

Status Runner::SaveAdapter(Json& files) {
  const fs::path final_path = job_.plan.paths.output / protocol::kAdapterFolder;
  const fs::path temporary = job_.plan.paths.output / ".writing-adapter";
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directories(temporary, error);
  if (error) return Failure(FileError("create", temporary, error.value()));
  if (Status written = job_.stepper->trainable().Save(temporary, job_.plan.base_model_name);
      !written) {
    fs::remove_all(temporary, error);
    return written;
  }
  LATHE_RETURN_IF_ERROR(SyncFolder(temporary));
  fs::remove_all(final_path, error);
  fs::rename(temporary, final_path, error);
  if (error) return Failure(FileError("rename", final_path, error.value()));
  LATHE_RETURN_IF_ERROR(SyncFolder(job_.plan.paths.output));
  for (const auto& entry : fs::directory_iterator(final_path)) {
    files.push_back(
        {{"path", std::string(protocol::kAdapterFolder) + "/" + entry.path().filename().string()},
         {"bytes", entry.file_size()}});
  }
  std::sort(files.begin(), files.end());
  return {};
}

Result<Outcome> Runner::Finish() {
  LATHE_RETURN_IF_ERROR(Phase("saving"));
  Json files = Json::array();
  LATHE_RETURN_IF_ERROR(ReturnToBest());
  if (job_.group->leads()) {
    LATHE_RETURN_IF_ERROR(SaveAdapter(files));
  }
  const auto& evaluation = progress().evaluation_loss;
  LATHE_RETURN_IF_ERROR(log_.Append(protocol::kEventSucceeded,
                                    {{"step", progress().step},
                                     {"adapterStep", adapter_step_},
                                     {"loss", Finite(progress().loss)},
                                     {"evaluationLoss", evaluation ? Finite(*evaluation) : Json()},
                                     {"seconds", progress().seconds},
                                     {"files", files}}));
  job_.group->Wait();
  return Outcome::kSucceeded;
}

}  // namespace

Result<Outcome> Run(const plan::Plan& plan, std::shared_ptr<const distributed::Group> group,
                    EventLog& log, StopSignals& signals, const Clock& clock) {
  LATHE_ASSIGN_OR_RETURN(const auto identity, Identify(plan));
  if (group->Any(log.last_type() == protocol::kEventSucceeded)) return Outcome::kSucceeded;
  LATHE_ASSIGN_OR_RETURN(Job job, Prepare(plan, identity, group, log));
  // Only now: a plan that fails on its model or data may be mended and run in the same folder.
  if (group->leads()) LATHE_RETURN_IF_ERROR(ClaimOutput(plan, identity));
  return Runner(std::move(job), log, signals, clock).Run();
}

}  // namespace lathe::trainer::loop
