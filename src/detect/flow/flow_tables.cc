#include "detect/flow/flow_tables.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstring>
#include <map>
#include <optional>
#include <string>

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

enum class Kind : std::uint8_t { kBan, kAllow, kIgnore };

// Where a range begins or ends. 8 bytes for IPv4: there may be millions.
template <typename Key>
struct Edge {
  Key key;
  std::uint16_t port = 0;
  Kind kind = Kind::kBan;
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

// Lists of port ranges, each kept once; what the tables' `what` refers to.
class PortLists {
 public:
  using List = std::vector<std::uint32_t>;  // first << 16 | last

  Result<std::uint32_t> find(const List& list) {
    if (list.empty()) return FLOW_PORTS_NONE;
    if (list.size() == 1 && list[0] == 0xffff) return FLOW_PORTS_ALL;
    if (list.size() > FLOW_PORT_RANGES_MAX) {
      return fail("more than " + std::to_string(FLOW_PORT_RANGES_MAX) +
                      " ranges of banned ports at one address",
                  ExitCode::kConfig);
    }
    const auto [found, fresh] = known_.emplace(list, static_cast<std::uint32_t>(words_.size() + 1));
    if (fresh) {
      words_.push_back(static_cast<std::uint32_t>(list.size()));
      words_.insert(words_.end(), list.begin(), list.end());
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
    Count& count = counts_[static_cast<std::size_t>(edge.kind)];
    if (edge.port == 0) {
      count.all += step;
    } else if ((count.ports[edge.port] += step) == 0) {
      count.ports.erase(edge.port);
    }
  }

  [[nodiscard]] Result<std::uint32_t> what(PortLists& lists) const {
    const std::uint32_t uncounted = count(Kind::kIgnore).all > 0 ? FLOW_UNCOUNTED : 0;
    return TRY(lists.find(banned_ports())) | uncounted;
  }

 private:
  struct Count {
    int all = 0;
    std::map<std::uint16_t, int> ports;
  };
  [[nodiscard]] const Count& count(Kind kind) const {
    return counts_[static_cast<std::size_t>(kind)];
  }

  [[nodiscard]] PortLists::List banned_ports() const {
    const Count& ban = count(Kind::kBan);
    const Count& allow = count(Kind::kAllow);
    PortLists::List list;
    if (allow.all > 0) return list;
    if (ban.all > 0) {
      std::uint32_t next = 0;
      for (const auto& [port, unused] : allow.ports) {
        if (port > next) list.push_back(next << 16 | (port - 1U));
        next = port + 1U;
      }
      if (next <= 0xffff) list.push_back(next << 16 | 0xffff);
      return list;
    }
    for (const auto& [port, unused] : ban.ports) {
      if (allow.ports.contains(port)) continue;
      if (!list.empty() && (list.back() & 0xffff) + 1 == port) {
        ++list.back();
      } else {
        list.push_back(std::uint32_t{port} << 16 | port);
      }
    }
    return list;
  }

  std::array<Count, 3> counts_;
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

bool is_v4(const Address& address) {
  return word_of(address, 0) == 0 && word_of(address, 1) == 0 && word_of(address, 2) == 0xffff;
}

Key4 key4(const Address& address) { return word_of(address, 3); }
Key6 key6(const Address& address) {
  return {std::uint64_t{word_of(address, 0)} << 32 | word_of(address, 1),
          std::uint64_t{word_of(address, 2)} << 32 | word_of(address, 3)};
}

struct Edges {
  std::vector<Edge<Key4>> v4;
  std::vector<Edge<Key6>> v6;

  void add(const std::vector<config::AddressRange>& ranges, Kind kind) {
    for (const config::AddressRange& range : ranges) {
      if (is_v4(range.first)) {
        add(v4, key4(range.first), after(key4(range.last)), range.port, kind);
      } else {
        add(v6, key6(range.first), after(key6(range.last)), range.port, kind);
      }
    }
  }

 private:
  template <typename Key>
  static void add(std::vector<Edge<Key>>& edges, Key first, std::optional<Key> end,
                  std::uint16_t port, Kind kind) {
    edges.push_back({.key = first, .port = port, .kind = kind, .begin = true});
    if (end) edges.push_back({.key = *end, .port = port, .kind = kind, .begin = false});
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

Result<FlowTables> FlowTables::build(const config::Tcpflowkiller& config, std::uint32_t generation,
                                     const std::optional<config::AddressRange>& canary) {
  Edges edges;
  edges.add(config.bans, Kind::kBan);
  if (canary) edges.add({*canary}, Kind::kBan);
  edges.add(config.allowed, Kind::kAllow);
  edges.add(config.scan.ignore, Kind::kIgnore);
  PortLists lists;
  const auto v4 = TRY(sweep(std::move(edges.v4), lists));
  const auto v6 = TRY(sweep(std::move(edges.v6), lists));
  if (v4.size() > FLOW_SEGMENTS_MAX || v6.size() > FLOW_SEGMENTS_MAX ||
      lists.words().size() >= FLOW_PORTS_ALL - 1) {
    return fail("too many banned addresses", ExitCode::kConfig);
  }
  FlowTableWriter writer;
  flow_header header{};
  header.generation = generation;
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
  search.is_v4 = is_v4(address) ? 1 : 0;
  if (flow_search_begin(&search, search.is_v4 != 0 ? &header.v4 : &header.v6) == 0) return {};
  while (flow_search_step(&search) == 0) {
  }
  const std::uint32_t what = flow_search_end(&search);
  FlowVerdict verdict{.banned = (what & FLOW_PORTS_MASK) == FLOW_PORTS_ALL,
                      .counted = (what & FLOW_UNCOUNTED) == 0};
  if ((what & FLOW_PORTS_MASK) == FLOW_PORTS_NONE || verdict.banned) return verdict;
  flow_port_search ports{};
  ports.view = search.view;
  ports.port = port;
  flow_port_begin(&ports, header.ports, what);
  for (std::uint32_t i = 0; flow_port_step(i, &ports) == 0; ++i) {
  }
  verdict.banned = ports.found != 0;
  return verdict;
}

}  // namespace cryptnono::detect
