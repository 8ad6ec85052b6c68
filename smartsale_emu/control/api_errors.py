"""Errors of the control API: one JSON object with a reason, whatever went wrong."""

import re
from http import HTTPStatus
from json import JSONDecodeError

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from smartsale_emu.control.api_models import Error
from smartsale_emu.control.fault_book import ConflictError
from smartsale_emu.errors import PortError, SetupError
from smartsale_emu.pan import mask_text

ERRORS: dict[int | str, dict[str, object]] = {
    "default": {
        "model": Error,
        "description": "400: no HTTP, or no JSON. 401: the token is missing or wrong. 403: Host or Origin is "
        "not ours. 404, 405: no such resource or method. 408, 413: the request is too slow or too large. "
        "409: it cannot be done now. 415: the body is not said to be JSON. 422: a value is wrong. 503: too "
        "many ask at the same time, or the end has come.",
    }
}
"""What every resource may answer."""

_REASONS = {404: "there is nothing here", 405: "this resource has no such method"}

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no key here",
    "model_attributes_type": "is no object",
    "dict_type": "is no object",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_unicode": "is no text",
}
"""What is wrong with a value, by the name that pydantic has for it. For others: what pydantic says."""


def add_errors(app: FastAPI) -> None:
    """Tell every error of an application in this way."""

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:
            return _answer(400, _unreadable(error.__cause__))
        untold = str(error.detail) == HTTPStatus(error.status_code).phrase
        reason = _REASONS.get(error.status_code, error.detail) if untold else error.detail
        return _answer(error.status_code, reason, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        if isinstance(error.body, bytes):
            return _answer(415, "the body must be JSON, with the header 'content-type: application/json'")
        if isinstance(error.__cause__, JSONDecodeError):
            return _answer(400, _unreadable(error.__cause__))
        return _answer(422, "; ".join(f"{_where(one['loc'])}: {_what(one)}" for one in error.errors()))

    @app.exception_handler(ConflictError)
    async def conflict(_: Request, error: ConflictError) -> JSONResponse:
        return _answer(409, str(error))

    @app.exception_handler(PortError)
    async def port(_: Request, error: PortError) -> JSONResponse:
        return _answer(409, str(error))

    @app.exception_handler(ValueError)
    async def value(_: Request, error: ValueError) -> JSONResponse:
        return _answer(422, str(error))

    @app.exception_handler(SetupError)
    async def setup(_: Request, error: SetupError) -> JSONResponse:
        return _answer(422, str(error))

    @app.exception_handler(Exception)
    async def ours(_: Request, error: Exception) -> JSONResponse:
        return _answer(500, f"a mistake of ours: {type(error).__name__}")


def _answer(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": mask_text(reason)}, status, headers)


def _where(place: tuple[object, ...]) -> str:
    shown = ".".join(str(part) for part in place[1:] or place if part != "[key]")
    return shown[:80]


def _what(error: dict[str, object]) -> str:
    said = re.sub(r"^\w+ should ", "must ", str(error["msg"]))
    return _WORDS.get(str(error["type"]), said)


def _unreadable(cause: BaseException | None) -> str:
    """Return why a body could not be read as JSON."""
    match cause:
        case JSONDecodeError():
            return f"body: is no JSON from line {cause.lineno}, column {cause.colno} on"
        case UnicodeDecodeError():
            return f"body: is no JSON: byte {cause.start + 1} is no text"
        case RecursionError():
            return "body: is nested too deep"
        case ValueError():
            return "body: a number in it has too many digits"
        case _:
            return "body: is no JSON"
