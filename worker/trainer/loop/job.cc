#include "worker/trainer/loop/job.h"

#include <nlohmann/json.hpp>

#include "common/base/check.h"
#include "common/base/file_io.h"
#include "worker/trainer/checkpoint/content_hash.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/loop/base_weights.h"
#include "worker/trainer/loop/method.h"
#include "worker/trainer/model/loader.h"
#include "worker/trainer/objectives/preference.h"
#include "worker/trainer/sharding/sharded_layers.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::loop {
namespace {

namespace protocol = trainer_protocol;
using Json = nlohmann::json;

constexpr char kJobFile[] = "job.json";

Result<std::string> HashOfPath(const std::filesystem::path& path, const std::string& field) {
  auto hash = checkpoint::HashOfModel(path);
  if (!hash) return Failure(hash.error().WithContext(field));
  return hash;
}

Result<std::string> HashInputs(const plan::Plan& plan) {
  std::string text = plan.settings;
  LATHE_ASSIGN_OR_RETURN(const std::string base,
                         HashOfPath(plan.paths.base_model, "paths.baseModel"));
  text += "\n" + base;
  const auto add_file = [&](const std::filesystem::path& path, const char* field) -> Status {
    auto hash = checkpoint::HashOfFile(path);
    if (!hash) return Failure(hash.error().WithContext(field));
    text += "\n" + *hash;
    return {};
  };
  LATHE_RETURN_IF_ERROR(add_file(plan.paths.train, "paths.train"));
  if (plan.paths.validation) {
    LATHE_RETURN_IF_ERROR(add_file(*plan.paths.validation, "paths.validation"));
  }
  if (plan.paths.init_adapter) {
    LATHE_ASSIGN_OR_RETURN(const std::string adapter,
                           HashOfPath(*plan.paths.init_adapter, "paths.initAdapter"));
    text += "\n" + adapter;
  }
  return checkpoint::HashOf(text);
}

objectives::Objective ToObjective(const plan::ObjectivePlan& plan) {
  if (plan.type != "dpo") return objectives::MakeSupervised();
  return objectives::MakePreference({.loss = plan.loss == "ipo"
                                                 ? objectives::PreferenceLoss::kIpo
                                                 : objectives::PreferenceLoss::kSigmoid,
                                     .beta = plan.beta,
                                     .label_smoothing = plan.label_smoothing});
}

StepperSettings ToStepperSettings(const plan::Plan& plan) {
  const plan::OptimizerPlan& o = plan.optimizer;
  const auto named = optim::OptimizerFromName(o.name);
  LATHE_CHECK(named.has_value(), "the plan's parser lets no other name through");
  return {.objective = ToObjective(plan.objective),
          .optimizer = {.type = named->type,
                        .beta1 = o.beta1,
                        .beta2 = o.beta2,
                        .epsilon = o.epsilon,
                        .weight_decay = o.weight_decay,
                        .paged = o.paged || named->paged},
          .maximum_gradient_norm = o.maximum_gradient_norm,
          .recompute = plan.gradient_checkpointing,
          .offload = plan.activation_offloading,
          .seed = static_cast<std::uint64_t>(plan.seed)};
}

std::optional<quantization::QuantizationSettings> ToQuantization(const plan::Plan& plan) {
  using quantization::QuantizationType;
  if (!plan.quantization) return std::nullopt;
  const plan::QuantizationPlan& q = *plan.quantization;
  const auto four_bit = q.type == "fp4" ? QuantizationType::kFp4 : QuantizationType::kNf4;
  return quantization::QuantizationSettings{
      .type = q.bits == 8 ? QuantizationType::kInt8 : four_bit,
      .double_quantization = q.double_quant};
}

Status LoadModel(Job& job) {
  const plan::Plan& plan = job.plan;
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(plan.device));
  LATHE_ASSIGN_OR_RETURN(const bool shards, ShardsBase(plan, *job.group, device));
  model::LoadOptions options{.dtype = LoadedType(plan),
                             .device = device,
                             .max_positions = MaxPositions(plan),
                             .quantization = ToQuantization(plan)};
  std::shared_ptr<sharding::ShardedLayers> parts;
  if (shards) {
    parts = std::make_shared<sharding::ShardedLayers>(job.group, device);
    options.layer_read = [&](model::LayerWeights& layer) { parts->Keep(layer); };
  }
  auto decoder = model::LoadDecoder(plan.paths.base_model, options);
  if (!decoder) return Failure(decoder.error().WithContext("paths.baseModel"));
  job.decoder = std::make_unique<model::Decoder>(std::move(*decoder));
  if (plan.method != "full") KeepPackedWhereAffordable(*job.decoder, job.group->size());
  if (shards) {
    parts->Serve(*job.decoder);
    job.decoder->source = parts;
  }
  return {};
}

Status StartMethod(Job& job) {
  LATHE_ASSIGN_OR_RETURN(auto trainable, StartTrainable(job.plan, job.data.train, *job.decoder));
  StepperSettings settings = ToStepperSettings(job.plan);
  settings.group = job.group;
  job.stepper = std::make_unique<Stepper>(*job.decoder, std::move(trainable), settings);
  return {};
}

Grouping GroupingOf(const plan::Plan& plan) {
  if (plan.sequence_packing) return Grouping::kPacked;
  return plan.dynamic_padding ? Grouping::kBalanced : Grouping::kInOrder;
}

void PlanSteps(Job& job) {
  const plan::Plan& plan = job.plan;
  const std::size_t group = job.data.group;
  SamplerSettings settings{.examples = static_cast<std::int64_t>(job.data.train.size() / group),
                           .batch_size = plan.schedule.batch_size,
                           .gradient_accumulation = plan.schedule.gradient_accumulation,
                           .shuffle = plan.data.shuffle,
                           .seed = static_cast<std::uint64_t>(plan.data.seed),
                           .grouping = GroupingOf(plan),
                           .token_budget = plan.schedule.batch_size * plan.data.sequence_length *
                                           static_cast<std::int64_t>(group)};
  settings.lengths.resize(job.data.train.size() / group);
  for (std::size_t i = 0; i < job.data.train.size(); ++i) {
    settings.lengths[i / group] += static_cast<std::int64_t>(job.data.train[i].tokens.size());
  }
  job.sampler = std::make_unique<Sampler>(std::move(settings));
  const std::int64_t total = plan.schedule.max_steps ? *plan.schedule.max_steps
                                                     : job.sampler->StepsIn(plan.schedule.epochs);
  job.milestones = MakeMilestones(plan.schedule, total);
  job.schedule = MakeScheduleSettings(plan.optimizer, total);
}

/// No process may begin elsewhere than the others.
Status CheckSameStart(const Job& job) {
  const auto step = static_cast<double>(job.progress.step);
  std::vector<double> leaders = {step};
  job.group->Broadcast(leaders);
  if (!job.group->Any(leaders[0] != step)) return {};
  return Failure(ErrorCode::kFailedPrecondition,
                 "the processes of this job find different checkpoints in " +
                     job.plan.paths.output.string() + ": all must see the same folder");
}

Status CollectAnswers(Job& job, EventLog& log) {
  const plan::EvaluationPlan& wanted = job.plan.evaluation;
  if (!wanted.tool_accuracy && !wanted.response_quality) return {};
  if (job.data.validation.empty()) return {};
  job.answers.emplace(
      wanted, MeasuredAnswers::Source{job.data.validation, job.data.group, job.data.text_model,
                                      job.decoder->description.end_tokens});
  for (const std::string& warning : job.answers->warnings()) {
    LATHE_RETURN_IF_ERROR(log.Append(protocol::kEventWarning, {{"message", warning}}));
  }
  return {};
}

}  // namespace

Status Resume(Job& job, EventLog& log) {
  LATHE_ASSIGN_OR_RETURN(
      auto restored,
      checkpoint::RestoreNewest(job.plan.paths.output / protocol::kCheckpointsFolder, job.identity,
                                job.stepper->trainable(), job.stepper->optimizer()));
  for (const std::string& warning : restored.warnings) {
    LATHE_RETURN_IF_ERROR(log.Append(protocol::kEventWarning, {{"message", warning}}));
  }
  if (job.plan.precision == "fp16") job.progress.loss_scale.value = optim::LossScale::kStart;
  if (restored.progress) job.progress = *restored.progress;
  return CheckSameStart(job);
}

Result<checkpoint::Identity> Identify(const plan::Plan& plan) {
  LATHE_ASSIGN_OR_RETURN(const std::string hash, HashInputs(plan));
  const std::filesystem::path path = plan.paths.output / kJobFile;
  if (const auto text = ReadFile(path)) {
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_object() || json.value("settings", "") != hash) {
      return Failure(ErrorCode::kFailedPrecondition,
                     plan.paths.output.string() +
                         " belongs to a run with other settings, data or model: use a new output "
                         "folder, or remove it to start anew");
    }
  } else if (text.error().code != ErrorCode::kNotFound) {
    return Failure(text.error());
  }
  return checkpoint::Identity{.settings = hash, .base_model_name = plan.base_model_name};
}

Status ClaimOutput(const plan::Plan& plan, const checkpoint::Identity& identity) {
  const std::filesystem::path path = plan.paths.output / kJobFile;
  std::error_code error;
  if (std::filesystem::exists(path, error)) return {};
  return WriteFileAtomically(
      path, Json{{"jobId", plan.job_id}, {"settings", identity.settings}}.dump() + "\n");
}

Result<Job> Prepare(const plan::Plan& plan, const checkpoint::Identity& identity,
                    std::shared_ptr<const distributed::Group> group, EventLog& log) {
  Job job{.plan = plan, .identity = identity, .group = std::move(group)};
  const auto phase = [&](const char* name) {
    return log.Append(protocol::kEventPhase, {{"phase", name}});
  };
  for (const std::string& warning : plan.warnings) {
    LATHE_RETURN_IF_ERROR(log.Append(protocol::kEventWarning, {{"message", warning}}));
  }
  LATHE_RETURN_IF_ERROR(phase("loading"));
  LATHE_RETURN_IF_ERROR(LoadModel(job));
  LATHE_RETURN_IF_ERROR(phase("tokenizing"));
  LATHE_ASSIGN_OR_RETURN(job.data, LoadDataset(plan, job.decoder->description.vocabulary));
  for (const std::string& warning : job.data.warnings) {
    LATHE_RETURN_IF_ERROR(log.Append(protocol::kEventWarning, {{"message", warning}}));
  }
  LATHE_RETURN_IF_ERROR(CollectAnswers(job, log));
  LATHE_RETURN_IF_ERROR(StartMethod(job));
  PlanSteps(job);
  return job;
}

}  // namespace lathe::trainer::loop
