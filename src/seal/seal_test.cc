#include "seal/seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "seal/bech32.h"
#include "seal/header.h"
#include "seal/identities.h"
#include "seal/open.h"

namespace cryptnono::seal {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

void write(const fs::path& path, std::string_view text) {
  std::ofstream(path) << text;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

// Keys of every kind, made by the programs that users make them with.
class Seal : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string name = testing::TempDir() + "cryptnono-seal-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    const std::string command =
        "cd " + directory_.string() +
        " && age-keygen -o x25519 2>/dev/null && age-keygen -y x25519 > x25519.pub"
        " && age-keygen -o other 2>/dev/null && age-keygen -y other > other.pub"
        " && ssh-keygen -q -t ed25519 -N '' -f ed25519 && ssh-keygen -q -t rsa -b 2048 -N '' -f rsa"
        " && ssh-keygen -q -t ed25519 -N secret -f locked && ssh-keygen -q -t ecdsa -N '' -f ecdsa"
        " && ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f pem";
    missing_ = std::system(command.c_str()) != 0;  // NOLINT: one thread
  }
  static void TearDownTestSuite() { fs::remove_all(directory_); }
  void SetUp() override {
    if (missing_) GTEST_SKIP() << "needs age, age-keygen and ssh-keygen";
  }

  static Identities identities(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(directory_ / name);
    Result<Identities> loaded = Identities::load(paths);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return *std::move(loaded);
  }
  static std::string identity_error(const std::string& name) {
    const Result<Identities> loaded = Identities::load({directory_ / name});
    return loaded ? "no error" : loaded.error().message;
  }
  static std::string sealed(std::string_view text, const std::vector<std::string>& names,
                            bool armor = false) {
    Recipients recipients;
    for (const std::string& name : names) recipients.files.push_back(directory_ / (name + ".pub"));
    const Result<std::string> out = seal(text, recipients, {.armor = armor});
    EXPECT_TRUE(out) << out.error().message;
    return out.value_or("");
  }
  static std::string error_of(std::string_view file, const Identities& all) {
    const Result<Secret> opened = open(file, all);
    if (opened) return "no error";
    EXPECT_EQ(opened.error().code, ExitCode::kConfig);
    return opened.error().message;
  }

  static inline fs::path directory_;
  static inline bool missing_ = false;
};

TEST_F(Seal, OpensWhatAgeSealsForEveryKindOfKey) {
  for (const std::string kind : {"x25519", "ed25519", "rsa"}) {
    for (const bool armor : {false, true}) {
      const std::string file = sealed("bannedCommandStrings: [x]\n", {kind}, armor);
      EXPECT_TRUE(is_sealed(file));
      const Result<Secret> opened = open(file, identities({kind}));
      ASSERT_TRUE(opened) << kind << opened.error().message;
      EXPECT_EQ(opened->view(), "bannedCommandStrings: [x]\n");
      EXPECT_THAT(error_of(file, identities({"other"})), HasSubstr("no identity opens it"));
    }
  }
}

TEST_F(Seal, EachOfSeveralRecipientsOpens) {
  const std::string file = sealed("text", {"other", "ed25519", "rsa", "x25519"});
  for (const std::string kind : {"x25519", "ed25519", "rsa", "other"})
    EXPECT_TRUE(open(file, identities({kind}))) << kind;
  EXPECT_TRUE(open(sealed("text", {"x25519"}), identities({"rsa", "ed25519", "other", "x25519"})));
}

TEST_F(Seal, OpensEverySizeAroundChunks) {
  const Identities all = identities({"x25519"});
  constexpr std::size_t kChunk = 65536;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kChunk - 1, kChunk, kChunk + 1,
                                 2 * kChunk, 2 * kChunk + 7}) {
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 / 7);
    const Result<Secret> opened = open(sealed(text, {"x25519"}, size % 2 == 1), all);
    ASSERT_TRUE(opened) << size << opened.error().message;
    EXPECT_TRUE(opened->view() == text) << size;
  }
}

TEST_F(Seal, EveryByteOfTheHeaderCounts) {
  const Identities all = identities({"x25519", "ed25519", "rsa"});
  for (const std::string kind : {"x25519", "ed25519", "rsa"}) {
    const std::string file = sealed("text", {kind, "other"});
    const std::size_t header = parse_header(file)->size;
    for (std::size_t i = 0; i < file.size(); ++i) {
      constexpr std::array<char, 3> kChanges{'\x01', '\x20', '\x80'};
      for (std::size_t j = 0; j < kChanges.size(); ++j) {
        if (kind == "rsa" && j != i % kChanges.size()) continue;  // it takes its time
        const char change = kChanges[j];
        std::string altered = file;
        altered[i] = static_cast<char>(altered[i] ^ change);
        EXPECT_FALSE(open(altered, all)) << kind << " byte " << i << " of " << header;
      }
    }
  }
}

TEST_F(Seal, TruncatedAnywhereIsAnError) {
  const Identities all = identities({"x25519"});
  const std::string text(2 * 65536 + 100, 'x');
  const std::string file = sealed(text, {"other", "ed25519", "x25519"});
  const std::size_t header = parse_header(file)->size;
  for (std::size_t size = 0; size < header + 40; ++size)
    EXPECT_FALSE(open(std::string_view(file).substr(0, size), all)) << size;
  EXPECT_THAT(error_of(file.substr(0, header - 5), all), HasSubstr("truncated"));
  EXPECT_THAT(error_of(file.substr(0, header), all), HasSubstr("truncated"));
  for (std::size_t chunk = 0; chunk < 3; ++chunk) {
    const std::size_t end = header + 16 + chunk * (65536 + 16);
    for (const std::size_t size : {end - 1, end, end + 1, end + 16, end + 17}) {
      EXPECT_THAT(error_of(file.substr(0, size), all), HasSubstr("truncated")) << chunk;
    }
  }
  EXPECT_FALSE(open(file.substr(0, file.size() - 1), all));
  EXPECT_FALSE(open(file + "x", all));
  const std::string armored = sealed("text", {"x25519"}, true);
  for (std::size_t size = 0; size + 1 < armored.size(); ++size)
    EXPECT_FALSE(open(std::string_view(armored).substr(0, size), all)) << size;
}

TEST_F(Seal, ChunksCannotBeLeftOutOrSwapped) {
  const Identities all = identities({"x25519"});
  const std::string file = sealed(std::string(3 * 65536, 'x'), {"x25519"});
  const std::size_t first = parse_header(file)->size + 16;
  constexpr std::size_t kSealed = 65536 + 16;
  EXPECT_THAT(error_of(file.substr(0, first) + file.substr(first + kSealed), all),
              HasSubstr("altered"));
  const std::string swapped = file.substr(0, first) + file.substr(first + kSealed, kSealed) +
                              file.substr(first, kSealed) + file.substr(first + 2 * kSealed);
  EXPECT_THAT(error_of(swapped, all), HasSubstr("altered"));
}

TEST_F(Seal, SaysWhatIsNotSupported) {
  EXPECT_THAT(identity_error("locked"), HasSubstr("locked: the SSH key has a passphrase"));
  EXPECT_THAT(identity_error("ecdsa"), HasSubstr("a kind that age does not know"));
  EXPECT_THAT(identity_error("pem"), HasSubstr("ssh-keygen -p"));
  EXPECT_THAT(identity_error("x25519.pub"), HasSubstr("x25519.pub:1: a public key"));
  EXPECT_THAT(identity_error("none"), HasSubstr("cannot open"));
  write(directory_ / "encrypted", sealed(read(directory_ / "x25519"), {"other"}, true));
  EXPECT_THAT(identity_error("encrypted"), HasSubstr("encrypted itself"));
  write(directory_ / "comment", "# nothing\n\n");
  EXPECT_THAT(identity_error("comment"), HasSubstr("no identity in it"));
  write(directory_ / "plugin", "\nAGE-PLUGIN-YUBIKEY-1QQQQ\n");
  EXPECT_THAT(identity_error("plugin"), HasSubstr("plugin:2: a key of a plugin"));
  const std::string passphrase =
      "age-encryption.org/v1\n-> scrypt ajMFur+EJLGaohv/dLRGnw 18\n"
      "8SHBz/ldWnjyGFQqfjat6uNBarWqqEMDS7W8X7+Xq5Q\n"
      "--- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n";
  EXPECT_THAT(error_of(passphrase, identities({"x25519"})), HasSubstr("passphrase"));
  EXPECT_THAT(error_of("age-encryption.org/v2\n-> X25519 a\n", {}), HasSubstr("version"));
}

TEST_F(Seal, BrokenSshKeysAreErrors) {
  for (const std::string kind : {"ed25519", "rsa"}) {
    const std::string key = read(directory_ / kind);
    const std::size_t body = key.find('\n') + 1;
    for (std::size_t i = body; i < key.find("\n-----END"); i += 9) {
      std::string altered = key;
      altered[i] = altered[i] == 'A' ? 'B' : 'A';
      write(directory_ / "altered", altered);
      // The comment, the padding and RSA's other numbers are not ours to check; no crash is.
      static_cast<void>(Identities::load({directory_ / "altered"}));
      write(directory_ / "cut", key.substr(0, i) + key.substr(key.find("\n-----END")));
      EXPECT_NE(identity_error("cut"), "no error") << kind << i;
    }
  }
}

TEST_F(Seal, ReadsADirectoryAsKubernetesMountsIt) {
  const fs::path mounted = directory_ / "mounted";
  fs::create_directories(mounted / "..2026_11_26");
  fs::copy(directory_ / "x25519", mounted / "..2026_11_26/first");
  fs::copy(directory_ / "ed25519", mounted / "..2026_11_26/second");
  fs::create_directory_symlink("..2026_11_26", mounted / "..data");
  fs::create_symlink("..data/first", mounted / "first");
  fs::create_symlink("..data/second", mounted / "second");
  write(mounted / ".hidden", "not a key");
  const Identities all = identities({"mounted"});
  EXPECT_EQ(all.all().size(), 2U);
  EXPECT_TRUE(all.readable_by_others().empty());
  EXPECT_TRUE(open(sealed("text", {"ed25519"}), all));
  fs::permissions(mounted / "first", fs::perms::others_read, fs::perm_options::add);
  EXPECT_EQ(identities({"mounted"}).readable_by_others(),
            std::vector<std::string>{mounted / "first"});
}

TEST_F(Seal, ADirectoryWithoutIdentitiesIsAnErrorOfSealedFilesOnly) {
  fs::create_directory(directory_ / "empty");
  const Identities none = identities({"empty"});
  EXPECT_TRUE(none.all().empty());
  const auto opened = open(sealed("text", {"ed25519"}), none);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("empty (no file in it)"));
  write(directory_ / "empty/later", read(directory_ / "ed25519"));
  EXPECT_TRUE(open(sealed("text", {"ed25519"}), identities({"empty"})));
}

TEST_F(Seal, TakesTheIdentityOutOfTheEnvironment) {
  const std::string key = read(directory_ / "x25519");
  ::setenv(kIdentityVariable, key.c_str(), 1);      // NOLINT: one thread
  char* const there = ::getenv(kIdentityVariable);  // NOLINT: one thread
  keep_environment_identity();
  EXPECT_EQ(::getenv(kIdentityVariable), nullptr);  // NOLINT: one thread
  EXPECT_EQ(*there, '\0');
  EXPECT_TRUE(open(sealed("text", {"x25519"}), identities({})));
  EXPECT_THAT(error_of(sealed("text", {"other"}), identities({})), HasSubstr(kIdentityVariable));
}

TEST_F(Seal, SaysWhatAgeSays) {
  EXPECT_EQ(seal("text", {}).error().code, ExitCode::kUsage);
  const Result<std::string> wrong = seal("text", {.keys = {"age1nonsense"}, .files = {}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ExitCode::kUsage);
  EXPECT_THAT(wrong.error().message, HasSubstr("age1nonsense"));
  const Result<std::string> secret =
      seal("text",
           {.keys = {read(directory_ / "x25519").substr(read(directory_ / "x25519").find("AGE-"))},
            .files = {}});
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().message.find("AGE-SECRET"), std::string::npos);
  // More than a socket holds, to a program that does not read it.
  EXPECT_FALSE(seal(std::string(8 << 20, 'x'), {.keys = {"age1nonsense"}, .files = {}}));
}

TEST(Padding, HidesTheSizeUpToAPowerOfTwo) {
  EXPECT_EQ(pad("a: b").size(), kMinPadded);
  EXPECT_EQ(pad(std::string(kMinPadded, 'x')).size(), kMinPadded);
  EXPECT_EQ(pad(std::string(kMinPadded + 1, 'x')).size(), 2 * kMinPadded);
  for (const std::string text : {"a: b\n", "a: b", "a: b\n\n\n", "\n", ""}) {
    const Secret padded = pad(text);
    EXPECT_TRUE(padded.view().starts_with(text));
    const std::string once = text.substr(0, text.find_last_not_of('\n') + 1) + "\n";
    EXPECT_EQ(without_padding(padded.view()), once == "\n" ? "" : once);
  }
  const std::string full(kMinPadded, 'x');
  EXPECT_EQ(without_padding(full), full);
  EXPECT_EQ(without_padding("a: b\n\n"), "a: b\n\n");
}

TEST(Bech32, ReadsWhatBip173Allows) {
  EXPECT_TRUE(decode_bech32("A12UEL5L"));
  EXPECT_TRUE(decode_bech32("a12uel5l"));
  EXPECT_TRUE(decode_bech32("?1ezyfcl"));
  for (const char* wrong : {"A12uEL5L", "a12uel5m", "10a06t8", "1qzzfhee", "a12uel5", "", "1",
                            "de1lg7wt\xff", "x1b4n0q5v", "li1dgmt3"})
    EXPECT_FALSE(decode_bech32(wrong)) << wrong;
}

TEST(Secrets, AreMovedAndShrunk) {
  Secret one = Secret::copy_of("0123456789");
  const Secret two = std::move(one);
  EXPECT_TRUE(one.empty());  // NOLINT(bugprone-use-after-move): that is asked
  EXPECT_EQ(two.view(), "0123456789");
  Secret three = Secret::copy_of("0123456789");
  three.shrink(4);
  EXPECT_EQ(three.view(), "0123");
  EXPECT_EQ(three.data()[5], 0);
  EXPECT_TRUE(Secret().view().empty());
}

}  // namespace
}  // namespace cryptnono::seal
