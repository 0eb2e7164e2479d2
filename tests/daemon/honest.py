"""Programs that compute honestly and must live, whatever their rounding modes."""
import shutil

# What a shell loop needs.
TOOLS = {"gcc": "gcc", "x264": "ffmpeg"}


def missing_tools(commands, names):
    tools = [TOOLS.get(name, commands[name][0]) for name in names]
    return [tool for tool in tools if not shutil.which(tool)]


def honest_commands(directory, victims, seconds):
    """Name to argv; each computes for so many seconds. `directory` is for what they need."""
    python = "/usr/bin/python3"
    source = directory / "work.c"
    source.write_text("#include <stdio.h>\nint main(void){double x=1;for(int i=0;i<100;i++)x=x*1.5+i;printf(\"%f\",x);return 0;}\n")
    loop = f"end=$(($(date +%s)+{int(seconds)})); while [ $(date +%s) -lt $end ]; do {{}} || exit 3; done"
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
    video = "ffmpeg -v error -f lavfi -i testsrc=size=640x360:duration=30 -c:v libx264 -f null -"
    commands["x264"] = ["sh", "-c", loop.format(video)]
    commands["R"] = ["Rscript", "-e", f"end <- Sys.time() + {seconds}; while (Sys.time() < end) svd(matrix(runif(90000), 300))"]
    return commands
