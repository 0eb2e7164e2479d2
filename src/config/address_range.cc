#include "config/address_range.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace cryptnono::config {

namespace {

using Address = std::array<std::uint8_t, 16>;

constexpr std::size_t kMappedBytes = 12;  // of ::ffff:a.b.c.d, before the IPv4 address

std::optional<Address> parse_address(std::string_view text, bool& written_as_v4) {
  const std::string copy(text);  // inet_pton wants a NUL behind
  Address out{};
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  written_as_v4 = inet_pton(AF_INET, copy.c_str(), out.data() + kMappedBytes) == 1;
  if (written_as_v4) {
    out[10] = out[11] = 0xff;
    return out;
  }
  if (inet_pton(AF_INET6, copy.c_str(), out.data()) == 1) return out;
  return std::nullopt;
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

// Takes ":port" off the end: of IPv4, or behind brackets, which it takes off too. False: a port
// that is none.
bool split_port(std::string_view& text, std::uint16_t& port) {
  const bool brackets = text.starts_with('[');
  const std::size_t close = text.find(']');
  std::string_view rest;
  if (brackets) {
    if (close == std::string_view::npos) return false;
    rest = text.substr(close + 1);
    text = text.substr(1, close - 1);
    if (rest.empty()) return true;
  } else {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
      return true;
    rest = text.substr(colon);
    text = text.substr(0, colon);
  }
  if (!rest.starts_with(':')) return false;
  const auto number = parse_number(rest.substr(1), 65535);
  if (!number || *number == 0) return false;
  port = static_cast<std::uint16_t>(*number);
  return true;
}

void clear_bits(Address& address, std::uint32_t from, bool set) {
  for (std::uint32_t bit = from; bit < 128; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    std::uint8_t& byte = address[bit / 8];
    byte = static_cast<std::uint8_t>(set ? byte | mask : byte & ~mask);
  }
}

}  // namespace

bool is_v4(const Address& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](auto byte) { return byte == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

std::string parse_address_range(std::string_view text, AddressRange& out) {
  AddressRange range;
  std::string_view rest = text;
  if (!split_port(rest, range.port)) return "not followed by a port from 1 to 65535";
  const std::size_t slash = rest.find('/');
  bool written_as_v4 = false;
  const auto address = parse_address(rest.substr(0, slash), written_as_v4);
  if (!address) return "neither an IPv4 nor an IPv6 address, nor a range in CIDR form";
  const std::uint32_t bits = written_as_v4 ? 32 : 128;
  std::uint32_t prefix = bits;
  if (slash != std::string_view::npos) {
    const auto length = parse_number(rest.substr(slash + 1), bits);
    if (!length) return fmt::format("not followed by a prefix length from 0 to {}", bits);
    prefix = *length;
  }
  const std::uint32_t fixed = prefix + (128 - bits);
  range.first = range.last = *address;
  clear_bits(range.first, fixed, false);
  clear_bits(range.last, fixed, true);
  if (range.first != *address) {
    return fmt::format("an address within a range; the range is {}/{}", address_text(range.first),
                       prefix);
  }
  out.first = range.first;
  out.last = range.last;
  out.port = range.port;
  return {};
}

bool names(const AddressRange& range, const Address& address, std::uint16_t port) {
  return range.first <= address && address <= range.last && is_v4(range.first) == is_v4(address) &&
         (range.port == 0 || range.port == port);
}

bool narrower(const AddressRange& a, const AddressRange& b) {
  // In CIDR form one is within the other.
  if (a.first != b.first || a.last != b.last) return a.first >= b.first && a.last <= b.last;
  return a.port != 0 && b.port == 0;
}

std::string address_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = is_v4(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? kMappedBytes : 0), text.data(),
            text.size());
  return text.data();
}

std::string range_text(const AddressRange& range) {
  const bool v4 = is_v4(range.first);
  std::uint32_t prefix = v4 ? 32 : 128;
  for (std::uint32_t bit = 128; bit-- > 0;) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    if (((range.first[bit / 8] ^ range.last[bit / 8]) & mask) == 0) break;
    --prefix;
  }
  std::string out = address_text(range.first);
  if (range.first != range.last) out += fmt::format("/{}", prefix);
  if (range.port == 0) return out;
  return v4 ? fmt::format("{}:{}", out, range.port) : fmt::format("[{}]:{}", out, range.port);
}

void parse_address_list(std::string_view name, std::string_view text, std::uint16_t file,
                        Diagnostics& diagnostics, std::vector<AddressRange>& out) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::uint32_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    std::string_view entry = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    entry = entry.substr(0, entry.find('#'));
    const std::size_t begin = entry.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) continue;
    entry = entry.substr(begin, entry.find_last_not_of(kBlanks) - begin + 1);
    AddressRange range;
    const auto column = static_cast<std::uint32_t>(begin + 1);
    const std::string wrong = parse_address_range(entry, range);
    if (!wrong.empty()) {
      diagnostics.error(name, {line, column}, fmt::format("{} is {}", show_value(entry), wrong));
      continue;
    }
    constexpr std::uint32_t kMaxColumn = std::numeric_limits<decltype(Origin::column)>::max();
    range.origin = {.file = file,
                    .column = static_cast<std::uint16_t>(std::min(column, kMaxColumn)),
                    .line = line};
    out.push_back(range);
  }
}

std::vector<AddressRange> private_ranges() {
  std::vector<AddressRange> out;
  for (const std::string_view text :
       {"0.0.0.0/8",       "10.0.0.0/8",     "127.0.0.0/8",   "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/29",    "192.0.0.170/31", "192.0.2.0/24",  "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",   "::1/128",        "::/128",
        "100::/64",        "2001::/23",      "2001:db8::/32", "fc00::/7",       "fe80::/10"}) {
    AddressRange range;
    // The table is right: address_range_test reads it.
    if (parse_address_range(text, range).empty()) out.push_back(range);
  }
  return out;
}

}  // namespace cryptnono::config
