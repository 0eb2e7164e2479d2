// libFuzzer target: sealed files lie where strangers may write, and identities are files of others
// too. Beyond the sanitizers: a text is opened whole or not at all, and an error says why.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "seal/header.h"
#include "seal/identities.h"
#include "seal/open.h"
#include "seal/seal.h"

namespace {

namespace seal = cryptnono::seal;

// Made for this; the corpus is sealed for it. It opens nothing else.
constexpr std::string_view kIdentity =
    "AGE-SECRET-KEY-1YDDNR0P5RS3L8FUXPF45NED8A6AQHR46AK5GGYEW3JJ3WTXEF35S5KYUM0";

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

const seal::Identities& identities() {
  static const auto loaded =
      seal::Identities::parse("fuzz", seal::Secret::copy_of(kIdentity)).value();
  return loaded;
}

void check_open(std::string_view text) {
  const auto header = seal::parse_header(text);
  if (header) {
    require(header->size <= text.size() && header->size > header->authentic.size(), "its size");
    require(!header->stanzas.empty() && header->stanzas.size() <= seal::kMaxStanzas, "stanzas");
    for (const seal::Stanza& stanza : header->stanzas)
      require(!stanza.arguments.empty() && !stanza.arguments[0].empty(), "a stanza has a type");
  }
  const auto opened = seal::open(text, identities());
  if (!opened) return require(!opened.error().message.empty(), "an error says why");
  require(seal::is_sealed(text), "what opens looks sealed");
  require(opened->size() < text.size(), "a plaintext is smaller");
  require(seal::without_padding(opened->view()).size() <= opened->size(), "padding is taken off");
}

void check_identity(std::string_view text) {
  const auto parsed = seal::Identities::parse("fuzz", seal::Secret::copy_of(text));
  if (!parsed) {
    require(parsed.error().message.starts_with("fuzz"), "an error names the file");
    return;
  }
  require(!parsed->all().empty(), "there is one");
  for (const seal::Identity& identity : parsed->all())
    require(!identity.secret.empty(), "a key has a secret");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_open(text);
  if (size <= seal::kMaxIdentityFile) check_identity(text);
  return 0;
}
