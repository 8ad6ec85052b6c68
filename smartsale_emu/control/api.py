"""The control API: an HTTP application over a served pinpad. Its description is ``control/openapi.json``."""

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute

from smartsale_emu import __version__
from smartsale_emu.control import api_bank, api_events, api_pinpad, api_scenario
from smartsale_emu.control.api_errors import ERRORS, add_errors
from smartsale_emu.control.api_service import Service
from smartsale_emu.scenario.meant import there_is

PREFIX = "/api/v1"

ABOUT = """\
Steer a pinpad, its customer, its bank and its line from any language.

Amounts are in minor units (kopecks). Every error is `{"error": reason}`. `PUT` and `DELETE` may be repeated.
"""


def create_app(service: Service) -> FastAPI:
    """Return the application. Requests reach it through a `guard.Guard`."""
    app = FastAPI(
        title="smartsale-emu",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    add_errors(app)
    router = APIRouter(prefix=PREFIX, responses=ERRORS, dependencies=[Depends(_refuse_unknown_queries)])
    for part in (api_pinpad, api_bank, api_scenario, api_events):
        router.include_router(part.routes(service))
    app.include_router(router)
    return app


def _refuse_unknown_queries(request: Request) -> None:
    """Refuse a query that has no such key, as a body with one is refused: it would be waited for nothing."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [one.alias for one in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            there = there_is(name, known) if known else "this resource has no queries"
            raise ValueError(f"{name}: is no key here; {there}")
