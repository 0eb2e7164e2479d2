// The keys of tcpflowkiller, in our form and in the predecessor's. For load.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostics.h"
#include "config/fields.h"
#include "config/read_file.h"
#include "config/types.h"

namespace cryptnono::config {

// Reads the mapping `tcpflowkiller`. `file`: index into Config::files.
void read_tcpflowkiller(Fields& fields, std::string_view name, Document::Value value,
                        std::uint16_t file, Tcpflowkiller& out);

// Named groups that may ban addresses: the kernel side has a bit for each, less two
// (FLOW_GROUP_NAMED, bpf/api/flow.h).
inline constexpr std::size_t kMaxAddressGroups = 62;

// Reads the list `bannedAddresses` of a group; entries are appended to `out`. They are secret: no
// message quotes one.
void read_banned_addresses(Fields& fields, std::string_view name, Document::Value list,
                           std::uint16_t file, std::vector<AddressRange>& out);
// Adds a group with its bans, behind those that are there. Without bans it is none.
void add_address_group(AddressGroup group, std::vector<AddressRange> bans, Tcpflowkiller& out);
// Of a whole configuration: too many groups, or bans of groups that nothing looks for.
void check_address_groups(const Config& config, Diagnostics& diagnostics);

// Reads the mapping `FlowKiller`, the predecessor's, which switches the detector on. Its
// `metrics_port` and `debug` are settings of the whole.
void read_flowkiller(Fields& fields, std::string_view name, Document::Value value, Config& out);

// Reads every file that the patterns of ban_files and allow_files match, behind the entries of the
// configuration. The files are appended to config.files. A pattern with wildcards that matches
// nothing is a warning, a file that is not there an error.
void read_address_lists(Config& config, Diagnostics& diagnostics, const ReadFile& read_file);

}  // namespace cryptnono::config
