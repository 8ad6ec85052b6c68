#!/bin/sh
# A whole sale with a PIN, and one whose answer is lost, by curl alone.
#
#   api_sale.sh http://127.0.0.1:8765 PORT "smartsale-emu register"
#
# PORT is what the pinpad said at READY; the last argument is your register: it is called with "sale AMOUNT
# --port PORT". Needs curl 7.82 or newer (--json).
set -eu
api="$1/api/v1" port=$2 register=$3

ask() { curl --silent --show-error --fail-with-body "$@"; }
must() { grep -q -- "$2" <<WHAT || { echo "not as it must be: $2 in $1" >&2; exit 1; }
$1
WHAT
}

ask "$api/health" >/dev/null

echo "The customer puts a card in, and types a PIN when he is asked."
ask -X PUT --json '{"card": "mir-chip"}' "$api/card" >/dev/null
$register sale 100.00 --port "$port" >/dev/null 2>&1 & sale=$!
ask "$api/state?asks=pin&within=20s" >/dev/null
ask --json '{"pin": "1234"}' "$api/pin"
wait $sale
must "$(ask "$api/exchanges")" '"approved":true'

echo "The register never acknowledges the next answer."
ask -X PUT --json '{"phrase": "line: drop every ack of final"}' "$api/faults/lost" >/dev/null
$register sale 50.00 --port "$port" >/dev/null 2>&1 & sale=$!
ask "$api/state?asks=pin&within=20s" >/dev/null
ask --json '{"pin": "1234"}' "$api/pin"
wait $sale || true
ask --json '{"by": "60s"}' "$api/clock" >/dev/null
ask -X DELETE "$api/faults"

state=$(ask "$api/state?rests=true&within=20s")
must "$state" '"owes":\[\]'
ledger=$(ask "$api/bank/ledger")
must "$ledger" '"state":"reversed"'
must "$ledger" '"net":10000,"agree":true'
echo "Bank and pinpad agree: 100.00 were paid, 50.00 were given back."
