#pragma once
// Adapters of one base model applied together. Values only.

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::composition {

/// What they compute is told in worker/trainer/adapters/composition.h.
enum class Method : std::uint8_t { kAdditive, kGated, kSequential };

/// How much of an adapter takes part: 1 is all of it, 0 nothing. Finite numbers.
struct Weights {
  std::vector<double> layers = {1};  ///< one for all layers, or one for each
  double head = 1;                   ///< of the output head

  double OfLayer(std::size_t layer) const { return layers[layers.size() == 1 ? 0 : layer]; }
  /// Whether it is one number for everything.
  bool IsOne() const { return layers.size() == 1 && layers[0] == head; }
};

struct Member {
  std::string adapter;  ///< as it is named: a folder, a name, a job
  Weights weights;
};

struct Composition {
  std::string name;  ///< as errors and answers call it; may be empty
  Method method = Method::kAdditive;
  std::vector<Member> members;
};

}  // namespace lathe::composition
