// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a field that kernels before 6.1 do not have, and does not ask whether it is there: what the
 * programs of bpf/ must never do. tests/kernels loads it in every guest, to see that such a mistake
 * is told, on the right kernels and by name.
 */
// The first has what the others need.
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
// clang-format on

struct maple_tree {
  unsigned int ma_flags;
} __attribute__((preserve_access_index));

struct mm_struct {
  struct maple_tree mm_mt;
} __attribute__((preserve_access_index));

struct task_struct {
  struct mm_struct* mm;
} __attribute__((preserve_access_index));

unsigned int seen;

SEC("tp_btf/sched_process_exec")
int BPF_PROG(reads_newer_field, struct task_struct* task) {
  seen = task->mm->mm_mt.ma_flags;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
