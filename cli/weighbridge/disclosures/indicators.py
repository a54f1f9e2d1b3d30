# SPDX-License-Identifier: Apache-2.0
"""The indicators: what can be said of a model that a record can hold, and where the field asks for it.

`id` is also the short name of a field of a disclosure/v1. `sources` name the Foundation Model Transparency
Index of December 2025 (FMTI), the EU's documentation form (EU form) and summary of training content (EU
summary), the Model Openness Framework (MOF) and the Open Source AI Definition (OSAID).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["BY_ID", "GROUPS", "INDICATORS", "RULESET", "Group", "Indicator"]

RULESET: Final = "weighbridge-disclosure/2026-11"
"""Name of these rules: another list of indicators, or another way to meet one, is another ruleset."""

Group: TypeAlias = Literal["origin", "data", "training", "compute", "model", "evaluation", "use", "upkeep"]

GROUPS: Final[dict[Group, str]] = {
    "origin": "Origin",
    "data": "Training data",
    "training": "Training",
    "compute": "Compute and energy",
    "model": "The model itself",
    "evaluation": "Evaluation and risks",
    "use": "Use and terms",
    "upkeep": "Upkeep",
}
"""The groups and their titles, in order."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One thing that can be said. `how` says what a publisher does to say it."""

    id: str
    group: Group
    title: str
    sources: tuple[str, ...]
    how: str


def _indicator(id_: str, group: Group, title: str, sources: str, how: str) -> Indicator:
    return Indicator(id_, group, title, tuple(sources.split("; ")), how)


INDICATORS: Final = (
    _indicator(
        "developer",
        "origin",
        "Who made it",
        "EU form 1.1; EU summary 1.1",
        "name `identity.producer` or `identity.developers`",
    ),
    _indicator(
        "dependencies",
        "origin",
        "Which models it was made from, or that there are none",
        "FMTI Model dependencies; EU form 1.6",
        "state its parents, or `from_scratch`, in the lineage",
    ),
    _indicator(
        "training_data",
        "data",
        "What it was trained on",
        "FMTI Data acquisition methods; EU form 6.3; MOF Datasets",
        "name data sets in the lineage or `data.references`, or describe them in `data.description`",
    ),
    _indicator(
        "public_data",
        "data",
        "Public data sets and where they are",
        "FMTI Public datasets; EU summary 2.1; OSAID Data information",
        "give data sets a location, or say `used: false` of public_datasets in `data.sources`",
    ),
    _indicator(
        "exact_data",
        "data",
        "Which exact state of the data sets",
        "FMTI Data replicability",
        "give digest, statement or revision of data sets in the lineage",
    ),
    _indicator(
        "data_licences",
        "data",
        "Licences of the data sets",
        "EU summary 2.2; MOF Datasets",
        "give `data.references` licences, or data sets a dataset/v1",
    ),
    _indicator(
        "data_size",
        "data",
        "How much data",
        "FMTI Data size; EU summary 1.3; EU form 6.4",
        "give `data.sizes`",
    ),
    _indicator(
        "data_period", "data", "When the newest data was collected", "EU summary 1.3", "give `data.latest`"
    ),
    _indicator(
        "data_languages",
        "data",
        "Languages in the data",
        "FMTI Data language composition; EU summary 1.3",
        "give `data.languages`",
    ),
    _indicator(
        "data_characteristics",
        "data",
        "What the data is about",
        "FMTI Data domain composition; EU form 6.5",
        "describe it in `data.characteristics`",
    ),
    _indicator(
        "crawling",
        "data",
        "What was crawled, by which crawler, or that nothing was",
        "FMTI Crawling; EU summary 2.3",
        "say it of `crawled` in `data.sources`: crawlers, or `used: false`",
    ),
    _indicator(
        "licensed_data",
        "data",
        "Licensed and private data, or that there was none",
        "FMTI Licensed data sources; EU summary 2.2",
        "say it of `private_licensed` in `data.sources`",
    ),
    _indicator(
        "user_data",
        "data",
        "Data of users, or that there was none",
        "FMTI Usage data used in training; EU summary 2.4",
        "say it of `user_data` in `data.sources`",
    ),
    _indicator(
        "synthetic_data",
        "data",
        "Synthetic data and what made it, or that there was none",
        "FMTI Synthetic data sources; EU summary 2.5",
        "say it of `synthetic` in `data.sources`: description or generators, or `used: false`",
    ),
    _indicator(
        "data_processing",
        "data",
        "How the data was prepared",
        "FMTI Data processing methods; EU form 6.6",
        "describe it in `data.curation`",
    ),
    _indicator(
        "copyright_policy",
        "data",
        "How reserved rights were heeded",
        "EU summary 3.1",
        "describe it in `data.opt_outs`",
    ),
    _indicator(
        "illegal_content",
        "data",
        "How illegal content was kept out",
        "EU summary 3.2",
        "describe it in `data.illegal_content`",
    ),
    _indicator(
        "training_stages",
        "training",
        "The stages of training",
        "FMTI Model stages; EU form 5.1",
        "list them in `training`, each with its `stage`",
    ),
    _indicator(
        "training_method",
        "training",
        "What was done in each stage",
        "FMTI Model objectives; EU form 5.1",
        "describe `process` in each of `training`",
    ),
    _indicator(
        "hyperparameters",
        "training",
        "Hyperparameters",
        "EU form 5.1; MOF Model metadata",
        "give `hyperparameters` of a stage",
    ),
    _indicator(
        "post_training",
        "training",
        "What was done after pre-training",
        "FMTI Mitigations taxonomy",
        "describe `process` of a stage finetuning or post_training",
    ),
    _indicator(
        "training_code",
        "training",
        "Whether the training code is released",
        "FMTI Code access; MOF Training code; OSAID Code",
        "declare the component training_code, present or not",
    ),
    _indicator(
        "compute",
        "compute",
        "Computation used for training",
        "FMTI Compute usage for final training run; EU form 7.2",
        "give `compute_petaflop` of a stage",
    ),
    _indicator(
        "hardware",
        "compute",
        "Machines used for training",
        "FMTI Compute hardware for final training run",
        "name `hardware` of a stage",
    ),
    _indicator(
        "training_time",
        "compute",
        "How long training took",
        "FMTI Development duration for final training run; EU form 7.1",
        "give `accelerator_hours`, or `started` and `ended`, of a stage",
    ),
    _indicator(
        "energy",
        "compute",
        "Energy used for training",
        "FMTI Energy usage for final training run; EU form 8.1",
        "give `energy.kilowatt_hours` of a stage",
    ),
    _indicator(
        "emissions",
        "compute",
        "Emissions of training",
        "FMTI Carbon emissions for final training run",
        "give `energy.co2_grams` of a stage",
    ),
    _indicator(
        "inference_cost",
        "compute",
        "What one use costs",
        "FMTI Benchmarked inference; EU form 8.3",
        "give `inference.petaflop` or `.kilowatt_hours`",
    ),
    _indicator(
        "architecture",
        "model",
        "Architecture",
        "FMTI Basic model properties; EU form 2.1",
        "name `description.architecture`",
    ),
    _indicator(
        "size",
        "model",
        "Number of parameters",
        "FMTI Basic model properties; EU form 2.5",
        "give `description.parameters`",
    ),
    _indicator(
        "modalities",
        "model",
        "Kinds of input and output",
        "FMTI Basic model properties; EU form 2.3, 2.4",
        "give `description.input_modalities` and `.output_modalities`",
    ),
    _indicator(
        "context_length",
        "model",
        "Longest input",
        "EU form 2.3",
        "give `description.context_length` or `.input_limits`",
    ),
    _indicator(
        "weights",
        "model",
        "Whether the weights are released, and where",
        "FMTI Open weights; MOF Model parameters",
        "declare the component model_parameters_final, present or not, or give a location when publishing",
    ),
    _indicator(
        "quantization",
        "model",
        "In which precision its numbers are",
        "FMTI Quantization",
        "publish safetensors or GGUF: their tensor table has the type of each tensor",
    ),
    _indicator(
        "system_prompt",
        "model",
        "The prompt that it is served with",
        "FMTI Permitted, restricted, and prohibited model behaviors",
        "answer the field system_prompt of the disclosure",
    ),
    _indicator(
        "evaluation",
        "evaluation",
        "What it scored",
        "FMTI Capabilities evaluation; MOF Evaluation results",
        "give `evaluations`",
    ),
    _indicator(
        "evaluation_data",
        "evaluation",
        "On which data it was measured, exactly",
        "FMTI External reproducibility of capabilities evaluation",
        "give the data set with split, revision or benchmark task of each of `evaluations`",
    ),
    _indicator(
        "evaluation_source",
        "evaluation",
        "Who measured it",
        "FMTI External risk evaluation",
        "give `source_name` or `source` of `evaluations`",
    ),
    _indicator(
        "limitations",
        "evaluation",
        "Limitations",
        "FMTI Risks taxonomy",
        "list them in `risks`, category limitation",
    ),
    _indicator(
        "bias",
        "evaluation",
        "Biases",
        "FMTI Risks taxonomy; EU form 6.8",
        "list them in `risks`, category bias, or say in `data.biases` what was looked for",
    ),
    _indicator(
        "safety",
        "evaluation",
        "Harms that it can do, security and privacy",
        "FMTI Risks taxonomy",
        "list them in `risks`: harms, security, privacy",
    ),
    _indicator(
        "mitigations",
        "evaluation",
        "What was done about risks",
        "FMTI Mitigations taxonomy mapped to risk taxonomy",
        "give `mitigation` of `risks`",
    ),
    _indicator("licence", "use", "Licence", "FMTI Terms of use; EU form 3.2", "give `licenses`"),
    _indicator("intended_uses", "use", "Uses that it is meant for", "EU form 4.2", "list `uses.intended`"),
    _indicator(
        "restricted_uses",
        "use",
        "Uses that it is not meant for",
        "FMTI Permitted, restricted, and prohibited model behaviors; EU form 4.2",
        "list `uses.out_of_scope`",
    ),
    _indicator(
        "acceptable_use",
        "use",
        "Policy of acceptable use",
        "EU form 4.1",
        "give `uses.acceptable_use_policy`",
    ),
    _indicator(
        "requirements",
        "use",
        "What running it needs",
        "EU form 4.4, 4.5, 4.6",
        "give `uses.hardware`, `.software` or `.integration`, or `identity.library`",
    ),
    _indicator(
        "distribution",
        "use",
        "Where it can be had",
        "FMTI Top distribution channels; EU form 3.1",
        "give locations when publishing, or links of rel repository",
    ),
    _indicator(
        "versioning",
        "upkeep",
        "Which version it is, fixed by fingerprints",
        "FMTI Versioning protocol",
        "publish it under a version",
    ),
    _indicator(
        "change_log",
        "upkeep",
        "What changed between versions",
        "FMTI Change log",
        "give a link of rel changelog",
    ),
    _indicator(
        "incidents",
        "upkeep",
        "Where to report incidents",
        "FMTI Security incident reporting protocol",
        "name a contact of role security",
    ),
    _indicator(
        "warnings_answered",
        "upkeep",
        "Answers to warnings of others",
        "FMTI Responsible disclosure policy",
        "acknowledge or dispute an advisory about it: weighbridge attest STATEMENT --type position",
    ),
    _indicator("contacts", "upkeep", "Whom to write to", "FMTI Feedback mechanisms", "list `contacts`"),
)
"""All of them, by group."""

BY_ID: Final = {one.id: one for one in INDICATORS}
"""The indicators by their short names."""
