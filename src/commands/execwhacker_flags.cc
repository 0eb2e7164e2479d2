#include "commands/execwhacker_flags.h"

#include <cstdint>
#include <string>

namespace cryptnono::commands {

void add_execwhacker_flags(CLI::App& command, app::RunOptions& options) {
  constexpr auto kGroup = "Settings of the predecessor's execwhacker";
  command
      .add_flag_callback(
          "--debug", [&options] { options.log_level = config::LogLevel::kDebug; },
          "As --log-level debug")
      ->group(kGroup);
  command
      .add_option_function<double>(
          "--scan-existing", [&options](double seconds) { options.scan_interval_s = seconds; },
          "As --scan-interval")
      ->check(CLI::NonNegativeNumber)
      ->group(kGroup);
  command
      .add_option_function<std::uint16_t>(
          "--serve-metrics-port",
          [&options](std::uint16_t port) {
            if (port != 0) options.metrics_listen.push_back(":" + std::to_string(port));
          },
          "As --metrics-listen :PORT; 0: nowhere")
      ->group(kGroup);
  constexpr auto kNoEffect = "No effect";
  for (const char* const name : {"--max-args", "--threadpool-size"}) {
    command
        .add_option_function<std::uint32_t>(
            name, [](std::uint32_t) {}, kNoEffect)
        ->group(kGroup);
  }
  command
      .add_flag_callback(
          "--lookup-container", [] {}, kNoEffect)
      ->group(kGroup);
}

}  // namespace cryptnono::commands
