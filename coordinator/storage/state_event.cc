#include "coordinator/storage/state_event.h"

#include <nlohmann/json.hpp>

namespace lathe::storage {

StoredEvent ToStored(const core::StateEvent& event) {
  const nlohmann::json fields = {{"type", "state"},
                                 {"time", ToRfc3339(event.time)},
                                 {"state", ToString(event.state)},
                                 {"reason", domain::Sentence(event.reason)},
                                 {"reasonCode", ToString(event.reason.code)}};
  // A reason may quote a trainer's words, which need not be UTF-8.
  return {event.id, "state", event.time,
          fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace lathe::storage
