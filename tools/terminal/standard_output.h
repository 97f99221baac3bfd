// A program whose output is lost (a full disk, a closed pipe) must not end as if all were well.
#pragma once

namespace gradus::tools {

/// To be called first in main: opens /dev/null for whichever of the descriptors 0 to 2 is closed, so that no file that is
/// opened later can be taken for standard output.
void open_standard_streams();

/// To be returned from main: `result`, or 1 after a word on standard error if not all of standard output was written.
int after_output(int result);

}  // namespace gradus::tools
