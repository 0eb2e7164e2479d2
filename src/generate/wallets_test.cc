#include "generate/wallets.h"

#include <gtest/gtest.h>

#include <string>

namespace cryptnono::generate {
namespace {

// xmrig's and Monero's donation addresses, the genesis block's, BIP 173's and BIP 350's examples.
const std::string kXmrig =
    "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUico"
    "D";
const std::string kMonero =
    "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3"
    "H";

TEST(WalletShape, IsKnown) {
  EXPECT_EQ(wallet_shape(kXmrig), "Monero address");
  EXPECT_EQ(wallet_shape(kMonero), "Monero subaddress");
  EXPECT_EQ(wallet_shape("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"), "Bitcoin address");
  EXPECT_EQ(wallet_shape("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"), "Bitcoin address");
  EXPECT_EQ(wallet_shape("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
            "Bitcoin address");
  EXPECT_EQ(wallet_shape("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"), "Ethereum address");
}

TEST(WalletShape, ATypingErrorIsNone) {
  EXPECT_EQ(wallet_shape("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"), "");
  EXPECT_EQ(wallet_shape("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"), "");
  EXPECT_EQ(wallet_shape("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA9604"), "");
  EXPECT_EQ(wallet_shape("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA9604g"), "");
  EXPECT_EQ(wallet_shape(kXmrig.substr(1)), "");
  EXPECT_EQ(wallet_shape("0" + kXmrig.substr(1)), "");
  EXPECT_EQ(wallet_shape("9" + kXmrig.substr(1)), "");  // another network
  EXPECT_EQ(wallet_shape("z" + kXmrig.substr(1)), "");  // a block out of range
  EXPECT_EQ(wallet_shape(""), "");
}

}  // namespace
}  // namespace cryptnono::generate
