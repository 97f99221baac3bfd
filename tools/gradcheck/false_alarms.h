// Does gradcheck cry wolf? Every op is right (that is checked elsewhere), so at any point of its domain it must pass.
#pragma once

#include <gradus/autograd/op.h>

#include <string>
#include <vector>

namespace gradus::tools {

/// The sample at another point: each real input gets numbers that lie, at random, between two of its own; seed 0 keeps them.
Sample elsewhere(const Sample& s, std::uint64_t seed);

/// First and second order for seeds first .. first + count - 1, which choose the point, the directions and the redraws; the
/// samples take turns. One message for each check that does not pass, unless the function is constant there.
std::vector<std::string> false_alarms(const OpInfo& op, int first, int count);

}  // namespace gradus::tools
