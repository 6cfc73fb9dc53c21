#pragma once
// All that a run has loaded before its first step. Private to this room.

#include <memory>

#include "worker/trainer/checkpoint/checkpoint.h"
#include "worker/trainer/loop/answers.h"
#include "worker/trainer/loop/dataset.h"
#include "worker/trainer/loop/event_log.h"
#include "worker/trainer/loop/milestones.h"
#include "worker/trainer/loop/sampler.h"
#include "worker/trainer/loop/stepper.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

struct Job {
  const plan::Plan& plan;
  checkpoint::Identity identity;
  std::shared_ptr<const distributed::Group> group;
  Dataset data;
  std::unique_ptr<model::Decoder> decoder;  ///< at a fixed address: the stepper refers to it
  std::unique_ptr<Stepper> stepper;
  std::unique_ptr<Sampler> sampler;
  std::optional<MeasuredAnswers> answers;  ///< where evaluations generate some
  Milestones milestones;
  optim::ScheduleSettings schedule;
  checkpoint::Progress progress;
};

/// The hash of everything that the result depends on. kFailedPrecondition when the output folder
/// was begun with another one.
Result<checkpoint::Identity> Identify(const plan::Plan& plan);
/// Notes in the output folder what runs in it.
Status ClaimOutput(const plan::Plan& plan, const checkpoint::Identity& identity);

/// Loads model, data and adapter, as at the beginning of a run. Tells phases and warnings.
Result<Job> Prepare(const plan::Plan& plan, const checkpoint::Identity& identity,
                    std::shared_ptr<const distributed::Group> group, EventLog& log);
/// Goes to where the newest checkpoint stands, if there is one. Tells warnings. Every process of
/// the group reads it; kFailedPrecondition when they find different ones.
Status Resume(Job& job, EventLog& log);

}  // namespace lathe::trainer::loop
