// Capabilities of this process (capabilities(7)).
#pragma once

namespace cryptnono {

// Whether this thread has the capability `number` (CAP_* of linux/capability.h) in its effective
// set. Not known is as good as had: what needs it then says so itself. Any thread.
bool has_capability(unsigned number);

}  // namespace cryptnono
