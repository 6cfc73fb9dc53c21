#include "coordinator/api/asked_adapters.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "coordinator/sessions/proto_convert.h"
#include "lathe/v1/parameter.pb.h"

namespace lathe::api {
namespace {

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A job that has an adapter; null with a refusal.
runtime::JobPtr FindTrained(const std::string& id, const std::string& path, const JobFacts& facts,
                            Refusals& refusals) {
  const std::string wanted = "the id of a succeeded job";
  runtime::JobPtr job = facts.find(domain::JobId(id));
  if (!job) {
    refusals.Add(
        ErrorCode::kNotFound,
        {path, Severity::kError, "not_found", "There is no job of this id.", Quoted(id), wanted},
        "there is no job " + id + ".");
    return nullptr;
  }
  if (!job->adapter.files.empty()) return job;
  const std::string state(domain::ToString(job->state));
  refusals.Add(ErrorCode::kFailedPrecondition,
               {path, Severity::kError, "no_adapter",
                "This job has no adapter: it is " + state + ".", Quoted(id), wanted},
               "job " + id + " has no adapter: it is " + state + ".");
  return nullptr;
}

/// Of more of them none is looked at: the findings stay few, and so does the work.
int MostAdapters() {
  const auto* field =
      v1::Composition::descriptor()->FindFieldByNumber(v1::Composition::kAdaptersFieldNumber);
  return static_cast<int>(field->options().GetExtension(v1::parameter).max_items());
}

bool HasGate(const v1::ComposedAdapter& adapter) {
  return adapter.weights_size() > 0 || adapter.has_head_weight();
}

/// Whether the adapter's weight is that in every layer.
bool IsEverywhere(double weight, const v1::ComposedAdapter& adapter) {
  if (adapter.weights_size() == 0) {
    return (HasGate(adapter) || !adapter.has_weight() ? 1 : adapter.weight()) == weight;
  }
  return std::all_of(adapter.weights().begin(), adapter.weights().end(),
                     [&](double other) { return other == weight; });
}

class CompositionFinder {
 public:
  CompositionFinder(const v1::GenerateRequest& request, const JobFacts& facts, Refusals& refusals)
      : request_(request),
        composition_(request.composition()),
        facts_(facts),
        refusals_(refusals) {}

  Result<AskedAdapters> Find() {
    if (!request_.job_id().empty()) {
      Wrong("composition", "conflict", "is given beside jobId", "", "one of the two");
    }
    if (!composition_.has_method()) {
      Wrong("composition.method", "required", "must be given", "", "additive, gated or sequential");
    }
    if (composition_.adapters_size() > MostAdapters()) return std::move(asked_);
    for (int i = 0; i < composition_.adapters_size(); ++i) {
      LATHE_RETURN_IF_ERROR(FindOne(composition_.adapters(i), PathOf(i)));
    }
    CheckLayers();
    return std::move(asked_);
  }

 private:
  static std::string PathOf(int i) { return "composition.adapters[" + std::to_string(i) + "]"; }

  Status FindOne(const v1::ComposedAdapter& adapter, const std::string& path) {
    CheckGate(adapter, path);
    const std::string& id = adapter.job_id();
    if (!named_.insert(id).second) {
      Wrong(path + ".jobId", "duplicate_value", "This job is named more than once.", Quoted(id),
            "each job once, with one weight");
      return {};
    }
    const runtime::JobPtr job = FindTrained(id, path + ".jobId", facts_, refusals_);
    if (!job) return {};
    CheckBase(*job, path);
    asked_.files.push_back(sessions::ToProto(job->adapter));
    return CheckMethod(*job, adapter, path);
  }

  void CheckGate(const v1::ComposedAdapter& adapter, const std::string& path) {
    if (HasGate(adapter) && composition_.method() != v1::COMPOSITION_METHOD_GATED) {
      Wrong(path + (adapter.weights_size() > 0 ? ".weights" : ".headWeight"), "conflict",
            "is for method gated only", "", "one weight");
    }
    if (HasGate(adapter) && adapter.has_weight()) {
      Wrong(path, "conflict", "has both a weight and weights of parts", "", "one of the two");
    }
  }

  void CheckBase(const domain::Job& job, const std::string& path) {
    const std::string& model = job.spec.base_model;
    if (asked_.base_model.empty()) asked_.base_model = model;
    if (model == asked_.base_model) return;
    Wrong(path + ".jobId", "other_model",
          "This job's adapter belongs to the base model " + model + ".", Quoted(job.id().value()),
          "an adapter of " + asked_.base_model);
  }

  Status CheckMethod(const domain::Job& job, const v1::ComposedAdapter& adapter,
                     const std::string& path) {
    LATHE_ASSIGN_OR_RETURN(const v1::MethodType method, facts_.method_of(job));
    const bool alone = composition_.adapters_size() == 1 && IsEverywhere(1, adapter) &&
                       (!adapter.has_head_weight() || adapter.head_weight() == 1);
    if (method == v1::METHOD_TYPE_FULL && !alone) {
      Wrong(path + ".jobId", "whole_model",
            "This job has trained a whole model, which takes the base's place.",
            Quoted(job.id().value()), "a job that trained an adapter");
    }
    if (method == v1::METHOD_TYPE_PREFIX && !IsEverywhere(0, adapter) &&
        !IsEverywhere(1, adapter)) {
      Wrong(path + (adapter.weights_size() > 0 ? ".weights" : ".weight"), "prefix_weight",
            "This job has trained a prefix, of which no part can be taken.", "",
            "1, or 0 to leave it out");
    }
    return {};
  }

  void CheckLayers() {
    const std::string& model = request_.model().empty() ? asked_.base_model : request_.model();
    const auto layers = model.empty() ? std::nullopt : facts_.layers_of(model);
    for (int i = 0; layers && i < composition_.adapters_size(); ++i) {
      const int given = composition_.adapters(i).weights_size();
      if (given <= 1 || given == *layers) continue;
      Wrong(PathOf(i) + ".weights", "wrong_count", "has " + std::to_string(given) + " weights", "",
            std::to_string(*layers) + " weights, one for each layer of " + model +
                ", or a single one");
    }
  }

  void Wrong(std::string path, const char* code, std::string message, std::string given,
             std::string expected) {
    refusals_.Add(ErrorCode::kInvalidArgument,
                  {std::move(path), Severity::kError, code, std::move(message), std::move(given),
                   std::move(expected)});
  }

  const v1::GenerateRequest& request_;
  const v1::Composition& composition_;
  const JobFacts& facts_;
  Refusals& refusals_;
  std::set<std::string> named_;
  AskedAdapters asked_;
};

}  // namespace

Result<AskedAdapters> FindAdapters(const v1::GenerateRequest& request, const JobFacts& facts,
                                   Refusals& refusals) {
  if (request.has_composition()) return CompositionFinder(request, facts, refusals).Find();
  AskedAdapters asked;
  if (request.job_id().empty()) return asked;
  if (const auto job = FindTrained(request.job_id(), "jobId", facts, refusals)) {
    asked.base_model = job->spec.base_model;
    asked.files.push_back(sessions::ToProto(job->adapter));
  }
  return asked;
}

}  // namespace lathe::api
