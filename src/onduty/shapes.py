"""Types that every room's requests and answers are made of."""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from onduty.cleaning import UNWANTED, WHITE, slug, text
from onduty.clock import Instant, parse_rfc3339
from onduty.errors import Invalid

_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_UUID_SHAPE: Final = (8, 4, 4, 4, 12)


def uuid(value: object) -> str:
    """8-4-4-4-12 hexadecimal digits, any case and version, as lower case."""
    parts = value.split("-") if isinstance(value, str) else []
    digits = "0123456789abcdefABCDEF"
    if tuple(map(len, parts)) != _UUID_SHAPE or not all(d in digits for part in parts for d in part):
        raise Invalid.at("", "must be a UUID")
    return "-".join(parts).lower()


def _instant(value: object) -> Instant:
    try:
        return parse_rfc3339(value if isinstance(value, str) and len(value) <= 64 else "")
    except ValueError as error:
        raise Invalid.at("", str(error)) from None


Uuid = Annotated[str, BeforeValidator(uuid), WithJsonSchema({"type": "string", "format": "uuid", "pattern": _UUID})]
Time = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


class Body(BaseModel):
    """A request's body: types are not guessed at, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


def example(**fields: Any) -> ConfigDict:
    """A body's configuration with one example of it, for the document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class Answer(BaseModel):
    """An answer's body, for the document: answers themselves are written without it."""


class ErrorIssue(Answer):
    path: str
    message: str


class Error(Answer):
    """The one error object; what does not apply is absent."""

    error: str = Field(description="Human-readable error message")
    code: str | None = Field(None, description="Stable machine-readable error code for client branching")
    fieldErrors: dict[str, str] | None = Field(None, description="First validation message per field path")  # noqa: N815 - the contract's name
    issues: list[ErrorIssue] | None = Field(None, description="Structured validation issues")
    retryAfter: float | None = Field(None, description="Seconds until there is room again")  # noqa: N815 - the contract's name
    reconnect: bool | None = Field(None, description="True if re-linking GitHub may fix the issue")


def _escaped(characters: str) -> str:
    """A character class of Python's as JSON Schema has it; surrogates are no characters there."""
    kept = characters.replace("\ud800-\udfff", "")
    return "".join(char if char == "-" or char > "\uffff" else f"\\u{ord(char):04x}" for char in kept)


_TEXT: Final = r"^[^\u0000]*$"
SEEN: Final = rf"^[^\u0000]*[^{_escaped(UNWANTED + WHITE)}][^\u0000]*$"


class Words:
    """Text that is cleaned (design.md 2.5), of at most `limit` characters before that; as an annotation of a field."""

    def __init__(self, limit: int, *, required: bool = False) -> None:
        self.limit = limit
        self.required = required

    def clean(self, value: str) -> str:
        return text(value, "", self.limit, self.required)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.clean, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        least = {"minLength": 1, "pattern": SEEN} if self.required else {"pattern": _TEXT}
        return {"type": "string", "maxLength": self.limit, **least}


class Slug(Words):
    """A machine or branch: cleaned, with `-` for what is neither letter, digit nor one of `._/+-`."""

    def clean(self, value: str) -> str:
        return slug(value, "", self.limit, self.required)


REFUSALS: Final = {
    400: "Something in the request is wrong",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Another method is allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Not JSON, or compressed",
    421: "Not this server's host",
    429: "Too many requests",
    431: "Headers too large",
    500: "Our fault",
    503: "The database cannot be written just now",
}
"""What a refusal with this status means, in the document."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The statuses of refusals that a route documents beside its own answer and those that any may give."""
    return {status: {"model": Error, "description": REFUSALS[status]} for status in statuses}
