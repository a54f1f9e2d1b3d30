# SPDX-License-Identifier: Apache-2.0
"""card/v1: what a publisher discloses about a model.

A release carries its card; `CardRevision` replaces it later. Nearly everything is optional: an
absent member means "not said", never "no". `readme` binds the README.md that people read, and
`imported` lists each front-matter member that no field here understands, so that nothing that was
written is dropped silently.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .base import (
    Count,
    Digest,
    Document,
    FilePath,
    Flag,
    Hex256,
    HttpsUrl,
    Line,
    Location,
    Name,
    Number,
    Origin,
    Paragraph,
    Reference,
    Revision,
    Slug,
    Timestamp,
    form,
    predicate_type,
)
from .card_data import (
    DataSize,
    DataSource,
    EuCategory,
    LanguageTag,
    Lines,
    Paragraphs,
    Quantity,
)
from .card_data import Day as DayOrMonth

__all__ = [
    "KIND",
    "PREDICATE_TYPE",
    "Card",
    "CardRevision",
    "Component",
    "ComponentName",
    "Contact",
    "Data",
    "DataReference",
    "Description",
    "Energy",
    "EvaluationResult",
    "Identity",
    "Imported",
    "Inference",
    "License",
    "Licenses",
    "Link",
    "ReadmeReference",
    "Risk",
    "TrainingStage",
    "Uses",
]

KIND: Final = "card"
PREDICATE_TYPE: Final = predicate_type(KIND)

SpdxExpression = Annotated[
    str,
    StringConstraints(max_length=512),
    form(r"^[A-Za-z0-9().+: -]+$", "is not an SPDX licence expression"),
]
Day = Annotated[str, form(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "is not a day like 2026-01-31")]

ComponentName = Literal[
    "model_architecture",
    "model_parameters_final",
    "evaluation_results",
    "model_card",
    "data_card",
    "technical_report",
    "sample_model_outputs",
    "training_code",
    "inference_code",
    "evaluation_code",
    "evaluation_data",
    "supporting_libraries",
    "datasets",
    "data_preprocessing_code",
    "model_parameters_intermediate",
    "research_paper",
    "model_metadata",
]
"""The 17 components of the Model Openness Framework."""

_CONTAINERS: Final = {
    "evaluation_results": ("model_card", "technical_report", "research_paper"),
    "data_card": ("model_card",),
}


class License(Document):
    """One licence: an SPDX expression where there is one, else the text that was given."""

    spdx: SpdxExpression | None = None
    """SPDX licence expression."""
    text: Line | None = None
    """Name or identifier as the publisher wrote it, where SPDX has none."""
    url: HttpsUrl | None = None
    """Where its text is."""
    path: FilePath | None = None
    """File of the model that holds its text."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.spdx is None and self.text is None:
            raise ValueError("needs spdx or text")
        return self


class Licenses(Document):
    """Licences by content type; `distribution` is for all that has none of its own."""

    distribution: License | None = None
    """The whole distribution."""
    code: License | None = None
    """Code."""
    data: License | None = None
    """Data, parameters included."""
    document: License | None = None
    """Documents."""


class Identity(Document):
    """What the model is called and who made it."""

    title: Line | None = None
    """Name for people."""
    developers: Lines = ()
    """Who developed it."""
    producer: Line | None = None
    """Organisation that releases it."""
    library: Name | None = None
    """Software library that loads it."""
    task: Name | None = None
    """Main task, as the hub's pipeline tag."""
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=1024)] = ()
    """Natural languages, BCP 47."""
    tags: Annotated[tuple[Name, ...], Field(max_length=256)] = ()
    """Free keywords."""
    replaced_by: Name | None = None
    """Name of a newer model that its publisher recommends."""
    union_market: Day | None = None
    """Day on which it was placed on the market of the European Union."""


class Description(Document):
    """What the model is, technically."""

    summary: Paragraph | None = None
    """A few sentences for people."""
    architecture: Line | None = None
    """Model architecture."""
    parameters: Count | None = None
    """Number of parameters."""
    context_length: Count | None = None
    """Longest input in tokens."""
    input_modalities: Lines = ()
    """Kinds of input."""
    output_modalities: Lines = ()
    """Kinds of output."""
    input_limits: Lines = ()
    """Largest inputs beside `context_length`, such as `image: 4 megapixels`."""
    output_limits: Lines = ()
    """Largest outputs, in the same way."""
    design: Paragraph | None = None
    """Key choices of its design, with reasons and assumptions."""


class Uses(Document):
    """What it is for and what it is not for."""

    intended: Paragraphs = ()
    """Direct uses."""
    downstream: Paragraphs = ()
    """Uses after further training or inside larger systems."""
    out_of_scope: Paragraphs = ()
    """Uses that the publisher warns against."""
    acceptable_use_policy: HttpsUrl | None = None
    """Policy that users accept."""
    systems: Paragraphs = ()
    """Sorts of systems that it can be built into."""
    integration: Paragraphs = ()
    """What is needed to build it in: instructions, interfaces, tools."""
    hardware: Line | None = None
    """Hardware that running it needs."""
    software: Line | None = None
    """Software that running it needs."""


class Risk(Document):
    """One limitation, bias or risk."""

    category: Literal["limitation", "bias", "safety", "security", "privacy", "other"]
    """Sort of risk."""
    description: Paragraph
    """What may go wrong."""
    mitigation: Paragraph | None = None
    """What was done, or what to do, about it."""


class Energy(Document):
    """Energy and emissions of one activity, as reported."""

    kilowatt_hours: Quantity | None = None
    """Energy used."""
    co2_grams: Quantity | None = None
    """Emissions in grams of CO2 equivalent."""
    source: Line | None = None
    """How it was measured or estimated."""
    location: Line | None = None
    """Where it was used."""


class TrainingStage(Document):
    """One stage of training."""

    stage: Literal["pretraining", "midtraining", "finetuning", "post_training", "unspecified"]
    """Which stage."""
    process: Paragraph | None = None
    """What was done."""
    rationale: Paragraph | None = None
    """Why it was done so: key decisions and what it was optimised for."""
    hyperparameters: Annotated[dict[Slug, Line | Number | Flag], Field(max_length=128)] = {}  # noqa: RUF012 - pydantic copies defaults
    """Hyperparameters by name."""
    hardware: Line | None = None
    """Machines used."""
    compute_petaflop: Quantity | None = None
    """Floating point operations, in units of 10^15."""
    compute_method: Line | None = None
    """How the number of operations was measured or estimated."""
    accelerator_hours: Quantity | None = None
    """Device hours."""
    energy: Energy | None = None
    """Energy and emissions."""
    funding: Line | None = None
    """Who paid."""
    started: Timestamp | None = None
    """Begin."""
    ended: Timestamp | None = None
    """End."""


class Inference(Document):
    """What one use of the model costs."""

    petaflop: Quantity | None = None
    """Floating point operations of the benchmark, in units of 10^15."""
    kilowatt_hours: Quantity | None = None
    """Energy of the benchmark."""
    benchmark: Line
    """What was measured: so many tokens in and out, in which setting."""
    method: Line | None = None
    """How it was measured or estimated."""


class DataReference(Document):
    """One data set that the card speaks of."""

    name: Name
    """Name as people know it."""
    digest: Digest | None = None
    """Root of its files or digest of its Croissant description."""
    location: Location | None = None
    """Where it can be had."""
    license: License | None = None
    """Its licence."""
    category: EuCategory | None = None
    """Its category in the EU public summary of training content."""
    note: Line | None = None
    """What part was used, or how."""


class Data(Document):
    """What is disclosed of the training data as a whole."""

    references: Annotated[tuple[DataReference, ...], Field(max_length=1024)] = ()
    """Data sets; lineage says in which stage they were used."""
    eu_categories: Annotated[
        tuple[EuCategory, ...],
        Field(max_length=7),
    ] = ()
    """Categories of the EU public summary of training content that apply."""
    description: Paragraph | None = None
    """Collection, selection and preparation in words."""
    sources: Annotated[tuple[DataSource, ...], Field(max_length=7)] = ()
    """What is said of each category, each once, also that there was none."""
    sizes: Annotated[tuple[DataSize, ...], Field(max_length=64)] = ()
    """How much data there was, by modality."""
    languages: Annotated[tuple[LanguageTag, ...], Field(max_length=1024)] = ()
    """Natural languages in the data, BCP 47."""
    latest: DayOrMonth | None = None
    """When the newest of it was collected."""
    continuous: Flag | None = None
    """Whether the model goes on learning from new data after that."""
    characteristics: Paragraph | None = None
    """Scope and main characteristics: domains, regions, shares of languages."""
    curation: Paragraph | None = None
    """How it was cleaned, filtered and annotated."""
    unsuitable: Paragraph | None = None
    """What was done to find unsuitable sources."""
    biases: Paragraph | None = None
    """What was done to find biases."""
    opt_outs: Paragraph | None = None
    """How rights that authors reserved against text and data mining were heeded."""
    illegal_content: Paragraph | None = None
    """What was done to keep illegal content out."""
    code_of_practice: Flag | None = None
    """Whether the provider signed the EU code of practice for general-purpose AI."""

    @model_validator(mode="after")
    def _categories_agree(self) -> Self:
        categories = [source.category for source in self.sources]
        if len(set(categories)) != len(categories):
            raise ValueError("a category of sources is listed twice")
        unused = {source.category for source in self.sources if not source.used}
        if both := sorted(unused & set(self.eu_categories)):
            raise ValueError(f"eu_categories has {both[0]}, and sources says that none was used")
        return self


class EvaluationResult(Document):
    """One measured value."""

    task: Name | None = None
    """Task, e.g. `text-classification`."""
    task_name: Line | None = None
    """Words for the task."""
    dataset: Name | None = None
    """Data set it was measured on, by the identifier that finds it."""
    dataset_name: Line | None = None
    """Words for the data set."""
    dataset_config: Name | None = None
    """Configuration of the data set."""
    dataset_split: Name | None = None
    """Split of the data set."""
    dataset_revision: Revision | None = None
    """Revision of the data set."""
    benchmark_task: Name | None = None
    """Task of the data set's own benchmark definition, which says what is measured (`.eval_results`)."""
    metric: Name | None = None
    """Metric, e.g. `accuracy`; absent only where `benchmark_task` says what the value is."""
    metric_name: Line | None = None
    """Words for the metric."""
    metric_config: Name | None = None
    """Configuration of the metric."""
    value: Number | Line
    """The value; text where it is no number."""
    source_name: Line | None = None
    """Who measured it."""
    source: HttpsUrl | None = None
    """Where that is reported."""
    measured: Day | Timestamp | None = None
    """When it was measured."""
    note: Line | None = None
    """How it was measured, e.g. `no tools`."""

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.metric is None and self.benchmark_task is None:
            raise ValueError("needs metric or benchmark_task")
        return self


class Component(Document):
    """One component of the Model Openness Framework, as declared."""

    name: ComponentName
    """Which component."""
    present: Flag
    """Whether it is released."""
    license: License | None = None
    """Its own licence."""
    location: Location | FilePath | None = None
    """Where it is: an address, or a file of this model."""
    digest: Digest | None = None
    """SHA-256 of it."""
    within: Literal["model_card", "technical_report", "research_paper"] | None = None
    """Document that holds it: a data card may stand in the model card, evaluation results in all three."""

    @model_validator(mode="after")
    def _may_be_within(self) -> Self:
        if self.within is not None and self.within not in _CONTAINERS.get(self.name, ()):
            raise ValueError(f"{self.name} does not stand within {self.within}")
        return self


class Link(Document):
    """A page about the model."""

    rel: Literal["homepage", "repository", "paper", "documentation", "demo", "license", "changelog", "other"]
    """What it is."""
    url: HttpsUrl
    """Address."""
    title: Line | None = None
    """Words for it."""


class Contact(Document):
    """Whom to write to."""

    role: Literal["author", "maintainer", "security", "legal", "representative", "other"]
    """For what; `representative` is the one authorised for the European Union."""
    name: Line | None = None
    """Person or group."""
    address: Line | None = None
    """E-mail address or page."""


class ReadmeReference(Document):
    """The README.md that people read, bound by digest; the model digest leaves it out."""

    sha256: Hex256
    """SHA-256 of its bytes."""
    size: Count
    """Its length in bytes."""


class Imported(Document):
    """What an import read and could not place."""

    source: Literal["huggingface", "mof"]
    """Format that was read: files of a hub's repository, or a Model Openness Tool file."""
    not_understood: Annotated[tuple[Line, ...], Field(max_length=256)] = ()
    """What has no field here, each as `name` or `name: why`; other files than README.md are named first."""


class Card(Document):
    """A model card. Every group may be absent."""

    identity: Identity | None = None
    """Names and authors."""
    description: Description | None = None
    """What it is."""
    licenses: Licenses | None = None
    """Licences by content type."""
    uses: Uses | None = None
    """Intended and unintended uses."""
    risks: Annotated[tuple[Risk, ...], Field(max_length=256)] = ()
    """Limitations, biases and risks."""
    training: Annotated[tuple[TrainingStage, ...], Field(max_length=64)] = ()
    """Stages of training."""
    inference: Inference | None = None
    """What using it costs."""
    data: Data | None = None
    """Training data as disclosed."""
    evaluations: Annotated[tuple[EvaluationResult, ...], Field(max_length=4096)] = ()
    """Measured values, as reported by their sources."""
    metrics: Annotated[tuple[Name, ...], Field(max_length=256)] = ()
    """Metrics that the publisher names without a value."""
    components: Annotated[tuple[Component, ...], Field(max_length=17)] = ()
    """Openness components."""
    links: Annotated[tuple[Link, ...], Field(max_length=256)] = ()
    """Pages about it."""
    contacts: Annotated[tuple[Contact, ...], Field(max_length=64)] = ()
    """Whom to write to."""
    readme: ReadmeReference | None = None
    """The README.md beside the model."""
    imported: Imported | None = None
    """What an import could not place."""

    @model_validator(mode="after")
    def _components_once(self) -> Self:
        names = [component.name for component in self.components]
        if len(set(names)) != len(names):
            raise ValueError("a component is listed twice")
        return self


class CardRevision(Document):
    """Predicate of card/v1: replaces a release's card. Subject: the release's statement digest."""

    logs: Annotated[tuple[Origin, ...], Field(min_length=1, max_length=16)]
    """Origins of the logs that the signer means it for."""
    previous: Reference | None
    """The card/v1 statement that it replaces; null for the first revision."""
    card: Card
    """The whole card as it now stands."""

    @model_validator(mode="after")
    def _previous_kind(self) -> Self:
        if self.previous is not None and self.previous.kind != KIND:
            raise ValueError("previous must refer to a card statement")
        return self
