"""The npm package ``iso_8583``, as a host and as a client of ours."""

import json
from pathlib import Path

from peers_kit import ALL_PASSED, HERE, NODE, check, done, needs_iso_8583, our_host, serving, steps

pytestmark = needs_iso_8583

PEER = HERE / "iso_8583_peer.js"
LINK_TEST = {
    "0": "0800",
    "3": "990000",
    "7": "1123093000",
    "11": "000017",
    "24": "001",
    "41": "00060056",
    "42": "111111111      ",
}
PURCHASE = {
    **LINK_TEST,
    "0": "0200",
    "2": "5413330089020011",
    "3": "000000",
    "4": "000000001250",
    "14": "3012",
    "22": "021",
    "25": "00",
    "35": "5413330089020011=30121010000000000",
    "49": "643",
}


def command(*words: str) -> list[str]:
    return [str(NODE), str(PEER), *words]


def test_a_host_made_of_it_approves_what_we_send_and_we_read_its_answers() -> None:
    """It always writes a bitmap of 16 bytes."""
    with serving(command("serve"), r"(\d+)\n") as port:
        status, said = check(port, "generic-ascii")
    assert (status, steps(said)) == (0, ALL_PASSED), said
    assert "rrn=632709000017  authorization_code=NODE01" in said


def test_a_client_made_of_it_is_answered_by_our_host(tmp_path: Path) -> None:
    with our_host("generic-ascii", tmp_path / "bank") as port:
        answers = [done(command("ask", str(port), json.dumps(fields))) for fields in (LINK_TEST, PURCHASE)]
    assert [status for status, _ in answers] == [0, 0], answers
    echo, purchase = (json.loads(said) for _, said in answers)
    assert (echo["0"], echo["11"], echo["39"]) == ("0810", "000017", "00")
    assert (purchase["0"], purchase["4"], purchase["39"]) == ("0210", "000000001250", "00")
    assert len(purchase["38"]) == 6
