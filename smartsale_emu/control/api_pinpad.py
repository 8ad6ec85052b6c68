"""Resources of the control API: the pinpad itself."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from smartsale_emu import __version__
from smartsale_emu.control import api_models as api
from smartsale_emu.control import views
from smartsale_emu.control.api_service import Service
from smartsale_emu.control.fault_book import ConflictError
from smartsale_emu.runtime.live_world import LiveWorld
from smartsale_emu.scenario.commands import LoadPaper
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

Result = TypeVar("Result")

LONGEST_WAIT = Millis(60_000)
LONGEST_JUMP = Millis(400 * 86_400_000)
LONGEST_CUT = Millis(86_400_000)

_States = Annotated[State | None, Query(description="wait until the terminal is in this state")]


def routes(service: Service) -> APIRouter:
    """Return the resources."""
    router = APIRouter(tags=["pinpad"])
    _looks(router, service)
    _lists(router, service)
    _hands(router, service)
    _power(router, service)
    _time(router, service)
    return router


def _looks(router: APIRouter, service: Service) -> None:
    pinpad = service.pinpad

    @router.get("/health")
    def get_health() -> api.Health:
        """Tell that we are here."""
        return api.Health(version=__version__, on=pinpad.on)

    @router.get("/state")
    async def get_state(
        request: Request,
        asks: Annotated[api.Asks | None, Query(description="wait until this is asked for")] = None,
        state: _States = None,
        screen: Annotated[str | None, Query(description="wait until the screen says this")] = None,
        rests: Annotated[bool, Query(description="wait until nothing is under way")] = False,  # noqa: FBT002
        within: Annotated[str, Query(description="how long: 60s at most")] = "10s",
    ) -> api.PinpadState:
        """Return everything at a glance; with a condition: as soon as it is so, or 409 when it never is."""
        longest = _time_up_to(within, LONGEST_WAIT, "within")

        def so() -> bool:
            world = pinpad.world
            return service.over.is_set() or (
                (asks is None or (world.asked is not None and world.asked.value == asks))
                and (state is None or world.emulator.state is state)
                and (screen is None or screen in world.screen)
                and (not rests or pinpad.rests)
            )

        looking = pinpad.hub.wait_from_another_loop(_state_once(service, so, longest))
        found = await _while_there(request, looking)
        if service.over.is_set():
            raise HTTPException(503, "the pinpad is being ended")
        if found is None:
            raise ConflictError(_never_so(pinpad.world, within, dict(request.query_params)))
        return found


def _never_so(world: LiveWorld, within: str, wanted: dict[str, str]) -> str:
    """Return what was waited for in vain, and what is so instead."""
    wanted.pop("within", None)
    told = ", ".join(f"{name}={value}" for name, value in wanted.items())
    state, screen = world.emulator.state.value, " / ".join(world.screen.splitlines())
    asks = world.asked.value if world.asked is not None else "nothing"
    so = f"the terminal is in the state «{state}», asks for {asks}, and its screen says «{screen}»"
    return f"{told}: not so within {within}; {so}"


async def _state_once(service: Service, so: Callable[[], bool], within: Millis) -> api.PinpadState | None:
    """Return the state as soon as something is so; None when it never is. To be run in the pinpad's loop."""
    if not await service.pinpad.world.wait(so, within):
        return None
    return views.state(service.pinpad, service.setup, service.stories.playing)


async def _while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """Return what a coroutine returns; where the client leaves it ends at once, and None is returned."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_leaves(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _lists(router: APIRouter, service: Service) -> None:
    @router.get("/screen")
    def get_screen() -> api.Screen:
        """Return what it shows."""
        return service.look(views.screen)

    @router.get("/cards")
    def get_cards() -> list[api.Card]:
        """Return the test cards that lie at hand."""
        return service.look(views.cards)

    @router.get("/journal")
    def get_journal() -> list[api.Slip]:
        """Return the slips of the open day, as the pinpad remembers them."""
        return service.look(views.journal)

    @router.get("/receipts")
    def get_receipts() -> list[api.Receipt]:
        """Return the receipts: those in answers that registers took, and those that it printed itself."""
        return service.look(views.receipts)

    @router.get("/exchanges")
    def get_exchanges() -> list[api.Exchange]:
        """Return what registers have asked, and how it ended."""
        return service.look(views.asked)

    @router.get("/diagram")
    def get_diagram() -> api.Diagram:
        """Return the terminal's table of states."""
        return views.diagram()


def _hands(router: APIRouter, service: Service) -> None:
    pinpad = service.pinpad

    @router.put("/card")
    def present_card(card: api.CardIn) -> api.Held:
        """Present a card: now if one is asked for, and whenever one will be."""
        pinpad.customer.present(card.card, api.MODES[card.how] if card.how else None, card.pin)
        held = service.look(views.held)
        assert held is not None
        return held

    @router.delete("/card", status_code=204)
    def remove_card() -> Response:
        """Take the card away; in the middle of a payment that breaks it off."""
        pinpad.customer.take_card()
        return Response(status_code=204)

    @router.post("/pin", status_code=204)
    def type_pin(given: api.PinIn) -> Response:
        """Type a PIN and press the green key; 409 when no PIN is asked for."""
        pinpad.type_pin(given.pin)
        return Response(status_code=204)

    @router.post("/keys", status_code=204)
    def press_key(_key: api.KeyIn) -> Response:
        """Press a key: the red one cancels."""
        pinpad.cancel()
        return Response(status_code=204)

    @router.put("/paper")
    def set_paper(given: api.PaperIn) -> api.PaperIn:
        """Load its own printer, or take the paper out."""
        pinpad.do(LoadPaper(given.loaded))
        return given


def _power(router: APIRouter, service: Service) -> None:
    pinpad = service.pinpad

    @router.get("/power")
    def get_power() -> api.Power:
        """Return whether there is power."""
        return service.look(views.power)

    @router.put("/power")
    def set_power(given: api.PowerIn) -> api.Power:
        """Switch it on or off; off ``for`` a while it comes back by itself."""
        if given.on and given.for_ is not None:
            raise ValueError("for: goes with off only")
        if given.on:
            pinpad.power_on()
        elif given.for_ is None:
            pinpad.power_off()
        else:
            pinpad.cut(_time_up_to(given.for_, LONGEST_CUT, "for"))
        return service.look(views.power)

    @router.post("/reset")
    def reset() -> api.PinpadState:
        """Make pinpad and bank new: an empty memory, an empty ledger, no fault, no card."""
        service.stories.stop()
        pinpad.reset()
        return service.look(lambda one: views.state(one, service.setup, ""))

    @router.get("/memory")
    def get_memory() -> api.MemoryState:
        """Return the pinpad's memory, to be put back one day."""
        return api.MemoryState(memory=pinpad.snapshot())

    @router.put("/memory", status_code=204)
    def restore_memory(given: api.MemoryState) -> Response:
        """Start it again with this memory; its bank knows what it knows. A scenario is stopped."""
        service.stories.stop()
        pinpad.restore(given.memory)
        return Response(status_code=204)


def _time(router: APIRouter, service: Service) -> None:
    pinpad = service.pinpad

    @router.get("/clock")
    def get_clock() -> api.Clock:
        """Return the pinpad's time."""
        return service.look(views.clock)

    @router.put("/clock")
    def set_clock(given: api.ClockIn) -> api.Clock:
        """Put the clock forward to a moment; 409 when that is past."""
        if given.ms - pinpad.now() > LONGEST_JUMP:
            raise ValueError("ms: 400 days from now at most")
        pinpad.advance_to(Millis(given.ms))
        return service.look(views.clock)

    @router.post("/clock")
    def advance_clock(given: api.AdvanceIn) -> api.Clock:
        """Put the clock forward by some time, with all that is due in it."""
        pinpad.advance(_time_up_to(given.by, LONGEST_JUMP, "by"))
        return service.look(views.clock)


def _time_up_to(text: str, most: Millis, name: str) -> Millis:
    try:
        time = duration(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if time > most:
        raise ValueError(f"{name}: {most // 1000}s at most")
    return time
