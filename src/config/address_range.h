// AddressRange: the addresses that one entry of a list names, with its port.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.h"
#include "config/types.h"

namespace cryptnono::config {

// The form of one entry:
//   192.0.2.1   192.0.2.0/24   192.0.2.1:3333   192.0.2.0/24:3333
//   2001:db8::1   2001:db8::/32   [2001:db8::1]:3333   [2001:db8::/32]:3333
// ::ffff:a.b.c.d is the IPv4 address. On error returns what is wrong with it, in words that follow
// "... is"; `out` is then as it was. The origin is left to the caller.
[[nodiscard]] std::string parse_address_range(std::string_view text, AddressRange& out);

// Is this address of AddressRange's form one of IPv4, ::ffff:a.b.c.d?
[[nodiscard]] bool is_v4(const std::array<std::uint8_t, 16>& address);

// Does the entry name this address and port? IPv4 and IPv6 have nothing in common: ::/0 names no
// IPv4 address.
[[nodiscard]] bool names(const AddressRange& range, const std::array<std::uint8_t, 16>& address,
                         std::uint16_t port);

// Of two entries that name the same address: does `a` name less than `b`? Fewer addresses first,
// then a port.
[[nodiscard]] bool narrower(const AddressRange& a, const AddressRange& b);

// "192.0.2.1" or "2001:db8::1" of an address of AddressRange's form.
[[nodiscard]] std::string address_text(const std::array<std::uint8_t, 16>& address);

// An entry in its shortest form: what parse_address_range() reads as this one.
[[nodiscard]] std::string range_text(const AddressRange& range);

// One entry a line, `#` begins a comment, blank lines and a byte order mark do not count. Each
// mistake is an error at its line and column. `file` goes into the origins.
void parse_address_list(std::string_view name, std::string_view text, std::uint16_t file,
                        Diagnostics& diagnostics, std::vector<AddressRange>& out);

// What Python's ipaddress.is_private (3.11) says, the predecessor's choice of what a scan does not
// count; but for ::ffff:0:0/96, which would be a way round.
[[nodiscard]] std::vector<AddressRange> private_ranges();

}  // namespace cryptnono::config
