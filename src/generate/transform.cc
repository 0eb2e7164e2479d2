#include "generate/transform.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/utf8.h"
#include "config/types.h"
#include "generate/encode.h"

namespace cryptnono::generate {

namespace {

using Chain = std::vector<std::string>;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class Maker {
 public:
  Maker(const Settings& settings, std::vector<Candidate>& out) : settings_(settings), out_(out) {}

  void make(const Seed& seed, std::uint32_t group, std::uint32_t index) {
    seed_ = &seed;
    group_ = group;
    index_ = index;
    for (const Transformation one :
         settings_.transformations.at(static_cast<std::size_t>(seed.kind)))
      apply(one);
  }

 private:
  void add(RuleKind kind, std::string text, Chain chain) {
    const std::size_t least = kind == RuleKind::kWord ? 2 : config::kMinSubstringLength;
    if (text.size() < least || text.size() > config::kMaxRuleLength) return;
    if (!seen_.insert(static_cast<char>(kind) + ascii_lower(text)).second) return;
    out_.push_back({kind, std::move(text), group_, index_, std::move(chain)});
  }

  // What the other transformations start from: with the kind of rule that it is by itself.
  struct Base {
    RuleKind kind;
    std::string text;
    Chain chain;
  };

  [[nodiscard]] std::vector<Base> bases() const {
    const std::string& text = seed_->text;
    if (seed_->kind == SeedKind::kWallet) {
      // Anywhere: nothing else looks like it, and then neither a glued flag nor a worker's name
      // needs a rule. What stands in 0x... is found in it.
      if (text.substr(0, 2) == "0x")
        return {{RuleKind::kSubstring, text.substr(2), {"without-0x"}}};
      return {{RuleKind::kSubstring, text, {}}};
    }
    if (seed_->kind == SeedKind::kUrlScheme) {
      // A host follows, so as a whole word it would never be found.
      std::vector<Base> all{{RuleKind::kSubstring, text + "://", {"scheme"}}};
      if (text.find('+') == std::string::npos) {
        for (const std::string_view transport : {"tcp", "ssl", "tls"}) {
          all.push_back({RuleKind::kSubstring,
                         text + "+" + std::string(transport) + "://",
                         {"scheme:+" + std::string(transport)}});
        }
      }
      return all;
    }
    return {{RuleKind::kWord, text, {}}};
  }

  static Chain longer(Chain chain, std::string step) {
    chain.push_back(std::move(step));
    return chain;
  }

  void apply(Transformation one) {
    for (const Base& base : bases()) {
      switch (one) {
        case Transformation::kPlain:
          plain(base);
          break;
        case Transformation::kGlued:
          glued(base);
          break;
        case Transformation::kSeparators:
          separators(base);
          break;
        case Transformation::kJson:
          json(base);
          break;
        case Transformation::kPorts:
          ports(base);
          break;
        case Transformation::kBase64:
          encoded_base64(base);
          break;
        case Transformation::kHex:
          encoded_hex(base);
          break;
        case Transformation::kReversed:
          turned(base);
          break;
      }
    }
  }

  void plain(const Base& base) {
    add(base.kind, base.text, longer(base.chain, "plain"));
    if (seed_->kind == SeedKind::kUrlScheme) {
      const std::string name = base.text.substr(0, base.text.size() - 3);
      add(base.kind, name + ":\\/\\/", longer(base.chain, "plain:json"));
      std::string percent;
      for (const char c : name) percent += c == '+' ? "%2b" : std::string(1, c);
      add(base.kind, percent + "%3a%2f%2f", longer(base.chain, "plain:percent"));
    }
    if (seed_->kind == SeedKind::kOption) {
      // --coin=monero is also --coin monero, and -a rx/0 is -arx/0 and -a=rx/0.
      const std::size_t gap = base.text.find_first_of("= ");
      if (gap == std::string::npos) return;
      const std::string name = base.text.substr(0, gap);
      const std::string value = base.text.substr(gap + 1);
      add(base.kind, name + "=" + value, longer(base.chain, "plain:="));
      add(base.kind, name + " " + value, longer(base.chain, "plain:space"));
      if (name.size() == 2) add(base.kind, name + value, longer(base.chain, "plain:glued"));
    }
  }

  [[nodiscard]] std::vector<std::string> flags() const {
    switch (seed_->kind) {
      case SeedKind::kPool:
        return {"-o", "-p", "-s", "-u"};
      case SeedKind::kAlgorithm:
        return {"-a", "-a ", "-a=", "--algo ", "--algo=", "--algorithm ", "--algorithm="};
      case SeedKind::kCoin:
        return {"--coin ", "--coin=", "--currency ", "--currency="};
      default:
        return {};
    }
  }

  void glued(const Base& base) {
    for (const std::string& flag : flags())
      add(RuleKind::kWord, flag + base.text, longer(base.chain, "glued:" + flag));
  }

  void separators(const Base& base) {
    constexpr std::array<std::string_view, 3> kSeparators{"-", "_", "."};
    const std::string& text = base.text;
    if (text.size() < kMinSeparatedBytes || !is_ascii(text)) return;
    if (text.find_first_of("-_.") != std::string::npos) {
      for (const std::string_view separator : {"-", "_", ".", ""}) {
        std::string other;
        for (const char c : text)
          other += c == '-' || c == '_' || c == '.' ? separator : std::string_view(&c, 1);
        if (other.size() >= kMinSeparatedBytes)
          add(base.kind, other, longer(base.chain, "separators:" + std::string(separator)));
      }
      return;
    }
    // Bit i: a separator after character i. All sets of places for short names, else each place
    // alone, and all.
    const std::size_t places = text.size() - 1;
    std::vector<std::vector<bool>> sets;
    if (text.size() <= kMaxSplitBytes) {
      for (unsigned set = 1; set < 1U << places; ++set) {
        sets.emplace_back();
        for (std::size_t i = 0; i < places; ++i) sets.back().push_back((set >> i & 1U) != 0);
      }
    } else {
      for (std::size_t i = 0; i < places; ++i) {
        sets.emplace_back(places, false);
        sets.back()[i] = true;
      }
      sets.emplace_back(places, true);
    }
    for (const std::string_view separator : kSeparators) {
      for (const auto& set : sets) {
        std::string split;
        for (std::size_t i = 0; i < text.size(); ++i) {
          split += text[i];
          if (i < places && set[i]) split += separator;
        }
        add(base.kind, split, longer(base.chain, "separators:" + std::string(separator)));
      }
    }
  }

  // An option is a key in a configuration that `echo` writes.
  void json(const Base& base) {
    const std::size_t begin = base.text.find_first_not_of('-');
    if (begin != 2 || base.text.find_first_of("= ") != std::string::npos) return;
    add(RuleKind::kWord, '"' + base.text.substr(begin) + '"', longer(base.chain, "json"));
  }

  void ports(const Base& base) {
    if (seed_->kind != SeedKind::kPool || base.text.find(':') != std::string::npos) return;
    for (const std::string& port : settings_.ports)
      add(RuleKind::kWord, base.text + ":" + port, longer(base.chain, "ports:" + port));
  }

  void encoded_base64(const Base& base) {
    for (std::string& form : base64_forms(base.text)) {
      if (form.size() < kMinBase64Length) continue;
      add(RuleKind::kSubstring, std::move(form), longer(base.chain, "base64"));
    }
  }

  void encoded_hex(const Base& base) {
    if (base.text.size() * 2 >= kMinHexLength)
      add(RuleKind::kSubstring, hex(base.text), longer(base.chain, "hex"));
    if (base.text.size() >= kMinEscapedBytes)
      add(RuleKind::kSubstring, hex(base.text, "\\x"), longer(base.chain, "hex:\\x"));
  }

  void turned(const Base& base) {
    if (base.text.size() < kMinReversedBytes || !is_ascii(base.text)) return;
    add(base.kind, reversed(base.text), longer(base.chain, "reversed"));
  }

  const Settings& settings_;
  std::vector<Candidate>& out_;
  std::unordered_set<std::string> seen_;
  const Seed* seed_ = nullptr;
  std::uint32_t group_ = 0;
  std::uint32_t index_ = 0;
};

}  // namespace

std::vector<Candidate> make_candidates(const SeedSet& seeds, const Settings& settings) {
  std::vector<Candidate> out;
  Maker maker(settings, out);
  for (std::uint32_t group = 0; group < seeds.groups.size(); ++group) {
    const auto& all = seeds.groups[group].seeds;
    for (std::uint32_t i = 0; i < all.size(); ++i) maker.make(all[i], group, i);
  }
  return out;
}

}  // namespace cryptnono::generate
