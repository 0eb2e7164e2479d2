#include <gtest/gtest.h>
TEST(Seal, Placeholder) {}
