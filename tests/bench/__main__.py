"""All figures in one run."""

import platform
import tempfile

from tests.bench import frames, line, sales, startup
from tests.bench.measure import median_ms, rate


def say(what: str, figure: str, aim: str = "") -> None:
    print(f"{what:<62}{figure:>14}   {aim}", flush=True)


def main() -> None:
    print(f"Python {platform.python_version()} on {platform.machine()}; the best of several rounds\n")
    say("sale requests encoded per second", f"{rate(frames.encode, count=20_000):,.0f}")
    say(
        "sale requests decoded per second, a frame at a time",
        f"{rate(frames.decode, count=20_000):,.0f}",
        "aim 60,000",
    )
    say(
        "sale requests decoded per second, from pieces of 4096 bytes",
        f"{rate(frames.decode_stream, count=20_000):,.0f}",
    )
    shop = sales.Shop()
    shop.sell(50)
    figure = f"{rate(shop.sell, count=300):,.0f}"
    say("whole sales per second on virtual time, one core", figure, "aim 500; days of 300, settled")
    link_tests, loop, blocking, turns = line.compare()
    sizes = ", ".join(f"{size}>{'+'.join(map(str, answer)) or '-'}" for size, answer in turns)
    say("link tests (26) per second over a pty", f"{link_tests:,.0f}", f"turns, bytes: {sizes}")
    say(
        "  the same turns with an echo in an event loop",
        f"{loop:,.0f}",
        f"ratio {link_tests / loop:.2f}, aim 0.50",
    )
    say("  the same turns with a blocking echo", f"{blocking:,.0f}", f"ratio {link_tests / blocking:.2f}")
    with tempfile.TemporaryDirectory() as state:
        startup.ready(state)
        say("process start to READY, ms", f"{median_ms(lambda: startup.ready(state)):.0f}", "aim 250")
    say("process start to READY with a new state directory, ms", f"{median_ms(startup.in_new_state):.0f}")
    say("  beside python -c pass, ms", f"{median_ms(startup.bare):.0f}")
    print(f"\nheavier packages imported before READY: {', '.join(startup.imported_in_vain()) or 'none'}")


if __name__ == "__main__":
    main()
