// A sample of an op in other sizes: none, one, many. Which axes belong together is not known here: every guess is a
// candidate, and the op refuses those that do not fit.
#pragma once

#include <gradus/autograd/op.h>

namespace gradus::tools {

/// Every axis of every input `length` long.
Sample resized_all(const Sample& s, std::int64_t length);

/// Axes `length` long: all; those of one length together; the first of every input; each by itself. Integer inputs with
/// their own values again and again, and with zeros.
Samples resized_to(const Sample& s, std::int64_t length);

/// The sample itself stands first if it has such an input already.
///
/// enlarged(): so many elements that several threads share the work, where a test of small sizes shows that they are
/// accepted.
Samples enlarged(const Sample& s);

/// A large sample for differences: 48 elements of each real input, far apart, are the leaves, the others constants. If all
/// were moved at once some would always be beside a kink.
Sample few_of(const Sample& s);

/// 0-d inputs: all; those that are real; each real one by itself.
Samples without_axes(const Sample& s);

}  // namespace gradus::tools
