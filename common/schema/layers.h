#pragma once
// Configurations on top of each other: a template below, what a person says above it. Pure and
// thread-safe.

#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {

/// `below` with everything that `above` sets. Lists and sets are replaced as a whole, maps entry by
/// entry.
v1::JobConfiguration Overlay(const v1::JobConfiguration& below, const v1::JobConfiguration& above);

}  // namespace lathe::schema
