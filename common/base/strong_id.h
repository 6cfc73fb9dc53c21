#pragma once
// Distinct types for distinct identifiers, so that swapped arguments do not compile.
//
//   using JobId = StrongId<struct JobIdTag, std::string>;

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <utility>

namespace lathe {

template <class Tag, class Rep = std::uint64_t>
class StrongId {
 public:
  using rep = Rep;

  StrongId() = default;
  explicit StrongId(Rep value) : value_(std::move(value)) {}

  const Rep& value() const { return value_; }

  friend auto operator<=>(const StrongId&, const StrongId&) = default;
  friend bool operator==(const StrongId&, const StrongId&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongId& id) {
    return out << id.value_;
  }

 private:
  Rep value_{};
};

}  // namespace lathe

template <class Tag, class Rep>
struct std::hash<lathe::StrongId<Tag, Rep>> {
  std::size_t operator()(const lathe::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
