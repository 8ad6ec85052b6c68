"""The stream of the control API: every record of the trace as it comes, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from smartsale_emu.control.api_service import Service
from smartsale_emu.control.event_log import Event

MOST_FOLLOWERS: Final = 20
"""At the same time; whoever comes then is told 503."""

_After = Annotated[int | None, Query(ge=0, description="only records with a greater id")]
_LastId = Annotated[int | None, Header(ge=0, description="as `after`; a browser sends it by itself")]


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class _Followed(EventStream):
    """Those that go on. ``seats``: all that are followed now."""

    def __init__(self, told: AsyncIterator[str], seats: "set[_Followed]") -> None:
        super().__init__(told)
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell them. Raises HTTPException when too many are followed already."""
        if len(self._seats) >= MOST_FOLLOWERS:
            raise HTTPException(
                503, f"{MOST_FOLLOWERS} follow the events already: one of them must end first"
            )
        self._seats.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seats.remove(self)


def routes(service: Service) -> APIRouter:
    """Return the resource."""
    router, seats = APIRouter(tags=["events"]), set[_Followed]()

    @router.get("/events", response_class=EventStream)
    async def follow_events(
        after: _After = None,
        last_event_id: _LastId = None,
        follow: Annotated[bool, Query(description="stay for what comes; else end")] = True,  # noqa: FBT002
    ) -> StreamingResponse:
        """Return the records that are kept (the last 5000), then each as it comes.

        A record is a JSON object as in the trace file, with its ``id`` and its ``words``. A comment comes
        when nothing else does for ten seconds.
        """
        begin = last_event_id if last_event_id is not None else (after or 0)
        if follow:
            return _Followed(_follow(service, begin), seats)
        return EventStream(_once(service, begin))

    return router


async def _once(service: Service, begin: int) -> AsyncIterator[str]:
    yield _lines(service.pinpad.log.since(begin))


async def _follow(service: Service, begin: int) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for events in service.pinpad.log.follow(begin, service.over):
        yield _lines(events) or ":\n\n"


def _lines(events: list[Event]) -> str:
    return "".join(f"id: {event.number}\nevent: trace\ndata: {event.text}\n\n" for event in events)
