#include "worker/trainer/model/rope_gguf.h"

#include <cmath>

#include "worker/trainer/formats/dequantize.h"

namespace lathe::trainer::model {
namespace {

using formats::Gguf;

Result<std::vector<float>> ReadVector(const formats::TensorInfo& tensor) {
  LATHE_ASSIGN_OR_RETURN(const std::int64_t count, formats::ElementCount(tensor.shape));
  std::vector<float> values(static_cast<std::size_t>(count));
  const formats::RowRange all{0, formats::RowCount(tensor)};
  LATHE_RETURN_IF_ERROR(formats::DequantizeRows(tensor, all, values));
  return values;
}

class Reader {
 public:
  Reader(const Gguf& gguf, const ModelDescription& d)
      : gguf_(gguf), d_(d), prefix_(d.architecture + ".rope.") {}

  Result<RopeDescription> Read() {
    RopeDescription rope;
    LATHE_ASSIGN_OR_RETURN(rope.theta, NumberOr("freq_base", 10000));
    LATHE_ASSIGN_OR_RETURN(const double dimensions,
                           NumberOr("dimension_count", static_cast<double>(d_.head_dim)));
    rope.dimensions = static_cast<std::int64_t>(dimensions);
    std::string type = "none";
    if (const auto* given = gguf_.FindAs<std::string_view>(prefix_ + "scaling.type")) type = *given;
    if (gguf_.FindTensor("rope_factors_long.weight") != nullptr) {
      LATHE_RETURN_IF_ERROR(ReadLong(rope));
    } else if (type == "linear") {
      LATHE_ASSIGN_OR_RETURN(const double factor, gguf_.Number(prefix_ + "scaling.factor"));
      rope.scaling = LinearRopeScaling{factor};
    } else if (type == "yarn") {
      LATHE_RETURN_IF_ERROR(ReadYarn(rope));
    } else if (type != "none") {
      return Failure(ErrorCode::kInvalidArgument,
                     gguf_.path().string() + ": " + prefix_ + "scaling.type \"" + type +
                         "\" is not supported (none, linear, yarn, longrope are)");
    } else if (gguf_.Find(prefix_ + "scale_linear") != nullptr) {
      LATHE_ASSIGN_OR_RETURN(const double factor, gguf_.Number(prefix_ + "scale_linear"));
      rope.scaling = LinearRopeScaling{factor};
    }
    // Llama 3's scaling comes as a tensor of divisors.
    if (const formats::TensorInfo* divisors = gguf_.FindTensor("rope_freqs.weight")) {
      if (!std::holds_alternative<std::monostate>(rope.scaling)) {
        return Failure(ErrorCode::kInvalidArgument,
                       gguf_.path().string() + ": rope_freqs.weight together with " + prefix_ +
                           "scaling.type \"" + type + "\" is not supported");
      }
      LATHE_ASSIGN_OR_RETURN(auto values, ReadVector(*divisors));
      rope.scaling = FixedRopeScaling{std::move(values)};
    }
    return rope;
  }

 private:
  Result<double> NumberOr(const std::string& key, double fallback) const {
    return gguf_.Find(prefix_ + key) == nullptr ? fallback : gguf_.Number(prefix_ + key);
  }

  /// For both kinds of context the key is the same.
  Result<double> OriginalContext() const {
    return NumberOr("scaling.original_context_length", static_cast<double>(d_.context));
  }

  Status ReadLong(RopeDescription& rope) const {
    LongRopeScaling scaling;
    const formats::TensorInfo* shorts = gguf_.FindTensor("rope_factors_short.weight");
    if (shorts == nullptr) {
      return Failure(ErrorCode::kInvalidArgument,
                     gguf_.path().string() + ": tensor rope_factors_short.weight is missing");
    }
    LATHE_ASSIGN_OR_RETURN(scaling.short_divisors, ReadVector(*shorts));
    LATHE_ASSIGN_OR_RETURN(scaling.long_divisors,
                           ReadVector(*gguf_.FindTensor("rope_factors_long.weight")));
    LATHE_ASSIGN_OR_RETURN(const double original,
                           gguf_.Number(prefix_ + "scaling.original_context_length"));
    scaling.original_context = static_cast<std::int64_t>(original);
    LATHE_ASSIGN_OR_RETURN(rope.attention_factor, gguf_.Number(prefix_ + "scaling.attn_factor"));
    rope.scaling = std::move(scaling);
    return {};
  }

  Status ReadYarn(RopeDescription& rope) const {
    for (const char* key :
         {"scaling.yarn_log_multiplier", "scaling.yarn_ext_factor", "scaling.yarn_attn_factor"}) {
      if (gguf_.Find(prefix_ + key) == nullptr) continue;
      return Failure(ErrorCode::kInvalidArgument,
                     gguf_.path().string() + ": key " + prefix_ + key + " is not supported");
    }
    YarnRopeScaling yarn;
    LATHE_ASSIGN_OR_RETURN(yarn.factor, gguf_.Number(prefix_ + "scaling.factor"));
    LATHE_ASSIGN_OR_RETURN(yarn.original_context, OriginalContext());
    LATHE_ASSIGN_OR_RETURN(yarn.beta_fast, NumberOr("scaling.yarn_beta_fast", 32));
    LATHE_ASSIGN_OR_RETURN(yarn.beta_slow, NumberOr("scaling.yarn_beta_slow", 1));
    LATHE_ASSIGN_OR_RETURN(const double factor, NumberOr("scaling.attn_factor", 1));
    rope.attention_factor = factor * (1 + 0.1 * std::log(std::max(1.0, yarn.factor)));
    rope.scaling = yarn;
    return {};
  }

  const Gguf& gguf_;
  const ModelDescription& d_;
  std::string prefix_;
};

}  // namespace

Result<RopeDescription> ReadGgufRope(const Gguf& gguf, const ModelDescription& d) {
  return Reader(gguf, d).Read();
}

}  // namespace lathe::trainer::model
