# SPDX-License-Identifier: Apache-2.0
"""Cards for tests: one that says something everywhere, and all that hypothesis can think of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from weighbridge.openness import COMPONENTS
from weighbridge_schemas.card import Card

__all__ = ["cards", "full_card", "lines"]

_ODD = [
    "no",
    "1e5",
    "~",
    "null",
    "0777",
    "12:30",
    "- x",
    "a: b",
    "# c",
    "'",
    '"',
    "é🙂",
    "=",
    "yes",
    "0x1F",
    "1_000",
    "<<",
]


def lines(most: int = 12) -> st.SearchStrategy[str]:
    """Lines that YAML could mistake for something else, and others; without space at their ends."""
    text = st.text(
        st.characters(
            min_codepoint=33,
            max_codepoint=0x2FF,
            exclude_characters="\x7f\xa0\xad",
            exclude_categories=("Cc",),
        ),
        min_size=1,
        max_size=most,
    )
    return st.one_of(st.sampled_from(_ODD), text)


def _maybe(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


def _licenses() -> st.SearchStrategy[dict[str, Any]]:
    spdx = st.sampled_from(
        ["Apache-2.0", "MIT", "CC-BY-4.0", "AGPL-3.0-only", "MIT OR Apache-2.0", "BUSL-1.1"]
    )
    place = _maybe(url=st.just("https://example.org/licence"))
    given = st.one_of(st.builds(lambda one: {"spdx": one}, spdx), st.just({"text": "Community Licence 2"}))
    return st.builds(lambda one, where: one | where, given, place)


def _evaluations() -> st.SearchStrategy[dict[str, Any]]:
    required = {
        "metric": lines(),
        "value": st.one_of(
            st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_nan=False, width=32), st.just("12 of 20")
        ),
    }
    optional = {
        "task": lines(),
        "task_name": lines(),
        "dataset": lines(),
        "dataset_name": lines(),
        "dataset_split": lines(),
        "metric_name": lines(),
        "source_name": lines(),
        "source": st.just("https://example.org/board"),
        "dataset_revision": st.just("abc123"),
    }
    return st.fixed_dictionaries(required, optional=optional)


def _components() -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.builds(
        lambda name, said: {"name": name} | said,
        st.sampled_from([rule.name for rule in COMPONENTS]),
        st.fixed_dictionaries(
            {"present": st.booleans()},
            optional={
                "license": _licenses(),
                "location": st.sampled_from(["model.safetensors", "https://example.org/x", "src/train"]),
                "digest": st.just(f"sha256:{'a' * 64}"),
            },
        ),
    )
    return st.lists(one, max_size=17, unique_by=lambda item: item["name"])


def _sources() -> st.SearchStrategy[list[dict[str, Any]]]:
    """What is said of categories of data, also that there was none."""
    used = st.one_of(
        st.fixed_dictionaries(
            {"category": st.just("crawled"), "used": st.just(True)},
            optional={
                "crawlers": st.lists(st.fixed_dictionaries({"name": lines()}), max_size=2),
                "domains": st.just(["a.example", "b.example"]),
                "period": st.just({"begin": "2025"}),
            },
        ),
        st.fixed_dictionaries(
            {"category": st.just("user_data"), "used": st.just(True)},
            optional={"from_model": st.booleans(), "services": st.lists(lines(), max_size=2)},
        ),
        st.fixed_dictionaries(
            {"category": st.sampled_from(["public_datasets", "other", "synthetic"]), "used": st.booleans()},
            optional={"description": lines(60)},
        ),
    )
    return st.lists(used, max_size=3, unique_by=lambda one: one["category"])


@st.composite
def cards(draw: st.DrawFn) -> Card:
    """Return a card of any shape that the exports know."""
    stage = st.fixed_dictionaries(
        {"stage": st.sampled_from(["pretraining", "finetuning", "post_training", "unspecified"])},
        optional={
            "process": lines(),
            "hardware": lines(),
            "energy": _maybe(
                co2_grams=st.floats(0, 1e6, width=32),
                kilowatt_hours=st.floats(0, 1e6, width=32),
                location=lines(),
            ),
            "hyperparameters": st.dictionaries(
                st.sampled_from(["lr", "epochs"]),
                st.one_of(lines(), st.booleans(), st.floats(0, 1, width=32)),
                max_size=2,
            ),
        },
    )
    stated = draw(
        _maybe(
            identity=_maybe(
                title=lines(),
                producer=lines(),
                library=lines(),
                task=lines(),
                developers=st.lists(lines(), max_size=2),
                tags=st.lists(lines(), max_size=3, unique=True),
                languages=st.lists(st.sampled_from(["en", "no", "de-CH", "mul"]), max_size=3, unique=True),
                replaced_by=lines(),
            ),
            description=_maybe(
                summary=lines(60),
                architecture=st.one_of(lines(), st.just("transformer")),
                parameters=st.integers(0, 2**53 - 1),
                context_length=st.integers(0, 10**6),
                input_modalities=st.lists(lines(), max_size=2),
            ),
            licenses=_maybe(
                distribution=_licenses(), code=_licenses(), data=_licenses(), document=_licenses()
            ),
            uses=_maybe(intended=st.lists(lines(), max_size=2), out_of_scope=st.lists(lines(), max_size=2)),
            risks=st.lists(
                st.fixed_dictionaries(
                    {"category": st.sampled_from(["limitation", "bias", "safety"]), "description": lines(60)},
                    optional={"mitigation": lines()},
                ),
                max_size=2,
            ),
            training=st.lists(stage, max_size=3),
            data=_maybe(
                references=st.lists(
                    st.fixed_dictionaries(
                        {"name": lines()},
                        optional={"location": st.just("https://example.org/d"), "license": _licenses()},
                    ),
                    max_size=3,
                    unique_by=lambda one: one["name"],
                ),
                description=lines(60),
                characteristics=lines(60),
                sources=_sources(),
                sizes=st.lists(
                    st.fixed_dictionaries(
                        {"modality": lines(), "amount": st.integers(0, 10**15), "unit": lines()}
                    ),
                    max_size=2,
                ),
                latest=st.sampled_from(["2026", "2026-01", "2026-01-31"]),
                continuous=st.booleans(),
                opt_outs=lines(60),
            ),
            inference=st.fixed_dictionaries({"benchmark": lines()}, optional={"method": lines()}),
            evaluations=st.lists(_evaluations(), max_size=4),
            metrics=st.lists(lines(), max_size=3, unique=True),
            components=_components(),
            links=st.lists(
                st.fixed_dictionaries(
                    {
                        "rel": st.sampled_from(["homepage", "repository", "paper", "other"]),
                        "url": st.just("https://example.org/l"),
                    },
                    optional={"title": lines()},
                ),
                max_size=2,
            ),
            contacts=st.lists(
                st.fixed_dictionaries({"role": st.just("other"), "address": lines()}), max_size=2
            ),
        )
    )
    said = Card.model_validate(stated).to_json()  # a group in which nothing is said is no group
    return Card.model_validate({name: group for name, group in said.items() if group != {}})


def full_card() -> Card:
    """Return a card that says something in every group, licences that SPDX knows."""
    return Card.model_validate(
        {
            "identity": {
                "title": "Tiny",
                "developers": ["Ada"],
                "producer": "Tiny Lab",
                "library": "transformers",
                "task": "text-classification",
                "languages": ["en", "mul"],
                "tags": ["tiny"],
                "replaced_by": "t/2",
                "union_market": "2026-06-01",
            },
            "description": {
                "summary": "Small.",
                "architecture": "transformer",
                "parameters": 22_713_216,
                "context_length": 512,
                "input_modalities": ["text"],
                "output_modalities": ["label"],
                "input_limits": ["image: 4 megapixels"],
                "output_limits": ["one label"],
                "design": "Few layers, so that it runs anywhere.",
            },
            "licenses": {"distribution": {"spdx": "Apache-2.0"}, "data": {"text": "Own terms"}},
            "uses": {
                "intended": ["Tests."],
                "acceptable_use_policy": "https://example.org/aup",
                "systems": ["Mail programs."],
                "integration": ["A Python package."],
                "hardware": "any",
                "software": "Python 3.11",
            },
            "risks": [
                {"category": "limitation", "description": "Knows nothing."},
                {"category": "bias", "description": "Some.", "mitigation": "Measure."},
            ],
            "training": [
                {
                    "stage": "finetuning",
                    "process": "Two epochs.",
                    "rationale": "More would have been too many.",
                    "compute_petaflop": 1200,
                    "compute_method": "counted",
                    "accelerator_hours": 4,
                    "hardware": "1 x A100",
                    "hyperparameters": {"lr": 2e-5, "warm": True},
                    "energy": {"kilowatt_hours": 12.5, "co2_grams": 4000, "source": "CodeCarbon"},
                }
            ],
            "data": {
                "references": [
                    {
                        "name": "org/c",
                        "location": "https://example.org/c",
                        "note": "half",
                        "category": "public_datasets",
                    },
                    {"name": "partner/mails", "category": "private_other"},
                ],
                "description": "Mails.",
                "sources": [
                    {"category": "public_datasets", "used": True, "description": "c", "modalities": ["text"]},
                    {
                        "category": "private_licensed",
                        "used": True,
                        "description": "l",
                        "modalities": ["text"],
                    },
                    {"category": "private_other", "used": True, "description": "p", "modalities": ["text"]},
                    {
                        "category": "crawled",
                        "used": True,
                        "description": "Lists.",
                        "modalities": ["text"],
                        "period": {"begin": "2025-01", "end": "2026-01"},
                        "crawlers": [{"name": "Bot/1", "purpose": "mails", "behaviour": "heeds robots.txt"}],
                        "domains": ["lists.example"],
                    },
                    {
                        "category": "user_data",
                        "used": True,
                        "description": "u",
                        "modalities": ["text"],
                        "from_model": False,
                        "services": ["Tiny Mail"],
                    },
                    {
                        "category": "synthetic",
                        "used": True,
                        "description": "s",
                        "modalities": ["text"],
                        "generators": [{"name": "org/big", "on_market": True}],
                    },
                    {"category": "other", "used": True, "description": "o", "modalities": ["text"]},
                ],
                "sizes": [{"modality": "text", "amount": 2_000_000_000, "unit": "tokens"}],
                "languages": ["en", "de"],
                "latest": "2026-01",
                "continuous": False,
                "characteristics": "Short texts.",
                "curation": "Signatures were cut.",
                "unsuitable": "A list of domains.",
                "biases": "None were looked for.",
                "opt_outs": "robots.txt",
                "illegal_content": "Hash lists.",
                "code_of_practice": True,
            },
            "inference": {"petaflop": 0.002, "benchmark": "one mail", "method": "counted"},
            "evaluations": [
                {"task": "t", "dataset": "glue", "metric": "accuracy", "value": 0.5, "dataset_split": "test"},
                {"dataset": "cais/hle", "benchmark_task": "hle", "value": 20.9, "measured": "2025-01-15"},
            ],
            "metrics": ["accuracy"],
            "components": [
                {
                    "name": "model_card",
                    "present": True,
                    "location": "README.md",
                    "license": {"spdx": "CC-BY-4.0"},
                },
                {"name": "evaluation_results", "present": True, "within": "model_card"},
                {"name": "training_code", "present": False},
            ],
            "links": [{"rel": "paper", "url": "https://example.org/p", "title": "Paper"}],
            "contacts": [
                {"role": "security", "address": "security@example.org"},
                {"role": "legal", "name": "Office"},
                {"role": "representative", "name": "Tiny Lab Europe"},
            ],
            "readme": {"sha256": "a" * 64, "size": 7},
        }
    )
