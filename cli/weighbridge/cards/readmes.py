# SPDX-License-Identifier: Apache-2.0
"""A README.md of a model → a card that can be signed.

Bytes in, card out, nothing contacted: the front matter is read with `strict_yaml`, given its
meaning by huggingface_hub's own classes, and each member is either placed in the card or listed
in `card.imported.not_understood` with the reason. Nothing is guessed except the title (first
heading) and the summary (first paragraph), which people can see in the README itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weighbridge.errors import InputError
from weighbridge.licenses import spdx_id
from weighbridge.openness import read_terms
from weighbridge.strict_yaml import read_yaml

from .members import Members, keep

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, Data, Description, EvaluationResult, Identity, TrainingStage
    from weighbridge_schemas.card import License as LicenseModel

__all__ = ["MAX_README_BYTES", "FrontMatter", "card_from_readme", "split_readme"]

MAX_README_BYTES: Final = 4 * 1024 * 1024
"""Longest README that is read."""

LINEAGE_MEMBERS: Final = frozenset({"base_model", "base_model_relation"})
"""Front-matter members that `weighbridge.lineages` reads; `datasets` is read by both."""

# The hub's own rule (huggingface_hub.repocard.REGEX_YAML_BLOCK): the block opens the file.
_FRONT_MATTER: Final = re.compile(r"\A(\s*---(?:\r\n|\r|\n))([\S\s]*?)(?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|\Z)")
_MOST_EVALUATIONS: Final = 4096
_SUMMARY_LENGTH: Final = 600
_STAGES: Final = {"pre-training": "pretraining", "pretraining": "pretraining", "fine-tuning": "finetuning"}
_RESULT_MEMBERS: Final = (
    ("task", "task_type"),
    ("task_name", "task_name"),
    ("dataset", "dataset_type"),
    ("dataset_name", "dataset_name"),
    ("dataset_config", "dataset_config"),
    ("dataset_split", "dataset_split"),
    ("dataset_revision", "dataset_revision"),
    ("metric", "metric_type"),
    ("metric_name", "metric_name"),
    ("metric_config", "metric_config"),
    ("value", "metric_value"),
    ("source_name", "source_name"),
    ("source", "source_url"),
)
_RESULT_MEMBERS_NOT_KEPT: Final = ("dataset_args", "metric_args", "verified", "verify_token")


@dataclass(frozen=True)
class FrontMatter:
    """A README in its two parts: the members of its front matter, and the Markdown body."""

    members: Mapping[str, Any]
    body: str


def split_readme(readme: bytes) -> FrontMatter:
    """Read a README's front matter strictly; without one, there are no members.

    Raises InputError if it is too long, not UTF-8, or its front matter is not valid YAML or not a
    mapping.
    """
    if len(readme) > MAX_README_BYTES:
        raise InputError(f"README.md has {len(readme):,} bytes; the limit is {MAX_README_BYTES:,}")
    try:
        text = readme.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"README.md is not UTF-8 at byte {error.start}", hint="Save it as UTF-8 and run again."
        ) from error
    match = _FRONT_MATTER.match(text)
    if match is None:
        return FrontMatter({}, text)
    first_line = match[1].count("\n") + 1
    members = read_yaml(match[2], "README.md", first_line=first_line)
    if members is None:
        members = {}
    if not isinstance(members, dict):
        raise InputError(
            "README.md: the front matter is not a list of `name: value` members",
            hint="See the hub's guide to model cards, or remove the block between the `---` lines.",
        )
    return FrontMatter(members, text[match.end() :])


def card_from_readme(readme: bytes) -> Card:
    """Return the card that a README.md states. Works without front matter.

    Raises InputError if the README cannot be read at all; members that cannot be placed do not
    stop it, they are listed in the card.
    """
    from weighbridge_schemas.card import Card, Imported, ReadmeReference

    parts = split_readme(readme)
    reader = Members(parts.members)
    card = Card(
        identity=_identity(reader, parts.body),
        description=_description(parts.body),
        licenses=_licenses(reader),
        data=_data(reader),
        metrics=reader.names("metrics"),
        training=_training(reader),
        evaluations=_evaluations(reader),
        readme=ReadmeReference(sha256=hashlib.sha256(readme).hexdigest(), size=len(readme)),
    )
    notes = reader.notes(known=LINEAGE_MEMBERS)
    imported = Imported(source="huggingface", not_understood=notes) if parts.members else None
    return card.model_copy(update={"imported": imported})


def _identity(reader: Members, body: str) -> Identity | None:
    from weighbridge_schemas.base import Line, Name
    from weighbridge_schemas.card import Identity

    model_name = reader.fit("model_name", reader.take("model_name"), Line)
    identity = Identity(
        title=_title(body) or model_name,
        library=reader.fit("library_name", reader.take("library_name"), Name),
        task=reader.fit("pipeline_tag", reader.take("pipeline_tag"), Name),
        languages=_languages(reader),
        tags=reader.names("tags"),
        replaced_by=reader.fit("new_version", reader.take("new_version"), Name),
    )
    return identity if identity != Identity() else None


def _languages(reader: Members) -> tuple[str, ...]:
    from weighbridge_schemas.card_data import LanguageTag

    # ISO 639-2 says `mul` where the hub says `multilingual`.
    named = ("mul" if name == "multilingual" else name for name in reader.names("language"))
    fitting = (reader.fit("language", name, LanguageTag) for name in named)
    return tuple(dict.fromkeys(tag for tag in fitting if tag is not None))


def _description(body: str) -> Description | None:
    from weighbridge_schemas.card import Description

    summary = _summary(body)
    return Description(summary=summary) if summary else None


def _licenses(reader: Members) -> Any:
    from weighbridge_schemas.base import FilePath, HttpsUrl, Line
    from weighbridge_schemas.card import License, Licenses

    given, name, link = (reader.take(key) for key in ("license", "license_name", "license_link"))
    if isinstance(given, list):
        given = given[0] if len(given) == 1 else ", ".join(map(str, given))
    given = reader.fit("license", given, Line)
    name = reader.fit("license_name", name, Line)
    if given is None and name is None:
        if link is not None:
            reader.note("license_link", "there is no license or license_name beside it")
        return None
    is_address = isinstance(link, str) and "://" in link
    spdx = _spdx(given) or _spdx(name)
    license_: LicenseModel = License(
        spdx=spdx,
        text=None if spdx else (name or given),
        url=reader.fit("license_link", link, HttpsUrl) if is_address else None,
        path=None if is_address else reader.fit("license_link", link, FilePath),
    )
    return Licenses(distribution=license_)


def _spdx(name: str | None) -> str | None:
    """Return what a hub's name means in SPDX: a name of its list, or an expression that SPDX knows all of."""
    if name is None:
        return None
    terms = read_terms(name)
    readable = not (terms.problem or terms.unknown or terms.deprecated)
    return spdx_id(name) or (terms.expression if readable else None)


def _data(reader: Members) -> Data | None:
    from weighbridge_schemas.card import Data, DataReference

    references = tuple(DataReference(name=name) for name in reader.names("datasets"))
    return Data(references=references) if references else None


def _training(reader: Members) -> tuple[TrainingStage, ...]:
    """Read `co2_eq_emissions`: grams alone, or a mapping that also says how and where."""
    from weighbridge_schemas.base import Line
    from weighbridge_schemas.card import Energy, TrainingStage
    from weighbridge_schemas.card_data import Quantity

    key = "co2_eq_emissions"
    value = reader.take(key)
    if value is None:
        return ()
    stated: dict[str, Any] = value if isinstance(value, dict) else {"emissions": value}
    stage = _STAGES.get(str(stated.get("training_type", "")).lower(), "unspecified")
    energy = Energy(
        co2_grams=reader.fit(f"{key}.emissions", stated.get("emissions"), Quantity),
        source=reader.fit(f"{key}.source", stated.get("source"), Line),
        location=reader.fit(f"{key}.geographical_location", stated.get("geographical_location"), Line),
    )
    hardware = reader.fit(f"{key}.hardware_used", stated.get("hardware_used"), Line)
    known = {"emissions", "source", "training_type", "geographical_location", "hardware_used"}
    for name in sorted(stated.keys() - known):
        reader.note(f"{key}.{name}", "there is no place for it")
    if energy == Energy() and hardware is None:
        return ()
    return (TrainingStage.model_validate({"stage": stage, "hardware": hardware, "energy": energy}),)


def _evaluations(reader: Members) -> tuple[EvaluationResult, ...]:
    """Read `model-index` with the hub's own classes, one card result for each metric."""
    from huggingface_hub import ModelCardData

    index = reader.take("model-index")
    if index is None:
        return ()
    try:
        results = ModelCardData(**{"model-index": index}).eval_results or []
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reader.note("model-index", f"cannot be read as evaluation results: {error}")
        return ()
    if len(results) > _MOST_EVALUATIONS:
        reader.note("model-index", f"only the first {_MOST_EVALUATIONS} of {len(results)} results were kept")
    for member in _RESULT_MEMBERS_NOT_KEPT:
        if any(getattr(result, member) is not None for result in results):
            reader.note("model-index", f"{member} was not kept")
    read = (_evaluation(reader, n, result) for n, result in enumerate(results[:_MOST_EVALUATIONS]))
    return tuple(result for result in read if result is not None)


def _evaluation(reader: Members, number: int, result: Any) -> EvaluationResult | None:
    from weighbridge_schemas.card import EvaluationResult

    stated = {ours: getattr(result, theirs) for ours, theirs in _RESULT_MEMBERS}
    if isinstance(stated["source"], str) and not stated["source"].startswith("https://"):
        reader.note(f"model-index result {number}", "its source is no https address")
        stated["source"] = None
    if isinstance(stated["dataset_revision"], int | float):
        stated["dataset_revision"] = str(stated["dataset_revision"])
    stated = {name: value for name, value in stated.items() if value is not None}
    read: EvaluationResult | None = reader.fit(f"model-index result {number}", stated, EvaluationResult)
    return read


# --- title and summary -------------------------------------------------------------------------

_FENCE: Final = re.compile(r"^[ ]{0,3}(```|~~~)")
_HEADING: Final = re.compile(r"^#[ \t]+(?P<text>[^\n]{1,400}?)[ \t#]*$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\n]{0,500}\)")
_NOT_PROSE: Final = re.compile(r"[#<>|!\[*+=`~-]|\d{1,3}[.)] |\s{4}|\t")


def _plain(text: str) -> str:
    """Return Markdown of one paragraph as text: link words without addresses, no emphasis marks."""
    words = _LINK.sub(r"\1", text)
    words = re.sub(r"\*\*|__|`|<[^<>\n]{0,300}>", "", words)
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _title(body: str) -> Any:
    """Return the first level-1 heading outside code, as text."""
    from weighbridge_schemas.base import Line

    in_code = False
    for line in body[:20_000].splitlines():
        if _FENCE.match(line):
            in_code = not in_code
        elif not in_code and (match := _HEADING.match(line)):
            return keep(_plain(match["text"]), Line)
    return None


def _summary(body: str) -> Any:
    """Return the first paragraph that is plain prose, cut at a word after 600 characters."""
    from weighbridge_schemas.base import Paragraph

    in_code = False
    for block in re.split(r"\n[ \t]*\n", body[:20_000].replace("\r\n", "\n")):
        fences = sum(1 for line in block.splitlines() if _FENCE.match(line))
        starts_in_code, in_code = in_code, in_code ^ bool(fences % 2)
        lines = block.strip("\n").splitlines()
        if lines and _HEADING.match(lines[0]):
            lines = lines[1:]
        if starts_in_code or fences or not lines or any(_NOT_PROSE.match(line) for line in lines):
            continue
        text = _plain("\n".join(lines))
        if text:
            return keep(_cut(text), Paragraph)
    return None


def _cut(text: str) -> str:
    if len(text) <= _SUMMARY_LENGTH:
        return text
    return text[:_SUMMARY_LENGTH].rsplit(" ", 1)[0] + " …"
