# SPDX-License-Identifier: Apache-2.0
"""The 17 components of the Model Openness Framework: what each is, which class needs it, how to add it.

Order, classes and content types are those of the Model Openness Tool (docs/spec/openness.md). A component's
`name` is the one of our card, its `title` the one of the framework and of its YAML files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from weighbridge_schemas.card import ComponentName

__all__ = ["BY_NAME", "COMPONENTS", "ComponentRule", "Content"]

Content = Literal["code", "data", "document"]
"""What a component is made of, which decides whose licence it falls back to."""


@dataclass(frozen=True, slots=True)
class ComponentRule:
    """One component: `needed_by` is the highest class number (3 the lowest class) that first needs it."""

    name: ComponentName
    title: str
    content: Content
    needed_by: Literal[1, 2, 3]
    required: bool
    description: str
    """What it is, in the framework's sense."""
    how: str
    """What a publisher does to add it."""


COMPONENTS: Final = (
    ComponentRule(
        "model_architecture", "Model architecture", "code", 3, True,
        "the code that defines the model's architecture",
        "publish the modelling code (or name the library's file that defines it) and give its address",
    ),
    ComponentRule(
        "model_parameters_final", "Model parameters (Final)", "data", 3, True,
        "the trained weights",
        "name the weights file of this model as the location",
    ),
    ComponentRule(
        "evaluation_results", "Evaluation results", "document", 3, True,
        "what the model scored, on which data",
        "publish the results; where they stand in the model card, report or paper, say so with `within`",
    ),
    ComponentRule(
        "model_card", "Model card", "document", 3, True,
        "the description of the model for its users",
        "write README.md and name it as the location",
    ),
    ComponentRule(
        "data_card", "Data card", "document", 3, True,
        "the description of the data: source, characteristics, preparation",
        "describe the training data; where that stands in the model card, say `within: model_card`",
    ),
    ComponentRule(
        "technical_report", "Technical report", "document", 3, True,
        "a report of capabilities and use",
        "publish a report and give its address; an open research paper replaces it",
    ),
    ComponentRule(
        "sample_model_outputs", "Sample model outputs", "document", 3, False,
        "examples of what the model puts out",
        "publish some outputs",
    ),
    ComponentRule(
        "training_code", "Training code", "code", 2, True,
        "the code that trained the model",
        "publish the training scripts and give the address of the commit",
    ),
    ComponentRule(
        "inference_code", "Inference code", "code", 2, True,
        "the code that runs the model",
        "publish the code that loads and runs the model, or name the library's",
    ),
    ComponentRule(
        "evaluation_code", "Evaluation code", "code", 2, True,
        "the code that made the evaluation results",
        "publish the evaluation scripts, or name the harness and its configuration",
    ),
    ComponentRule(
        "evaluation_data", "Evaluation data", "data", 2, True,
        "the data that the model was evaluated on",
        "give the address and licence of the evaluation sets",
    ),
    ComponentRule(
        "supporting_libraries", "Supporting libraries and tools", "code", 2, False,
        "libraries and tools that were made for the model",
        "name them",
    ),
    ComponentRule(
        "datasets", "Datasets", "data", 1, True,
        "the data that the model was trained, tuned and tested on",
        "publish the training data under an open licence and give its address",
    ),
    ComponentRule(
        "data_preprocessing_code", "Data preprocessing code", "code", 1, True,
        "the code that cleaned, filtered and prepared the data",
        "publish the preparation scripts",
    ),
    ComponentRule(
        "model_parameters_intermediate", "Model parameters (Intermediate)", "data", 1, True,
        "checkpoints from the course of training",
        "publish checkpoints and give their address",
    ),
    ComponentRule(
        "research_paper", "Research paper", "document", 1, True,
        "a paper about the model's making",
        "publish a paper under an open licence; a detailed report may be declared as the paper",
    ),
    ComponentRule(
        "model_metadata", "Model metadata", "data", 1, False,
        "configuration of training, states of the optimiser",
        "publish them",
    ),
)  # fmt: skip
"""All of them, class III first."""

BY_NAME: Final = {rule.name: rule for rule in COMPONENTS}
"""The rules by the card's names."""
