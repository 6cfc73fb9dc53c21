#include "common/base/version.h"

namespace lathe {

const char* Version() {
  return LATHE_VERSION;
}

}  // namespace lathe
