#include "detect/flow/flow_tables.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "config/address_range.h"

namespace {
struct flow_view;
static const __u32* flow_page(const struct flow_view* view, __u32 index);
#include "bpf/lib/flow_table.h"
const __u32* flow_page(const struct flow_view* view, __u32 index) {
  return static_cast<const __u32*>(view->tables) + std::size_t{index} * FLOW_PAGE_WORDS;
}
}  // namespace

namespace cryptnono::detect {

namespace {

using Address = std::array<std::uint8_t, 16>;

// An IPv6 address in host order.
struct Key6 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads the comparison
  auto operator<=>(const Key6&) const = default;
};
using Key4 = std::uint32_t;

// What a range does: the bit of a group that bans it, or one of these.
constexpr std::uint8_t kAllow = MATCH_MAX_GROUPS;
constexpr std::uint8_t kIgnore = MATCH_MAX_GROUPS + 1;

// Where a range begins or ends. 8 bytes for IPv4: there may be millions.
template <typename Key>
struct Edge {
  Key key;
  std::uint16_t port = 0;
  std::uint8_t does = FLOW_GROUP_BANNED;
  bool begin = true;
};

template <typename Key>
struct Segment {
  Key first, last;
  std::uint32_t what = 0;
};

std::optional<Key4> after(Key4 key) {
  if (key == UINT32_MAX) return std::nullopt;
  return key + 1;
}

std::optional<Key6> after(Key6 key) {
  if (key.low != UINT64_MAX) return Key6{key.high, key.low + 1};
  if (key.high == UINT64_MAX) return std::nullopt;
  return Key6{key.high + 1, 0};
}

Key4 last_key(Key4) { return UINT32_MAX; }
Key6 last_key(Key6) { return {UINT64_MAX, UINT64_MAX}; }

Key4 before(Key4 key) { return key - 1; }
Key6 before(Key6 key) {
  return key.low != 0 ? Key6{key.high, key.low - 1} : Key6{key.high - 1, UINT64_MAX};
}

// Ports of one address that the same groups ban.
struct PortRange {
  std::uint32_t ports = 0;  // first << 16 | last
  std::uint64_t groups = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads the comparison
  auto operator<=>(const PortRange&) const = default;
};

// Lists of port ranges, each kept once; what the tables' `what` refers to.
class PortLists {
 public:
  using List = std::vector<PortRange>;

  Result<std::uint32_t> find(const List& list) {
    if (list.empty()) return FLOW_PORTS_NONE;
    if (list.size() == 1 && list[0] == PortRange{0xffff, bit_mask(FLOW_GROUP_BANNED)})
      return FLOW_PORTS_ALL;
    if (list.size() > FLOW_PORT_RANGES_MAX) {
      return fail("more than " + std::to_string(FLOW_PORT_RANGES_MAX) +
                      " ranges of banned ports at one address",
                  ExitCode::kConfig);
    }
    const auto [found, fresh] =
        known_.try_emplace(list, static_cast<std::uint32_t>(words_.size() + 1));
    if (fresh) {
      words_.push_back(static_cast<std::uint32_t>(list.size()));
      for (const PortRange& each : list) {
        words_.insert(words_.end(), {each.ports, static_cast<std::uint32_t>(each.groups),
                                     static_cast<std::uint32_t>(each.groups >> 32)});
      }
    }
    return found->second;
  }
  [[nodiscard]] const std::vector<std::uint32_t>& words() const { return words_; }

 private:
  std::map<List, std::uint32_t> known_;
  std::vector<std::uint32_t> words_;
};

// What covers the address at which a sweep over the edges has arrived.
class Cover {
 public:
  template <typename Key>
  void pass(const Edge<Key>& edge) {
    const int step = edge.begin ? 1 : -1;
    if (edge.port == 0) {
      int& all = all_.at(edge.does);
      all += step;
      if (edge.does >= MATCH_MAX_GROUPS) return;
      if (all > 0)
        banned_ |= bit_mask(edge.does);
      else
        banned_ &= ~bit_mask(edge.does);
    } else {
      const auto at = std::pair(edge.port, edge.does);
      if ((ports_[at] += step) == 0) ports_.erase(at);
    }
  }

  [[nodiscard]] Result<std::uint32_t> what(PortLists& lists) const {
    const std::uint32_t uncounted = all_.at(kIgnore) > 0 ? FLOW_UNCOUNTED : 0;
    return TRY(lists.find(banned_ports())) | uncounted;
  }

 private:
  [[nodiscard]] PortLists::List banned_ports() const {
    PortLists::List list;
    if (all_.at(kAllow) > 0) return list;
    const auto put = [&list](std::uint32_t first, std::uint32_t last, std::uint64_t groups) {
      if (groups == 0 || first > last) return;
      if (!list.empty() && list.back().groups == groups &&
          (list.back().ports & 0xffff) + 1 == first) {
        list.back().ports += last - first + 1;
      } else {
        list.push_back({.ports = first << 16 | last, .groups = groups});
      }
    };
    std::uint32_t next = 0;
    for (auto each = ports_.begin(); each != ports_.end();) {
      const std::uint32_t port = each->first.first;
      std::uint64_t groups = banned_;
      bool allowed = false;
      for (; each != ports_.end() && each->first.first == port; ++each) {
        const std::uint8_t does = each->first.second;
        if (does < MATCH_MAX_GROUPS) groups |= bit_mask(does);
        allowed = allowed || does == kAllow;
      }
      if (port > next) put(next, port - 1, banned_);
      put(port, port, allowed ? 0 : groups);
      next = port + 1;
    }
    put(next, 0xffff, banned_);
    return list;
  }

  std::array<int, MATCH_MAX_GROUPS + 2> all_{};  // by `does`, of entries for every port
  std::uint64_t banned_ = 0;                     // the groups of which there is one
  // Of entries for one port: how many of each.
  std::map<std::pair<std::uint16_t, std::uint8_t>, int> ports_;
};

template <typename Key>
Result<std::vector<Segment<Key>>> sweep(std::vector<Edge<Key>> edges, PortLists& lists) {
  std::sort(edges.begin(), edges.end(),
            [](const Edge<Key>& a, const Edge<Key>& b) { return a.key < b.key; });
  std::vector<Segment<Key>> segments;
  Cover cover;
  std::uint32_t what = 0;
  for (std::size_t i = 0; i < edges.size();) {
    const Key key = edges[i].key;
    for (; i < edges.size() && edges[i].key == key; ++i) cover.pass(edges[i]);
    const std::uint32_t now = TRY(cover.what(lists));
    if (now == what) continue;
    if (what != 0) segments.back().last = before(key);
    // Until an edge says otherwise it goes to the end of the address space.
    if (now != 0) segments.push_back({.first = key, .last = {}, .what = now});
    what = now;
  }
  if (what != 0) {
    segments.back().last = last_key(Key{});
  }
  return segments;
}

std::uint32_t word_of(const Address& address, std::size_t index) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) word = word << 8 | address[4 * index + i];
  return word;
}

Key4 key4(const Address& address) { return word_of(address, 3); }
Key6 key6(const Address& address) {
  return {std::uint64_t{word_of(address, 0)} << 32 | word_of(address, 1),
          std::uint64_t{word_of(address, 2)} << 32 | word_of(address, 3)};
}

struct Edges {
  std::vector<Edge<Key4>> v4;
  std::vector<Edge<Key6>> v6;

  void add(const config::AddressRange& range, std::uint8_t does) {
    if (config::is_v4(range.first)) {
      add(v4, key4(range.first), after(key4(range.last)), range.port, does);
    } else {
      add(v6, key6(range.first), after(key6(range.last)), range.port, does);
    }
  }

 private:
  template <typename Key>
  static void add(std::vector<Edge<Key>>& edges, Key first, std::optional<Key> end,
                  std::uint16_t port, std::uint8_t does) {
    edges.push_back({.key = first, .port = port, .does = does, .begin = true});
    if (end) edges.push_back({.key = *end, .port = port, .does = does, .begin = false});
  }
};

// The top 64 bits, by which the index is made.
std::uint64_t top_bits(Key4 key) { return std::uint64_t{key} << 32; }
std::uint64_t top_bits(const Key6& key) { return key.high; }

}  // namespace

class FlowTableWriter {
 public:
  FlowTableWriter() { tables_.words_.resize(sizeof(flow_header) / sizeof(std::uint32_t)); }

  template <typename Key>
  flow_family put(const std::vector<Segment<Key>>& segments) {
    flow_family family{};
    family.segments = static_cast<std::uint32_t>(segments.size());
    if (segments.empty()) return family;
    if constexpr (sizeof(Key) == sizeof(Key6)) {
      const std::uint64_t first = top_bits(segments.front().first);
      const std::uint64_t differ = first ^ top_bits(segments.back().last);
      // Of the top 64 bits the index takes up to FLOW_INDEX_BITS_MAX.
      family.skip = std::min(static_cast<std::uint32_t>(std::countl_zero(differ)), 44U);
      if (family.skip != 0) family.prefix = first >> (64 - family.skip);
    }
    family.index_bits =
        std::clamp<std::uint32_t>(static_cast<std::uint32_t>(std::bit_width(segments.size()) - 1),
                                  FLOW_INDEX_BITS_MIN, FLOW_INDEX_BITS_MAX);
    family.index = put_index(segments, family);
    constexpr std::uint32_t kWords = sizeof(Key) == sizeof(Key6) ? FLOW_WORDS6 : FLOW_WORDS4;
    align(kWords);
    family.first = static_cast<std::uint32_t>(tables_.words_.size());
    for (const Segment<Key>& segment : segments) put_segment(segment);
    return family;
  }

  FlowTables finish(flow_header header, const std::vector<std::uint32_t>& ports) {
    std::vector<std::uint32_t>& words = tables_.words_;
    header.ports = static_cast<std::uint32_t>(words.size());
    words.insert(words.end(), ports.begin(), ports.end());
    align(FLOW_PAGE_WORDS);
    std::memcpy(words.data(), &header, sizeof header);
    return std::move(tables_);
  }

 private:
  void align(std::size_t words) {
    tables_.words_.resize((tables_.words_.size() + words - 1) / words * words);
  }

  void put_segment(const Segment<Key4>& segment) {
    tables_.words_.insert(tables_.words_.end(), {segment.first, segment.last, segment.what, 0});
  }
  void put_segment(const Segment<Key6>& segment) {
    for (const Key6& key : {segment.first, segment.last}) {
      for (const std::uint64_t half : {key.high, key.low}) {
        tables_.words_.push_back(static_cast<std::uint32_t>(half >> 32));
        tables_.words_.push_back(static_cast<std::uint32_t>(half));
      }
    }
    tables_.words_.push_back(segment.what);
    align(FLOW_WORDS6);
  }

  // For each value of the index bits, how many segments begin below it.
  template <typename Segments>
  std::uint32_t put_index(const Segments& segments, const flow_family& family) {
    const std::size_t buckets = std::size_t{1} << family.index_bits;
    const auto begin = static_cast<std::uint32_t>(tables_.words_.size());
    std::uint32_t segment = 0;
    for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
      while (segment < segments.size() && (top_bits(segments[segment].first) << family.skip) >>
                                              (64 - family.index_bits) < bucket)
        ++segment;
      tables_.words_.push_back(segment);
    }
    tables_.words_.push_back(static_cast<std::uint32_t>(segments.size()));
    return begin;
  }

  FlowTables tables_;
};

Result<FlowTables> FlowTables::build(const config::Tcpflowkiller& config, const FlowGroups& groups,
                                     const std::optional<config::AddressRange>& canary) {
  Edges edges;
  for (const config::AddressRange& each : config.bans) {
    const bool named = each.group < groups.bits().size();
    edges.add(each, named ? groups.bits()[each.group] : std::uint8_t{FLOW_GROUP_BANNED});
  }
  if (canary) edges.add(*canary, FLOW_GROUP_BANNED);
  for (const config::AddressRange& each : config.allowed) edges.add(each, kAllow);
  for (const config::AddressRange& each : config.scan.ignore) edges.add(each, kIgnore);
  PortLists lists;
  const auto v4 = TRY(sweep(std::move(edges.v4), lists));
  const auto v6 = TRY(sweep(std::move(edges.v6), lists));
  if (v4.size() > FLOW_SEGMENTS_MAX || v6.size() > FLOW_SEGMENTS_MAX ||
      lists.words().size() >= FLOW_PORTS_ALL - 1) {
    return fail("too many banned addresses", ExitCode::kConfig);
  }
  FlowTableWriter writer;
  flow_header header{};
  header.generation = groups.generation();
  header.v4 = writer.put(v4);
  header.v6 = writer.put(v6);
  return writer.finish(header, lists.words());
}

std::size_t FlowTables::segments() const {
  const auto& header = *reinterpret_cast<const flow_header*>(words_.data());
  return std::size_t{header.v4.segments} + header.v6.segments;
}

FlowVerdict FlowTables::look_up(const Address& address, std::uint16_t port) const {
  const auto& header = *reinterpret_cast<const flow_header*>(words_.data());
  flow_search search{};
  search.view = {.tables = const_cast<std::uint32_t*>(words_.data()), .page = words_.data()};
  for (std::size_t i = 0; i < 4; ++i) search.address[i] = word_of(address, i);
  search.is_v4 = config::is_v4(address) ? 1 : 0;
  if (flow_search_begin(&search, search.is_v4 != 0 ? &header.v4 : &header.v6) == 0) return {};
  while (flow_search_step(&search) == 0) {
  }
  const std::uint32_t what = flow_search_end(&search);
  FlowVerdict verdict{.groups = 0, .counted = (what & FLOW_UNCOUNTED) == 0};
  if ((what & FLOW_PORTS_MASK) == FLOW_PORTS_NONE) return verdict;
  if ((what & FLOW_PORTS_MASK) == FLOW_PORTS_ALL) {
    verdict.groups = bit_mask(FLOW_GROUP_BANNED);
    return verdict;
  }
  flow_port_search ports{};
  ports.view = search.view;
  ports.port = port;
  flow_port_begin(&ports, header.ports, what);
  for (std::uint32_t i = 0; flow_port_step(i, &ports) == 0; ++i) {
  }
  verdict.groups = flow_port_groups(&ports);
  return verdict;
}

void FlowTables::set_kill_groups(std::uint64_t groups) {
  reinterpret_cast<flow_header*>(words_.data())->kill_groups = groups;
}

}  // namespace cryptnono::detect
