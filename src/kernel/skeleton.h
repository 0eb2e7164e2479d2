// Skeleton<T>: owner of one bpftool skeleton, from open to destroy.
//
// A program that has loops is there twice (bpf/lib/loop.bpf.h): as an object with bpf_loop(), and
// as one without, for kernels before 5.17. The first one that the kernel accepts is used.
//
// Destroying it detaches its programs and frees its maps, unless something else holds them. Not
// thread-safe; the maps' file descriptors may be used from any thread while it lives.
#pragma once

#include <bpf/libbpf.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/loops.h"
#include "kernel/obstacle.h"
#include "kernel/verifier_report.h"

namespace cryptnono::kernel {

// Takes those programs out of a skeleton that is to be opened that its object does not have.
Result<void> leave_out_missing(bpf_object_skeleton& parts);

// Takes the verifier's log of each program of an object that is about to be loaded, as long as it
// lives. Without that, libbpf loads what was refused again, up to five times, to have a verbose
// log.
class VerifierLog {
 public:
  explicit VerifierLog(bpf_object* object);
  // In parentheses, after a space; empty if there is nothing to say.
  [[nodiscard]] std::string last_words() const;

 private:
  std::vector<char> text_;
};

template <typename T>
class Skeleton {
 public:
  // Opens without touching the kernel: sizes and read-only data may be set until load().
  static Result<Skeleton> open() {
    T* skeleton = T::open(nullptr);
    if (skeleton == nullptr) return fail_errno("cannot open the BPF object", errno);
    return Skeleton(skeleton);
  }

  // The same with the object of the skeleton Plain, which has the same globals, and the same maps
  // and perhaps more. A program that it lacks is null in `progs`.
  template <typename Plain>
  static Result<Skeleton> open(Loops loops) {
    Skeleton skeleton = TRY(open());
    if (loops == Loops::kCallbacks) return skeleton;
    bpf_object_skeleton* parts = skeleton->skeleton;
    bpf_object__close(*parts->obj);
    *parts->obj = nullptr;
    parts->data = Plain::elf_bytes(&parts->data_sz);
    TRY(leave_out_missing(*parts));
    if (const int error = bpf_object__open_skeleton(parts, nullptr))
      return fail_errno("cannot open the BPF object", -error);
    return skeleton;
  }

  // An error says what the verifier said last.
  Result<void> load() {
    const VerifierLog log(skeleton_->obj);
    const LoadRecording recording(skeleton_->obj);
    const int error = T::load(skeleton_.get());
    if (error == 0) return {};
    return check(error, "cannot load the BPF object" + log.last_words(), obstacles);
  }
  Result<void> attach() {
    return check(T::attach(skeleton_.get()), "cannot attach the BPF programs");
  }
  void detach() { T::detach(skeleton_.get()); }

  T* operator->() { return skeleton_.get(); }
  const T* operator->() const { return skeleton_.get(); }

 private:
  struct Destroy {
    void operator()(T* skeleton) const { T::destroy(skeleton); }
  };
  explicit Skeleton(T* skeleton) : skeleton_(skeleton) {}

  static Result<void> check(int error, std::string_view what, std::string (*why)() = nullptr) {
    if (error == 0) return {};
    Error said = fail_errno(what, -error).value();
    if (why != nullptr) said.message += why();
    return tl::unexpected(std::move(said));
  }

  std::unique_ptr<T, Destroy> skeleton_;
};

// Sends libbpf's own messages to `sink` (null: nowhere) instead of stderr. Call once, before the
// first skeleton.
void set_libbpf_sink(void (*sink)(std::string_view line));

}  // namespace cryptnono::kernel
