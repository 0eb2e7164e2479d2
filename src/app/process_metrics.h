// process_*: what the daemon itself costs, under the names and with the meaning that Prometheus'
// client libraries have.
#pragma once

#include "metrics/exposition.h"

namespace cryptnono::app {

// Reads /proc/self. What cannot be read is left out. Any thread.
void collect_process(metrics::Exposition& out);

}  // namespace cryptnono::app
