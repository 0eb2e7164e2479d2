"""Programs that compute honestly and must live, whatever their rounding modes."""


def honest_commands(directory, victims, seconds):
    """Name to argv; each computes for so many seconds. `directory` is for what they need."""
    python = "/usr/bin/python3"
    source = directory / "work.c"
    source.write_text("#include <stdio.h>\nint main(void){double x=1;for(int i=0;i<100;i++)x=x*1.5+i;printf(\"%f\",x);return 0;}\n")
    loop = f"end=$(($(date +%s)+{int(seconds)})); while [ $(date +%s) -lt $end ]; do {{}}; done"
    commands = {pattern: [str(victims / "round_modes"), pattern, str(seconds)] for pattern in
                ("up", "up-down", "three", "cycle", "cycle-flush", "flush", "stale", "toggle")}
    commands["boost-interval"] = [str(victims / "interval_boost"), str(seconds)]
    commands["numpy"] = [python, "-c", "import numpy,time\nend=time.time()+%f\na=numpy.random.rand(600,600)\n"
                         "while time.time()<end: numpy.linalg.svd(a); a@a" % seconds]
    commands["gcc"] = ["sh", "-c", loop.format(f"gcc -O2 -o /dev/null {source}")]
    commands["stress-ng-fp"] = ["stress-ng", "--fp", "1", "--timeout", f"{int(seconds)}s", "--quiet"]
    commands["stress-ng-cpu"] = ["stress-ng", "--cpu", "1", "--cpu-method", "all", "--timeout", f"{int(seconds)}s", "--quiet"]
    commands["node"] = ["node", "-e", "const e=Date.now()+%d;let s=0;while(Date.now()<e){for(let i=0;i<1e6;i++)s+=Math.sqrt(i)*1.1}" % (seconds * 1000)]
    commands["java"] = ["jshell", "-s", "-"]
    commands["ffmpeg"] = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=size=640x360:duration={int(seconds * 20)}", "-t", "1200",
                          "-f", "null", "-"]
    commands["octave"] = ["octave-cli", "--eval", f"tic; while toc < {seconds}, svd(rand(300)); end"]
    return commands
