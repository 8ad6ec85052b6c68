"""All figures in one run, or those of the parts that are named: ``python -m tests.bench pinpads``."""

import argparse
import platform
import tempfile

from tests.bench import frames, line, pinpads, sales, startup, stories
from tests.bench.measure import median_ms, rate


def say(what: str, figure: str, aim: str = "") -> None:
    print(f"{what:<62}{figure:>14}   {aim}", flush=True)


def tell_stories() -> None:
    """Scenarios: how fast, with workers, and whether many are as fast as few, in the same memory."""
    stories.per_second(100)
    few = stories.per_second(100)
    small = stories.megabytes()
    many = stories.per_second(10_000)
    say("scenarios per second, plain sales, one core", f"{few:,.0f}", "aim 300; 100 of them")
    grown = stories.megabytes() - small
    say(
        "  10,000 of them",
        f"{many:,.0f}",
        f"{few / many:.2f} times linear, aim 1.30; {grown:+.1f} MB beside {small:.0f}",
    )
    two = stories.per_second(4_000, workers=2)
    say("  4,000 of them with two workers", f"{two:,.0f}", f"{two / many:.2f} times one")


def tell_pinpads() -> None:
    """Pinpads in one process."""
    found, all_ = pinpads.measure(), pinpads.COUNT * pinpads.SALES
    many = f"{pinpads.COUNT} pinpads in one process, {pinpads.SALES} sales each at once over ptys"
    say(many, f"{found.right}/{all_}", f"right; {found.seconds:.1f} s, {all_ / found.seconds:,.0f} a second")
    say("  start of one, ms", f"{found.median_ms:.1f}", f"aim 10; the third slowest {found.start_ms:.1f}")
    say("  resident memory of one, new, kB", f"{found.empty_kb:,.0f}", "aim 1,000")
    say("    after its sales, with its trace, kB", f"{found.sold_kb:,.0f}", "aim 1,000")


def tell_core() -> None:
    """Frames and whole sales on virtual time."""
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


def tell_line() -> None:
    """A pinpad over a pty beside echoes."""
    link_tests, loop, blocking, turns = line.compare()
    sizes = ", ".join(f"{size}>{'+'.join(map(str, answer)) or '-'}" for size, answer in turns)
    say("link tests (26) per second over a pty", f"{link_tests:,.0f}", f"turns, bytes: {sizes}")
    say(
        "  the same turns with an echo in an event loop",
        f"{loop:,.0f}",
        f"ratio {link_tests / loop:.2f}, aim 0.50",
    )
    say("  the same turns with a blocking echo", f"{blocking:,.0f}", f"ratio {link_tests / blocking:.2f}")


def tell_startup() -> None:
    """From the start of the process to READY."""
    with tempfile.TemporaryDirectory() as state:
        startup.ready(state)
        say("process start to READY, ms", f"{median_ms(lambda: startup.ready(state)):.0f}", "aim 250")
    say("process start to READY with a new state directory, ms", f"{median_ms(startup.in_new_state):.0f}")
    say("  beside python -c pass, ms", f"{median_ms(startup.bare):.0f}")
    print(f"\nheavier packages imported before READY: {', '.join(startup.imported_in_vain()) or 'none'}")


PARTS = {
    "core": tell_core,
    "stories": tell_stories,
    "line": tell_line,
    "pinpads": tell_pinpads,
    "startup": tell_startup,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="All figures in one run.")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args().part or list(PARTS)
    print(f"Python {platform.python_version()} on {platform.machine()}; the best of several rounds\n")
    for part in chosen:
        PARTS[part]()


if __name__ == "__main__":
    main()
