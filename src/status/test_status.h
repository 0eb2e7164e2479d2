// A status that has something of everything, for tests; its texts are hostile.
#pragma once

#include "status/status.h"

namespace cryptnono::status {

// Steers a terminal, turns letters around, is not UTF-8, and closes what JSON and HTML open.
inline const std::string kHostile =
    "a\x1b[2J\x1b]0;owned\x07\xc2\x9b"
    "31m\r\n\t\x08\x7f\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf\xff\xc3(\xed\xa0\x80\"'</script>&\\";

inline Status full_status() {
  Status out;
  out.version = "0.1.0";
  out.node = "node-1";
  out.kernel = "6.1.0-18-amd64";
  out.now = 1'764'000'123.5;
  out.started_at = 1'764'000'000;
  out.uptime_s = 123.5;
  out.not_ready = {"monero: the last canary survived"};
  out.config = {.generation = 3,
                .loaded_at = 1'764'000'001,
                .last_reload_ok = false,
                .last_reload_errors = {"/etc/a.yaml:1:2: wrong"},
                .files = {"/etc/a.yaml"},
                .dry_run = true,
                .scope_cgroups = 2};
  Detector& exec = out.detectors.emplace_back();
  exec.name = "execwhacker";
  exec.enabled = exec.up = true;
  exec.hook = "killed in the kernel at exec";
  exec.rules = {{"allowed-pattern", 2}, {"banned", 6120}};
  exec.canary = {.result = "passed",
                 .at = 1'764'000'100,
                 .passed_at = 1'764'000'100,
                 .lived_ms = 0.4,
                 .why = ""};
  exec.counts = {.checked = 100,
                 .killed = 11,
                 .reported = 12,
                 .spared = 13,
                 .protects = 14,
                 .missed = 15,
                 .failed = 16,
                 .suppressed = 17};
  exec.lost = {{"events-ring-full", 18}};
  exec.limit = {.targets = 20, .max_targets = 20, .window_s = 60, .reached = true};
  Detector& monero = out.detectors.emplace_back();
  monero.name = "monero";
  monero.enabled = true;
  monero.why = "no such hook";
  monero.canary = {.result = "survived", .at = 1'764'000'120, .why = "lived for 2 s"};
  out.missing = {{.what = "real-time priority",
                  .effect = "RandomX is found later",
                  .remedy = "add CAP_SYS_NICE",
                  .why = "EPERM"}};
  out.rollouts = {{.group = "pools",
                   .would = "kill-tree",
                   .reports = true,
                   .until = 1'798'070'400,
                   .clean_days = 7,
                   .clean_s = 90'000,
                   .would_have_killed = 3,
                   .last_would_at = 1'763'910'123},
                  {.group = "old", .would = "kill"}};
  out.kills = {{.at = 1'764'000'050.25,
                .detector = "execwhacker",
                .action = "killed",
                .rule = "default:3:5",
                .latency_us = 14.2,
                .who = {.cmdline = kHostile,
                        .pid = 7,
                        .uid = 1000,
                        .executable = kHostile,
                        .pod_namespace = "hub" + kHostile,
                        .pod = kHostile,
                        .container = kHostile,
                        .image = kHostile}}};
  out.history = {
      .step_s = 10,
      .until = 1'764'000'130,
      .series = {{"execwhacker", {.killed = {0, 1}, .reported = {2, 0}, .lost = {0, 3}}}}};
  out.details = true;
  return out;
}

}  // namespace cryptnono::status
