"""The description of the API in OpenAPI 3.1, made of the options and limits themselves."""

from __future__ import annotations

from typing import Any

from deltasr import __version__
from deltasr.imaging.formats import READABLE_TITLES
from deltasr.web.limits import Limits
from deltasr.web.options import OPTIONS

_ERRORS = {
    "400": "An option is unknown or not of its kind, or there is no picture.",
    "401": "The server has a password, which is missing or wrong.",
    "403": "The request comes from a page of another server, or asks for this one by a name that is not its own.",
    "408": "The upload took too long.",
    "413": "The file, the picture or the result is too large.",
    "415": f"The file is not a {READABLE_TITLES} picture.",
    "422": "The picture is damaged, or an option is not possible, or not with this model.",
    "429": "The queue is full; Retry-After says in how many seconds to try again.",
    "503": "The server has no room now, or is shutting down.",
    "504": "The picture took longer than the server allows.",
}
_PICTURE = {"type": "string", "format": "binary"}
_RESULT_HEADERS = {
    "Deltasr-Model": "Name of the model.",
    "Deltasr-Fidelity": "The fidelity that was used, for models with a dial.",
    "Deltasr-Restoration": "The restoration that was used, estimated or not, for models that restore.",
    "Deltasr-Width": "Width of the result in pixels.",
    "Deltasr-Height": "Height of the result in pixels.",
    "Deltasr-Error-Levels": "With map=error, in 8-bit levels: the half-width of the middle pixel's interval, and the "
    "one that nine of ten pixels do not exceed.",
    "Deltasr-Seconds": "Seconds from reading the picture to writing the result, without the time in the queue.",
    "Deltasr-Notes": "JSON list of sentences: what had to be converted or left out.",
}


def description(limits: Limits) -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "deltasr",
            "version": __version__,
            "description": (
                "Make small pictures large. At most "
                f"{limits.upload_bytes / 1e6:g} MB and {limits.pixels / 1e6:g} megapixels a picture, "
                f"{limits.result_pixels / 1e6:g} megapixels a result, {limits.waiting} pictures waiting."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"password": []}],
        "components": {
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "One sentence for people."}},
                },
                "Model": _model(),
            },
        },
        "paths": {
            "/v1/upscale": {"post": _upscale()},
            "/v1/models": {
                "get": {
                    "summary": "The models of this server",
                    "responses": {
                        "200": _json(
                            {
                                "type": "object",
                                "required": ["models"],
                                "properties": {
                                    "models": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}
                                },
                            }
                        ),
                        **_errors("401", "403"),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "summary": "Whether the server works; needs no password",
                    "security": [{}],
                    "responses": {
                        "200": _json(_health()),
                        "503": _json(_health(), "The worker has ended."),
                        **_errors("403"),
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "summary": "This description",
                    "responses": {"200": _json({"type": "object"}), **_errors("401", "403")},
                }
            },
        },
    }


def _upscale() -> dict[str, Any]:
    content = {
        kind: {"schema": _PICTURE} for kind in ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp")
    }
    content["application/zip"] = {"schema": _PICTURE}
    form = {"type": "object", "required": ["file"], "properties": {"file": _PICTURE}}
    return {
        "summary": "Upscale a picture: the bytes that deltasr upscale writes for the same file and options",
        "parameters": [
            {
                "name": option.name,
                "in": "query",
                "required": False,
                "description": option.text,
                "schema": dict(option.schema),
            }
            for option in OPTIONS
        ],
        "requestBody": {
            "required": True,
            "description": "The bytes of a file, or a form with one file.",
            "content": {
                "application/octet-stream": {"schema": _PICTURE},
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {
            "200": {
                "description": "The result; with a map, a zip archive of the result and the map's two pictures.",
                "headers": {
                    name: {"description": text, "schema": {"type": "string"}} for name, text in _RESULT_HEADERS.items()
                },
                "content": content,
            },
            **_errors(*_ERRORS),
        },
    }


def _errors(*statuses: str) -> dict[str, Any]:
    return {status: _json({"$ref": "#/components/schemas/Error"}, _ERRORS[status]) for status in statuses}


def _json(schema: dict[str, Any], text: str = "As JSON.") -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _health() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["status", "waiting", "version"],
        "properties": {
            "status": {"enum": ["ok", "failing"]},
            "waiting": {"type": "integer", "minimum": 0},
            "version": {"type": "string"},
        },
    }


def _model() -> dict[str, Any]:
    properties = {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "scale": {"type": "integer"},
        "parameters": {"type": "integer"},
        "fidelity": {"type": "boolean", "description": "Whether it has the dial `fidelity`."},
        "default_fidelity": {"type": ["number", "null"]},
        "restoration": {"type": "boolean", "description": "Whether it has the dial `restoration`."},
        "error_map": {"type": "boolean", "description": "Whether `map=error` is possible with it."},
        "default": {"type": "boolean"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}
