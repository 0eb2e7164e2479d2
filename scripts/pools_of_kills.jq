# Where the miners that were killed wanted to go: pools in the command lines of what the log says was killed because it ran RandomX.
#
#   jq -Rrn --arg as addresses -f scripts/pools_of_kills.jq LOG...   IPv4:PORT, a line each: a list for tcpflowkiller
#   jq -Rrn --arg as rules     -f scripts/pools_of_kills.jq LOG...   host names, as a rule file whose group reports first
#   --argjson containers 3: only what was seen in so many containers at least (default 1)
#
# These are candidates, to be read by somebody: a miner may write any name into its command line, an honest one too. So nothing is
# taken from what was killed for another reason (whoever scans names its victims), nor what is private or has no domain.

def private:
  split(".") | map(tonumber) as $n
  | any($n[]; . > 255) or $n[0] == 0 or $n[0] == 10 or $n[0] == 127 or $n[0] >= 224
    or ($n[0] == 100 and $n[1] >= 64 and $n[1] < 128) or ($n[0] == 169 and $n[1] == 254)
    or ($n[0] == 172 and $n[1] >= 16 and $n[1] < 32) or ($n[0] == 192 and $n[1] == 168);
def is_address: test("^[0-9]{1,3}([.][0-9]{1,3}){3}$");
def inside: test("\\.(svc|local|localdomain|internal|lan)$|^[0-9.]+$");

# [host, port] behind a blank, a quote, "=", "//", "@", or the letter of a short option.
def places:
  [match("(?:^|[\\s'\"=,/@]|(?<=-)[a-zA-Z])([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+):([0-9]{1,5})(?=$|[\\s'\",/])"; "gi")
   | [.captures[0].string, .captures[1].string] | map(ascii_downcase)]
  | unique[] | select((.[1] | tonumber) > 0 and (.[1] | tonumber) < 65536);

($ARGS.named.containers // 1) as $least
| [inputs | fromjson? | select(type == "object" and .action == "killed" and .detector == "monero")
   | (.container_id // .cgroup // "") as $where
   | .cmdline | if type == "array" then join(" ") else . end | strings
   | places | {host: .[0], port: .[1], $where}]
| group_by([.host, .port])
| map({host: .[0].host, port: .[0].port, seen: (map(.where) | unique | length)} | select(.seen >= $least))
| if $ARGS.named.as == "addresses" then
    .[] | select(.host | is_address and (private | not)) | "\(.host):\(.port)"
  elif $ARGS.named.as == "rules" then
    {groups: [{id: "found", purpose: "In command lines of miners that were found by RandomX", reportFirst: {cleanDays: 1},
               bannedCommandStrings: (map(.host | select(inside | not)) | unique)}]}
  else error("--arg as: addresses or rules") end
