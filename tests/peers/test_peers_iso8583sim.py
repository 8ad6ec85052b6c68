"""``iso8583sim``: its mock host understands us and we its answers, its client our host; ASCII and BCD."""

import json
from pathlib import Path

import pytest
from peers_kit import ALL_PASSED, HERE, ISO8583SIM, check, done, needs_iso8583sim, our_host, serving, steps

pytestmark = needs_iso8583sim

LISTENS = r"listening on\s+127\.0\.0\.1:(\d+)"
BCD = HERE / "iso8583sim-bcd.toml"
each_format = pytest.mark.parametrize(
    ("wire", "profile"),
    [
        (["--format", "ascii-binary"], "generic-ascii"),
        (["--format", "bcd", "--tpdu", "6000010000"], BCD),
    ],
    ids=["ascii", "bcd"],
)
PURCHASE = {
    "0": "0200",
    "2": "2200123456789019",
    "3": "000000",
    "4": "000000001250",
    "7": "1123093000",
    "11": "000017",
    "12": "093000",
    "13": "1123",
    "14": "3012",
    "22": "012",
    "24": "001",
    "25": "00",
    "41": "00060056",
    "42": "111111111",
    "49": "643",
}


def command(*words: str) -> list[str]:
    assert ISO8583SIM is not None
    return [ISO8583SIM, *words]


@each_format
def test_its_host_approves_what_we_send_and_we_read_its_answers(wire: list[str], profile: str | Path) -> None:
    with serving(command("serve", "--port", "0", *wire), LISTENS) as port:
        status, said = check(port, profile)
    assert (status, steps(said)) == (0, ALL_PASSED), said


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"respond": "51"}, "DE39 51: not enough money"),
        ({"action": "drop"}, "FAILED: no answer in time"),
        ({"action": "close"}, "FAILED: the bank closed the connection"),
    ],
    ids=["declined", "dropped", "closed"],
)
def test_the_reversal_follows_whatever_its_host_makes_of_the_purchase(
    rule: dict[str, str], told: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": [{"match": {"mti": "0200"}, **rule}, {"respond": "00"}]}))
    with serving(command("serve", "--port", "0", "--rules", str(rules)), LISTENS) as port:
        status, said = check(port, "generic-ascii", "--timeout", "1")
    assert status == 1
    assert [ended for _, ended in steps(said)] == ["passed", "FAILED", "passed"], said
    assert told in said


@each_format
def test_its_client_is_answered_by_our_host(wire: list[str], profile: str | Path, tmp_path: Path) -> None:
    fields, message = tmp_path / "fields.json", tmp_path / "message.txt"
    fields.write_text(json.dumps(PURCHASE))
    built = done(command("build", "--mti", "0200", "--fields", str(fields), "--output", str(message)))
    assert built[0] == 0, built[1]
    with our_host(profile, tmp_path / "bank") as port:
        status, said = done(command("send", message.read_text(), "--port", str(port), *wire))
    assert status == 0, said
    told = dict(line.split("│")[1:4:2] for line in said.splitlines() if line.count("│") == 5)
    shown = {number.strip(): value.strip() for number, value in told.items()}
    assert (shown["0"], shown["4"], shown["11"], shown["39"]) == ("0210", "000000001250", "000017", "55"), (
        said
    )
