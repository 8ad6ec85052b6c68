"""Resources of the control API: the bank, and the faults of bank, line, power, paper and memory."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.exceptions import HTTPException

from smartsale_emu.control import api_models as api
from smartsale_emu.control import views
from smartsale_emu.control.api_service import Service

_Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="any name of yours")]


def routes(service: Service) -> APIRouter:
    """Return the resources."""
    router = APIRouter()
    _bank(router, service)
    _faults(router, service)
    _fault(router, service)
    return router


def _bank(router: APIRouter, service: Service) -> None:
    @router.get("/bank/ledger", tags=["bank"])
    def get_ledger() -> api.Ledger:
        """Return what the bank holds, and whether the pinpad's memory says the same."""
        return service.look(views.ledger)


def _faults(router: APIRouter, service: Service) -> None:
    book = service.pinpad.faults

    @router.get("/faults", tags=["faults"])
    def get_faults() -> api.Faults:
        """Return the faults that were set, and every form of one."""
        return service.look(views.faults)

    @router.put("/faults", tags=["faults"])
    def set_faults(given: api.FaultsIn) -> api.Faults:
        """Let these faults be armed and no others."""
        book.put_all(given.faults)
        return service.look(views.faults)

    @router.post("/faults", tags=["faults"])
    def do_fault(given: api.FaultIn) -> api.Done:
        """Do it now: `power: cut for 2s`, `bank: forgets`; what waits for its moment gets a name."""
        fault = book.do(given.phrase)
        return api.Done(fault=views.fault(fault) if fault is not None else None)

    @router.delete("/faults", tags=["faults"], status_code=204)
    def clear_faults() -> Response:
        """Take all faults back."""
        book.clear()
        return Response(status_code=204)


def _fault(router: APIRouter, service: Service) -> None:
    book = service.pinpad.faults

    @router.get("/faults/{name}", tags=["faults"])
    def get_fault(name: _Name) -> api.Fault:
        """Return one fault."""
        found = book.get(name)
        if found is None:
            there = ", ".join(one.name for one in book.faults()) or "none"
            raise HTTPException(404, f"no fault has the name {name}; there is: {there}")
        return service.look(lambda _: views.fault(found))

    @router.put("/faults/{name}", tags=["faults"])
    def set_fault(name: _Name, given: api.FaultIn) -> api.Fault:
        """Let a fault be armed under a name; one that has happened is armed again."""
        return views.fault(book.put(name, given.phrase))

    @router.delete("/faults/{name}", tags=["faults"], status_code=204)
    def drop_fault(name: _Name) -> Response:
        """Take a fault back."""
        book.drop(name)
        return Response(status_code=204)
