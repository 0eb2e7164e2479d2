#include "kernel/verifier_report.h"

#include <gtest/gtest.h>

namespace cryptnono::kernel {
namespace {

TEST(VerifierReport, ReadsTheStatisticsOfAllKernels) {
  ProgramFigures figures;
  read_verifier_log(
      "verification time 1722 usec\nstack depth 40+16\n"
      "processed 1234 insns (limit 1000000) max_states_per_insn 4 total_states 120 peak_states 99 "
      "mark_read 12\n",
      figures);
  EXPECT_EQ(figures.instructions, 1234u);
  EXPECT_EQ(figures.states, 120u);
  EXPECT_EQ(figures.peak_states, 99u);
  EXPECT_EQ(figures.verification_us, 1722u);
  EXPECT_EQ(figures.stack, "40+16");
  EXPECT_EQ(figures.refusal, "");
}

TEST(VerifierReport, TheLastWordsBeforeTheStatisticsAreTheRefusal) {
  ProgramFigures figures;
  read_verifier_log(
      "Func#1 is safe\nunknown func bpf_send_signal#109\nprocessed 3 insns (limit 1000000)\n",
      figures);
  EXPECT_EQ(figures.refusal, "unknown func bpf_send_signal#109");
  EXPECT_EQ(figures.instructions, 3u);
}

TEST(VerifierReport, AFieldThatIsNotThereIsCalledThat) {
  ProgramFigures figures;
  read_verifier_log("invalid func unknown#195896080\nprocessed 3 insns (limit 1000000)\n", figures);
  EXPECT_NE(figures.refusal.find("does not have"), std::string::npos);
}

TEST(VerifierReport, NothingIsRecordedWithoutAReport) {
  EXPECT_NO_FATAL_FAILURE(const LoadRecording recording(nullptr));
}

TEST(VerifierReport, AFileThatIsNoObjectIsAnError) {
  const VerifierReport report;
  EXPECT_FALSE(try_object_file("/nonexistent.o"));
  EXPECT_TRUE(report.figures().empty());
}

}  // namespace
}  // namespace cryptnono::kernel
