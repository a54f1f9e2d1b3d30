# SPDX-License-Identifier: Apache-2.0
"""Card → the Model Documentation Form of the EU's Code of Practice for general-purpose AI.

Transparency chapter, July 2025: sections and questions are the form's, in its order (docs/spec/eu-forms.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from .eu_forms import (
    Answer,
    Question,
    Section,
    from_card,
    from_lineage,
    from_release,
    license_text,
    number,
    reference_text,
    write_form,
    yes_or_no,
)
from .exports import Exported, ExportSubject

if TYPE_CHECKING:
    from weighbridge_schemas.card import Card, TrainingStage

__all__ = ["write_documentation"]

_TITLE: Final = "Model documentation form"
_TEMPLATE: Final = "Code of Practice for General-Purpose AI Models, Transparency chapter, July 2025"
_PETA: Final = 10**15
_BANDS: Final = (
    (500_000_000, "1 to 500 million"),
    (5_000_000_000, "500 million to 5 billion"),
    (15_000_000_000, "5 to 15 billion"),
    (50_000_000_000, "15 to 50 billion"),
    (100_000_000_000, "50 to 100 billion"),
    (500_000_000_000, "100 to 500 billion"),
    (1_000_000_000_000, "500 billion to 1 trillion"),
)
_PROVENANCE: Final = {
    "crawled": "web crawling",
    "private_licensed": "private data sets licensed from third parties",
    "private_other": "other private data sets of third parties",
    "user_data": "user data",
    "public_datasets": "publicly available data sets",
    "synthetic": "synthetic data that is not publicly available",
    "other": "data collected by other means",
}


def write_documentation(card: Card, subject: ExportSubject, as_: Literal["markdown", "json"]) -> Exported:
    """Return the form, filled in as far as the card, the release and the lineage answer it."""
    sections = (
        Section("1", "General information", tuple(_general(card, subject))),
        Section("2", "Model properties", tuple(_properties(card, subject))),
        Section("3", "Methods of distribution and licences", tuple(_distribution(card, subject))),
        Section("4", "Use", tuple(_use(card))),
        Section("5", "Training process", tuple(_training(card))),
        Section("6", "Data used for training, testing and validation", tuple(_data(card, subject))),
        Section("7", "Computational resources during training", tuple(_compute(card))),
        Section("8", "Energy consumption during training and inference", tuple(_energy(card))),
    )
    return write_form(
        card, subject, sections, form="eu-gpai-documentation", title=_TITLE, template=_TEMPLATE, as_=as_
    )


def _general(card: Card, subject: ExportSubject) -> Iterator[Question]:
    named = f"{subject.namespace}/{subject.name}@{subject.version}" if subject.version else ""
    yield Question("1.1", "Legal name of the provider", from_card(card, "identity.producer"))
    yield Question(
        "1.2",
        "Model name",
        (*from_release(named, "namespace, name, version"), *from_card(card, "identity.title")),
    )
    yield Question("1.3", "Model authenticity", tuple(_authenticity(subject)))
    yield Question("1.4", "Release date", from_release(subject.released_at, "released_at"))
    yield Question("1.5", "Union market release date", from_card(card, "identity.union_market"))
    yield Question("1.6", "Model dependencies", from_lineage(subject))
    contacts = tuple(
        Answer(f"{one.role}: {', '.join(filter(None, (one.name, one.address)))}", f"card: contacts[{place}]")
        for place, one in enumerate(card.contacts)
        if one.name or one.address
    )
    yield Question("+", "Contacts", contacts)


def _authenticity(subject: ExportSubject) -> Iterator[Answer]:
    if subject.model_digest:
        yield Answer(f"fingerprint of all files {subject.model_digest}", "release: model.model_digest")
    if subject.weights_digest:
        yield Answer(f"fingerprint of the weights {subject.weights_digest}", "release: model.weights_digest")
    if subject.release_statement:
        signed = f", signed by {subject.signer}" if subject.signer else ""
        yield Answer(f"release statement {subject.release_statement}{signed}", "release: its signature")


def _properties(card: Card, subject: ExportSubject) -> Iterator[Question]:
    description = card.description
    yield Question("2.1", "Model architecture", from_card(card, "description.architecture"))
    yield Question(
        "2.2",
        "Design specifications of the model",
        (*from_card(card, "description.design"), *from_card(card, "description.summary")),
    )
    yield Question("2.3", "Input modalities", from_card(card, "description.input_modalities"))
    yield Question(
        "2.3a",
        "Maximum size of each input modality",
        (
            *from_card(card, "description.context_length", unit="tokens"),
            *from_card(card, "description.input_limits"),
        ),
    )
    yield Question("2.4", "Output modalities", from_card(card, "description.output_modalities"))
    yield Question(
        "2.4a", "Maximum size of each output modality", from_card(card, "description.output_limits")
    )
    size = from_card(card, "description.parameters", unit="parameters")
    if description is not None and description.parameters is not None:
        band = next(
            (words for most, words in _BANDS if description.parameters <= most), "more than 1 trillion"
        )
        size = (*size, Answer(f"band: {band}", "card: description.parameters", derived=True))
    yield Question("2.5", "Total model size", size)
    files = (
        Answer(
            f"{len(subject.files)} files, {sum(file.size for file in subject.files)} bytes in all",
            "release: model.files",
            derived=True,
        ),
    )
    yield Question("+", "Files", files if subject.files else ())


def _distribution(card: Card, subject: ExportSubject) -> Iterator[Question]:
    channels = [Answer(one, f"release: locations[{place}]") for place, one in enumerate(subject.locations)]
    channels += [
        Answer(one.url, f"card: links[{place}]")
        for place, one in enumerate(card.links)
        if one.rel in ("repository", "demo")
    ]
    yield Question("3.1", "Distribution channels", tuple(channels))
    licenses = [
        Answer(f"{content}: {license_text(license_)}", f"card: licenses.{content}")
        for content in ("distribution", "code", "data", "document")
        if card.licenses is not None and (license_ := getattr(card.licenses, content)) is not None
    ]
    yield Question("3.2", "Licence", tuple(licenses))


def _use(card: Card) -> Iterator[Question]:
    yield Question("4.1", "Acceptable use policy", from_card(card, "uses.acceptable_use_policy"))
    restricted = tuple(
        Answer(f"Not for: {one.text}", one.source) for one in from_card(card, "uses.out_of_scope")
    )
    yield Question("4.2", "Intended or restricted uses", (*from_card(card, "uses.intended"), *restricted))
    yield Question(
        "4.3",
        "Type and nature of AI systems in which the model can be integrated",
        (*from_card(card, "uses.systems"), *from_card(card, "uses.downstream")),
    )
    yield Question(
        "4.4",
        "Technical means for integration",
        (*from_card(card, "uses.integration"), *from_card(card, "identity.library")),
    )
    yield Question("4.5", "Required hardware", from_card(card, "uses.hardware"))
    yield Question("4.6", "Required software", from_card(card, "uses.software"))


def _training(card: Card) -> Iterator[Question]:
    steps = [
        Answer(f"{_named(stage)}: {stage.process}", f"card: training[{place}].process")
        for place, stage in enumerate(card.training)
        if stage.process
    ]
    steps += [
        Answer(
            f"{_named(stage)}: "
            + ", ".join(f"{name} = {value}" for name, value in stage.hyperparameters.items()),
            f"card: training[{place}].hyperparameters",
        )
        for place, stage in enumerate(card.training)
        if stage.hyperparameters
    ]
    why = tuple(
        Answer(f"{_named(stage)}: {stage.rationale}", f"card: training[{place}].rationale")
        for place, stage in enumerate(card.training)
        if stage.rationale
    )
    yield Question("5.1", "Design specifications of the training process", tuple(steps))
    yield Question("5.2", "Decision rationale", why)


def _named(stage: TrainingStage) -> str:
    return "training" if stage.stage == "unspecified" else stage.stage.replace("_", "-")


def _data(card: Card, subject: ExportSubject) -> Iterator[Question]:
    data = card.data
    sources = data.sources if data is not None else ()
    modalities = {
        size.modality: f"card: data.sizes[{n}]" for n, size in enumerate(data.sizes if data else ())
    }
    for n, source in enumerate(sources):
        for modality in source.modalities:
            modalities.setdefault(modality, f"card: data.sources[{n}].modalities")
    yield Question("6.1", "Data type or modality", tuple(Answer(*one) for one in modalities.items()))
    yield Question("6.2", "Data provenance", tuple(_provenance(card)))
    obtained = [
        Answer(source.description, f"card: data.sources[{n}].description")
        for n, source in enumerate(sources)
        if source.description
    ]
    obtained += [
        Answer(
            f"{one.name}: {one.dataset.method}",
            f"data set statement {one.statement}, signed by {one.signer}: method",
        )
        for one in subject.datasets
        if one.dataset.method
    ]
    yield Question(
        "6.3",
        "How the data was obtained and selected",
        (*from_card(card, "data.description"), *obtained, *_sets(card, subject)),
    )
    tags = ", ".join(data.languages) if data is not None else ""
    languages = (Answer(f"languages: {tags}", "card: data.languages"),) if tags else ()
    yield Question("6.4", "Number of data points", tuple(_points(card, subject)))
    yield Question(
        "6.5",
        "Scope and main characteristics",
        (*from_card(card, "data.characteristics"), *languages),
    )
    yield Question("6.6", "Data curation methods", from_card(card, "data.curation"))
    yield Question("6.7", "Measures to detect unsuitable data sources", from_card(card, "data.unsuitable"))
    yield Question("6.8", "Measures to detect identifiable biases", from_card(card, "data.biases"))


def _provenance(card: Card) -> Iterator[Answer]:
    if card.data is None:
        return
    told: set[str] = set()
    for place, source in enumerate(card.data.sources):
        told.add(source.category)
        box = yes_or_no(used=source.used, source=f"card: data.sources[{place}].used")
        yield Answer(f"{_PROVENANCE[source.category]}: {box.text}", box.source, derived=True)
    for category in card.data.eu_categories:
        if category not in told:
            yield Answer(f"{_PROVENANCE[category]}: Yes", "card: data.eu_categories", derived=True)


def _sets(card: Card, subject: ExportSubject) -> Iterator[Answer]:
    for place, reference in enumerate(card.data.references if card.data is not None else ()):
        yield Answer(reference_text(reference), f"card: data.references[{place}]")
    for place, use in enumerate(subject.lineage.datasets if subject.lineage is not None else ()):
        facts = [use.stage or "", use.location or "", use.digest or "", use.note or ""]
        details = ", ".join(filter(None, facts))
        yield Answer(f"{use.name} ({details})" if details else use.name, f"lineage: datasets[{place}]")


def _points(card: Card, subject: ExportSubject) -> Iterator[Answer]:
    for place, size in enumerate(card.data.sizes if card.data is not None else ()):
        note = f" ({size.note})" if size.note else ""
        yield Answer(
            f"{size.modality}: {number(size.amount)} {size.unit}{note}", f"card: data.sizes[{place}]"
        )
    for one in subject.datasets:
        if one.dataset.records is not None:
            source = f"data set statement {one.statement}, signed by {one.signer}: records"
            yield Answer(f"{one.name}: {one.dataset.records:,} records", source)


def _compute(card: Card) -> Iterator[Question]:
    stages = list(enumerate(card.training))
    time = [
        Answer(f"{_named(stage)}: {words}", f"card: training[{place}].{member}")
        for place, stage in stages
        for member, words in (
            (
                "accelerator_hours",
                f"{number(stage.accelerator_hours)} device hours"
                if stage.accelerator_hours is not None
                else "",
            ),
            ("started", f"from {stage.started}" if stage.started else ""),
            ("ended", f"until {stage.ended}" if stage.ended else ""),
            ("hardware", f"on {stage.hardware}" if stage.hardware else ""),
        )
        if words
    ]
    yield Question("7.1", "Training time", tuple(time))
    amount = [
        Answer(
            f"{_named(stage)}: {stage.compute_petaflop * _PETA:.6g} FLOP",
            f"card: training[{place}].compute_petaflop",
        )
        for place, stage in stages
        if stage.compute_petaflop is not None
    ]
    stated = [stage.compute_petaflop for _, stage in stages if stage.compute_petaflop is not None]
    if len(stated) > 1:
        total = f"sum of the {len(stated)} stages that state it: {sum(stated) * _PETA:.6g} FLOP"
        amount.append(Answer(total, "card: training", derived=True))
    yield Question("7.2", "Amount of computation used for training", tuple(amount))
    methods = [
        Answer(f"{_named(stage)}: {stage.compute_method}", f"card: training[{place}].compute_method")
        for place, stage in stages
        if stage.compute_method
    ]
    yield Question("7.3", "Measurement methodology", tuple(methods))


def _energy(card: Card) -> Iterator[Question]:
    spent = [
        (place, stage, stage.energy) for place, stage in enumerate(card.training) if stage.energy is not None
    ]
    used = [
        Answer(
            f"{_named(stage)}: {energy.kilowatt_hours / 1000:.6g} MWh",
            f"card: training[{place}].energy.kilowatt_hours",
        )
        for place, stage, energy in spent
        if energy.kilowatt_hours is not None
    ]
    stated = [energy.kilowatt_hours for _, _, energy in spent if energy.kilowatt_hours is not None]
    if len(stated) > 1:
        total = f"sum of the {len(stated)} stages that state it: {sum(stated) / 1000:.6g} MWh"
        used.append(Answer(total, "card: training", derived=True))
    yield Question("8.1", "Amount of energy used for training", tuple(used))
    methods = [
        Answer(f"{_named(stage)}: {energy.source}", f"card: training[{place}].energy.source")
        for place, stage, energy in spent
        if energy.source
    ]
    yield Question("8.2", "Measurement methodology", tuple(methods))
    emitted = [
        Answer(
            f"{_named(stage)}: {energy.co2_grams / 1000:.6g} kg of CO2 equivalent",
            f"card: training[{place}].energy.co2_grams",
        )
        for place, stage, energy in spent
        if energy.co2_grams is not None
    ]
    yield Question("+", "Emissions of training", tuple(emitted))
    benchmark = []
    if card.inference is not None:
        if card.inference.petaflop is not None:
            words = f"{card.inference.petaflop * _PETA:.6g} FLOP for {card.inference.benchmark}"
            benchmark.append(Answer(words, "card: inference.petaflop"))
        if card.inference.kilowatt_hours is not None:
            words = f"{card.inference.kilowatt_hours:.6g} kWh for {card.inference.benchmark}"
            benchmark.append(Answer(words, "card: inference.kilowatt_hours"))
    yield Question("8.3", "Benchmarked amount of computation used for inference", tuple(benchmark))
    yield Question("8.4", "Measurement methodology of the benchmark", from_card(card, "inference.method"))
