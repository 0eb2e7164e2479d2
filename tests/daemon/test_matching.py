"""Which command lines die: the evasions and look-alikes, each with real processes."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import B, SLOW, VICTIMS, storm

VICTIM = VICTIMS / "first_act"
SLEEP = "sleep 30"  # longer than any test waits: who is not killed times out


def dies(spawn, argv, **options):
    return spawn(argv, **options) == -9


def lives(spawn, argv, **options):
    return spawn(argv, **options) == 0


def test_C1_E1_decoy_glued_word_spares_nobody(daemon, spawn):
    daemon()
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : {B}"])
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : {B} x{B}"])
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : x{B} {B}"])


@pytest.mark.parametrize("text,banned", [
    ("{B}", True), (".{B}", True), ("{B}-", True), ("/{B}/", True), ("é{B}é", True), ("--x={B}", True),
    ("x{B}", False), ("{B}x", False), ("_{B}", False), ("{B}_x", False), ("9{B}", False), ("x{B} {B}y", False),
])
def test_whole_words_are_judged_per_occurrence(daemon, spawn, text, banned):
    daemon()
    argv = ["true", text.replace("{B}", B)]
    assert (dies if banned else lives)(spawn, argv)


def test_C2_E2_spoofed_argv0_passes_a_pattern_but_not_an_allowed_executable(daemon, spawn, tmp_path):
    copy = tmp_path / "copy-of-sh"
    shutil.copy("/bin/sh", copy)
    daemon(f"bannedCommandStrings: [{B}]\nallowedExecutables: [{os.path.realpath('/bin/sh')}]\n")
    assert lives(spawn, ["/bin/sh", "-c", f": {B}"])
    assert dies(spawn, [os.path.realpath("/bin/sh"), "-c", f"{SLEEP}; : {B}"], executable=str(copy))


def test_allowed_executable_must_be_roots_alone(daemon, spawn, tmp_path):
    copy = tmp_path / "sh"
    shutil.copy("/bin/sh", copy)
    os.chmod(copy, 0o777)
    daemon(f"bannedCommandStrings: [{B}]\nallowedExecutables: [{copy}]\n")
    assert dies(spawn, [str(copy), "-c", f"{SLEEP}; : {B}"])
    os.chmod(copy, 0o755)
    assert lives(spawn, [str(copy), "-c", f": {B}"])


def test_allowed_executable_with_a_pattern(daemon, spawn):
    sh = os.path.realpath("/bin/sh")
    daemon(f"bannedCommandStrings: [{B}]\nallowedExecutables: [{{path: {sh}, pattern: '.*harmless'}}]\n")
    assert lives(spawn, ["/bin/sh", "-c", f": harmless {B}"])
    assert dies(spawn, ["/bin/sh", "-c", f"{SLEEP}; : {B}"])


def test_allowed_pattern_is_anchored_at_the_start_only_and_spares_with_a_line(daemon, spawn):
    d = daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^/bin/echo ''allowed']\n")
    assert lives(spawn, ["/bin/echo", f"allowed {B} and more"])
    assert d.wait_for(action="spared")["allowedby"].startswith("allowed-pattern:")
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : /bin/echo 'allowed {B}'"])


def test_an_allowed_pattern_without_literals_leaves_every_hit_to_user_space(daemon, spawn):
    daemon(f"bannedCommandStrings: [{B}]\nallowedCommandPatterns: ['^[/a-z]+ ok']\n")
    assert lives(spawn, ["/bin/echo", "ok", B])
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : {B}"])


@pytest.mark.parametrize("tail", [b"\xff", b"\xc3", b"\xff\xfe " + B.encode()])
def test_C3_E8_invalid_utf8(daemon, spawn, tail):
    d = daemon()
    assert dies(spawn, [b"sh", b"-c", b"sleep 30; : " + B.encode() + b" " + tail])
    assert d.wait_for(action="killed")["matched"] == B


def test_C4_E3_argv0_alone(daemon, spawn):
    daemon()
    assert dies(spawn, [B, "30"], executable="/bin/sleep")


def test_C5_E4_execveat_of_a_memfd(daemon, sandbox):
    daemon()
    counts = storm("-n", 20, "-m", argv=["victim", B], procs=sandbox.procs)
    assert (counts["killed"], counts["acts"]) == (20, 0)


def test_C5_E18_compat_32_bit_program(daemon, sandbox):
    victim = VICTIMS / "first_act32"
    if not victim.exists():
        pytest.skip("no 32-bit victim: the compiler has no -m32")
    if subprocess.run([str(victim)], pass_fds=[], stdin=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this kernel runs no 32-bit programs")
    daemon()
    assert storm("-n", 20, victim=victim, argv=["victim", B], procs=sandbox.procs)["killed"] == 20
    # ...and a 32-bit caller: execve through int 0x80.
    counts = storm("-n", 1, victim=VICTIMS / "exec32", argv=["exec32", victim], procs=sandbox.procs)
    assert counts["killed"] == 1 and counts["acts"] == 0


def test_C6_E5_word_after_128_bytes_of_one_argument(daemon, spawn):
    daemon()
    assert dies(spawn, ["sh", "-c", f"{SLEEP}; : {'x' * 150} {B}"])


@pytest.mark.parametrize("count", [20, 127, 130, 5000])
def test_C6_E6_word_after_many_arguments(daemon, spawn, count):
    daemon()
    assert dies(spawn, ["sh", "-c", SLEEP, *map(str, range(count)), B])


@pytest.mark.parametrize("size", [4096, 8191, 32768 - len(B), 32768, 100_000, 128 * 1024 - 1 - len(B)])
def test_E7_word_after_many_bytes(daemon, spawn, size):
    daemon()
    assert dies(spawn, ["sh", "-c", SLEEP, "x" * (size - 1), B])
    assert lives(spawn, ["true", "x" * (size - 1), "x" + B])


def test_E7_word_at_the_very_end_of_the_longest_command_line(daemon, spawn):
    d = daemon()
    longest = os.sysconf("SC_ARG_MAX") - 4096
    arguments = ["y" * 100_000] * (longest // 100_001 - 1)
    env = {"PATH": os.environ["PATH"]}
    assert dies(spawn, ["sh", "-c", SLEEP, *arguments, B], env=env)
    line = d.wait_for(action="killed")
    assert line["truncated"] and line["cmdline_bytes"] > 1_900_000 and len(line["cmdline"]) <= 32768
    assert lives(spawn, ["true", *arguments, B + "_"], env=env)


def test_C7_E9_string_at_the_end_of_a_page(daemon, sandbox):
    daemon()
    counts = storm("-n", 50, victim=VICTIMS / "page_end", argv=["page_end", str(VICTIM), "x" + B], procs=sandbox.procs)
    assert counts["killed"] == 50


def test_C8_C11_E10_arguments_rewritten_by_another_thread(daemon, sandbox):
    daemon()
    done = subprocess.run([str(VICTIMS / "race_argv"), str(sandbox.procs), str(VICTIMS / "tell_argv"), "x" + B, "2000"],
                          capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    # The victim itself says, by its exit, which arguments it really got.
    killed, lived, banned_lived = map(int, done.stdout.split())
    assert killed > 0 and lived > 0 and banned_lived == 0, done.stdout


def test_C10_F8_failed_exec_harms_nobody(daemon, spawn):
    d = daemon()
    script = "import os,sys\ntry: os.execv('/nonexistent', ['x', sys.argv[1][1:]])\nexcept OSError: sys.exit(7)"
    assert spawn([sys.executable, "-c", script, "x" + B]) == 7
    assert d.count(action="killed") == 0


def test_E13_rewrites_its_memory_after_exec(daemon, spawn):
    d = daemon(arguments=["--scan-interval", "0.3"])
    assert dies(spawn, [str(VICTIMS / "rewrite_argv"), "x" * 60, B[:-1] + "_", "m"])
    assert d.wait_for(action="killed")["source"] == "psutil.process_iter"


def test_E14_kernel_thread_name_spares_nobody(daemon, spawn):
    daemon()
    script = "import ctypes,time; ctypes.CDLL(None).prctl(15, b'[kworker/0:1]'); time.sleep(30)"
    assert dies(spawn, [sys.executable, "-c", script, B])


def test_E15_case_and_glued_flags(daemon, spawn):
    daemon("bannedCommandStrings: [StRatum+tcp]\nbannedCommandSubstrings: [-ostratum+]\n")
    assert dies(spawn, ["sh", "-c", SLEEP, "-o", "STRATUM+TCP://p:1"])
    assert dies(spawn, ["sh", "-c", SLEEP, "-oStratum+tcp://p:1"])
    assert lives(spawn, ["true", "xstratum+tcpx"])


def test_E16_assembled_by_a_shell(daemon, spawn):
    daemon()
    first, second = B[:10], B[10:]
    assert spawn(["sh", "-c", f"a={first}; b={second}; sleep 0.1 $a$b; exit $?"]) == 137
    encoded = subprocess.run(["base64", "-w0"], input=f": {B}", capture_output=True, text=True).stdout
    assert spawn(["sh", "-c", f'sh -c "$(echo {encoded} | base64 -d)"; exit $?']) == 137


def test_strings_with_spaces_span_arguments_and_the_file_name(daemon, spawn, tmp_path):
    daemon("bannedCommandStrings: ['--coin monero', 'evil -x']\n")
    assert dies(spawn, ["sh", "-c", SLEEP, "--coin", "monero"])
    assert lives(spawn, ["true", "--coin", "", "monero"])
    evil = tmp_path / "evil"
    shutil.copy(VICTIM, evil)
    assert dies(spawn, ["innocent", "-x"], executable=str(evil))
    assert dies(spawn, ["evil", "-x"], executable=str(VICTIM))


def test_executable_path_alone(daemon, spawn, tmp_path):
    directory = tmp_path / B
    directory.mkdir()
    shutil.copy(VICTIM, directory / "v")
    (tmp_path / "link").symlink_to(directory / "v")
    daemon()
    assert dies(spawn, ["v"], executable=str(directory / "v"))
    assert dies(spawn, ["v"], executable="./v", cwd=str(directory))  # relative
    assert dies(spawn, ["v"], executable=str(tmp_path / "link"))     # through a link


def test_script_with_a_banned_argument(daemon, spawn, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nsleep 30\n")
    script.chmod(0o755)
    daemon()
    assert dies(spawn, [str(script), B])


def test_pid_1_of_a_pid_namespace(daemon, spawn):
    daemon()
    # pid 1 of a namespace ignores what it has no handler for, but not what the kernel itself sends.
    script = f"""if True:
        import ctypes, os, sys
        if ctypes.CDLL(None).unshare(0x20000000): sys.exit(3)  # CLONE_NEWPID
        child = os.fork()
        if child == 0: os.execv('/bin/sleep', ['sleep', '5', '{B[:10]}' + '{B[10:]}'])
        sys.exit(100 + os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
    assert spawn(["/usr/bin/python3", "-c", script]) == 91


def test_F6_F7_F9_reading_about_mining_is_harmless(daemon, spawn, tmp_path):
    daemon("bannedCommandStrings: [xmrig --url, minerd, stratum+tcp://]\n")
    for argv in (["grep", "-r", "stratum+tcp", str(tmp_path)], ["python3", "-c", "print('xmrig')"],
                 ["true", "/home/u/minerd_paper/data-mining/text_miner.py", "determiner"],
                 ["pgrep", "-fl", "miner_x"]):
        assert spawn(argv) != -9, argv
    assert dies(spawn, ["true", "/home/u/minerd-paper/"])  # a word by the rule: - is no word character


def test_empty_arguments_and_none_at_all(daemon, spawn):
    daemon()
    assert dies(spawn, ["", "", B, ""], executable=str(VICTIM))
    assert spawn([""], executable="/bin/true") == 0


def test_multicall_names_do_not_hide_it(daemon, spawn):
    daemon()
    assert dies(spawn, ["env", "-S", f"sh -c '{SLEEP}' {B}"])


def test_out_of_scope_lives(daemon, spawn, sandbox):
    d = daemon()
    assert spawn(["true", B], join=False) == 0
    assert d.count(action="killed") == 0
    assert pathlib.Path(sandbox.path).exists()


def test_E13_moves_its_argument_area_elsewhere(daemon, spawn):
    d = daemon(arguments=["--scan-interval", "0.3"])
    code = spawn([str(VICTIMS / "rewrite_argv"), "x" * 60, B[:-1] + "_", "p"])
    if code == 3:
        pytest.skip("PR_SET_MM needs CAP_SYS_RESOURCE, which this machine does not give")
    assert code == -9
    assert d.wait_for(action="killed")["source"] == "psutil.process_iter"
